"""How jobs find the package that planned them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import REPOSITORY, Workflow, write_dataset

import dynseg
from dynseg.workflow.environment import offer_package, package_alone

# What Snakemake asks of conda. An environment of this one has Python and dynseg's dependencies, but no dynseg.
CONDA = """#!/bin/sh
echo "$@" >> "$0.calls"
case "$1" in
    --version) echo "conda 24.11.1" ;;
    info) echo '{{"conda_version": "24.11.1", "conda_prefix": "{root}", "conda_shlvl": "0", "platform": "linux-64"}}' ;;
    config) echo '{{"channel_priority": "strict", "get": {{"channel_priority": "strict"}}}}' ;;
    env)
        while [ $# -gt 0 ]; do
            case "$1" in --prefix|-p) prefix="$2" ;; esac
            shift
        done
        mkdir -p "$prefix/bin" "$prefix/conda-meta"
        printf '#!/bin/sh\\nexec {python} -c "$MEETS_NO_DYNSEG" "$@"\\n' > /dev/null
        ln -s {python} "$prefix/bin/python"
        ;;
esac
"""


def test_the_copy_holds_the_package_alone_and_is_made_once(tmp_path: Path) -> None:
    folder = package_alone(tmp_path)
    assert [path.name for path in folder.iterdir()] == ["dynseg"]
    made = (folder / "dynseg/__init__.py").stat().st_ino
    assert package_alone(tmp_path) == folder
    assert (folder / "dynseg/__init__.py").stat().st_ino == made
    assert [path.name for path in tmp_path.iterdir()] == [folder.name]


def test_a_python_without_dynseg_gets_the_one_that_plans(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", "")
    monkeypatch.setenv("PATH", os.environ["PATH"])
    offer_package(None)
    command = [sys.executable, "-S", "-c", "import dynseg; print(dynseg.__version__, dynseg.__file__)"]
    output = subprocess.run(command, capture_output=True, text=True, check=True, cwd="/").stdout.split()
    assert output[0] == dynseg.__version__
    assert Path(output[1]).is_relative_to(tmp_path)
