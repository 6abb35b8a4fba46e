"""What the workflow sets in the process that runs it: how jobs find this package, how often jobs are looked at."""

import hashlib
import os
import shutil
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).parents[1]


def offer_package(checkout: Path | None) -> Path:
    """Let `python -m dynseg` in subprocesses be run by the Python that runs this, and be this very package.

    So neither an activated environment nor, with a checkout, an installed package is needed; and jobs in conda
    environments, which have dynseg's dependencies alone, run the code that planned them.

    Parameters
    ----------
    checkout : path or None
        The top of the checkout that the rules lie in; None: the package is an installed one.

    Returns
    -------
    path
        The folder that `PYTHONPATH` now begins with.
    """
    folder = package_alone(Path(".snakemake")) if checkout is None else checkout
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH")]))
    return folder


def package_alone(parent: Path) -> Path:
    """Return an absolute folder that holds a copy of this package and nothing else, made where there is none.

    The folder that it is installed in holds other packages too, which in a job's environment would take the place of
    that environment's own.

    Parameters
    ----------
    parent : path
        Where copies are kept, one for each state of the package.
    """
    files = sorted(path for path in PACKAGE.rglob("*") if path.is_file() and path.suffix != ".pyc")
    states = [f"{path.relative_to(PACKAGE)} {path.stat().st_size} {path.stat().st_mtime_ns}\n" for path in files]
    folder = parent.absolute() / f"dynseg-{hashlib.sha256(''.join(states).encode()).hexdigest()[:12]}"
    if not folder.is_dir():
        parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=parent) as aside:
            whole = Path(aside, "whole")
            shutil.copytree(PACKAGE, whole / PACKAGE.name, ignore=shutil.ignore_patterns("__pycache__"))
            # Another process may have been quicker.
            with suppress(OSError):
                whole.rename(folder)
    return folder


def calm_scheduler(workflow: Any) -> None:
    """Keep Snakemake from looking at every waiting job, and at all its inputs, again and again.

    Its limit of jobs a second schedules a look a second after each look, and every job that ends starts another such
    chain (snakemake/snakemake#3955): after a hundred jobs it takes a processor. No option turns it off, so only the
    limit that holds where nothing is said, 100 a second, is taken away. The attribute is private to Snakemake: where
    another version has none, nothing is changed.

    Parameters
    ----------
    workflow : snakemake.workflow.Workflow
        Whose scheduler is about to start.
    """
    limit = workflow.scheduling_settings.max_jobs_per_timespan
    is_default = bool(limit) and (limit.max_jobs, limit.timespan) == (100, 1)
    if is_default and hasattr(workflow.scheduler, "job_rate_limiter"):
        workflow.scheduler.job_rate_limiter = None
