"""How the workflow's jobs find this package."""

import os
import sys
from pathlib import Path


def offer_package(repository: Path) -> None:
    """Let `python -m dynseg` in subprocesses be this checkout, run by the Python that runs this.

    So neither an activated environment nor an installed package is needed.
    """
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(repository), os.environ.get("PYTHONPATH")]))
