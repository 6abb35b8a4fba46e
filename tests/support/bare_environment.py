"""An environment with the dependencies of the one that tests, but without dynseg, made without a network."""

import os
import sysconfig
import venv
from pathlib import Path


def make_bare_environment(folder: Path) -> Path:
    """Make a virtual environment in a folder; return its folder of packages."""
    venv.create(folder, with_pip=False, symlinks=True)
    packages = Path(sysconfig.get_path("purelib", vars={"base": str(folder)}, scheme="venv"))
    # An editable installation of dynseg is named in a .pth file there, and those aren't read from here.
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return packages


def without_checkout() -> dict[str, str]:
    """Return the environment variables of this process but those that tell of a checkout."""
    return {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "DYNSEG_REPOSITORY")}
