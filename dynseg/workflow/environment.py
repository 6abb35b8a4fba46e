"""How the workflow's jobs find this package."""

import os
import sys
from pathlib import Path


def offer_package(checkout: Path | None) -> None:
    """Let `python -m dynseg` in subprocesses be run by the Python that runs this, and be this checkout if there is one.

    So neither an activated environment nor, with a checkout, an installed package is needed.
    """
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    if checkout is not None:
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(checkout), os.environ.get("PYTHONPATH")]))
