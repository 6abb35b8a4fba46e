"""What the workflow sets in the process that runs it: how jobs find this package, how often jobs are looked at."""

import os
import sys
from pathlib import Path
from typing import Any


def offer_package(checkout: Path | None) -> None:
    """Let `python -m dynseg` in subprocesses be run by the Python that runs this, and be this checkout if there is one.

    So neither an activated environment nor, with a checkout, an installed package is needed.
    """
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    if checkout is not None:
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(checkout), os.environ.get("PYTHONPATH")]))


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
