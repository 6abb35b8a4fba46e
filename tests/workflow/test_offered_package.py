"""How jobs find the package that planned them."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from bare_environment import make_bare_environment, without_checkout
from conftest import REPOSITORY, Workflow

import dynseg
from dynseg.workflow.environment import offer_package, package_alone

# What Snakemake asks of conda. An environment of this one has Python and dynseg's dependencies, but no dynseg.
CONDA = """#!/bin/sh
echo "$@" >> "$0.calls"
case "$1" in
    --version) echo "conda 26.1.0" ;;
    info) echo '{"conda_prefix": "'"$(dirname "$(dirname "$0")")"'", "platform": "linux-64"}' ;;
    config) echo '{"get": {"channel_priority": "strict"}}' ;;
    env)
        while [ "$1" != --prefix ]; do shift; done
        cp -a "$(dirname "$0")/../bare" "$2"
        mkdir -p "$2/conda-meta" ;;
esac
"""
ACTIVATE = """export PATH="$1/bin:$PATH"
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
    # Found and not imported: without site-packages there is nothing of what dynseg needs.
    command = [sys.executable, "-S", "-c", "import importlib.util; print(importlib.util.find_spec('dynseg').origin)"]
    found = Path(subprocess.run(command, capture_output=True, text=True, check=True, cwd="/").stdout.strip())
    assert found.is_relative_to(tmp_path)
    assert f'__version__ = "{dynseg.__version__}"' in found.read_text(encoding="utf-8")


def deploy(folder: Path, address: str) -> Path:
    """Put the rules by themselves into a folder; return a Snakefile that takes them from there by path or from git."""
    for part in ("workflow", "envs"):
        shutil.copytree(REPOSITORY / part, folder / part)
    if address == "path":
        return folder / "workflow/Snakefile"
    identity = ("-c", "user.name=Somebody", "-c", "user.email=somebody@host.example")
    for command in (["init", "--quiet", "--initial-branch", "main"], ["add", "."], [*identity, "commit", "-qm", "It"]):
        subprocess.run(["git", *command], cwd=folder, check=True)
    snakefile = folder.with_suffix(".smk")
    snakefile.write_text(
        f'module dynseg:\n    snakefile: "git+file://{folder}/workflow/Snakefile@main"\n    config: config\n'
        "use rule * from dynseg\n"
    )
    return snakefile


@pytest.mark.skipif(shutil.which("git") is None, reason="git isn't installed")
def test_rules_from_a_git_address_plan_with_an_installed_package(tmp_path: Path) -> None:
    shutil.copy(REPOSITORY / ".test/config/config.yaml", tmp_path / "given.yaml")
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(deploy(tmp_path / "deployed", "git"))]
    options = ["--cores", "1", "--dry-run", "--configfile", "given.yaml"]
    variables = {**os.environ, "PYTHONPATH": str(Path(dynseg.__file__).parents[1])}
    result = subprocess.run(
        [*command, *options], cwd=tmp_path, env=variables, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert "prepare_dataset" in result.stdout + result.stderr


@pytest.mark.slow
@pytest.mark.parametrize("address", ["path", "git"])
def test_jobs_in_conda_environments_run_an_installed_package(finished: Workflow, tmp_path: Path, address: str) -> None:
    """The rules are deployed by themselves, the package lies beside Snakemake, the environments have neither."""
    shutil.copytree(Path(dynseg.__file__).parent, make_bare_environment(tmp_path / "planner") / "dynseg")
    conda = tmp_path / "conda"
    make_bare_environment(conda / "bare")
    (conda / "bin").mkdir()
    (conda / "bin/conda").write_text(CONDA)
    (conda / "bin/conda").chmod(0o755)
    (conda / "bin/activate").write_text(ACTIVATE)
    snakefile, config = deploy(tmp_path / "deployed", address), tmp_path / "given.yaml"
    config.write_text(yaml.safe_dump({**finished.config, "panels": {}}))
    command = [str(tmp_path / "planner/bin/python"), "-m", "snakemake", "--snakefile", str(snakefile), "--cores", "1"]
    options = ["--software-deployment-method", "conda", "--configfile", str(config), "--", "results/tables/table1.csv"]
    variables = {**without_checkout(), "PATH": f"{conda / 'bin'}{os.pathsep}{os.environ['PATH']}"}
    result = subprocess.run(
        [*command, *options], cwd=tmp_path, env=variables, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert "env create" in (conda / "bin/conda.calls").read_text()
    assert (tmp_path / "results/tables/table1.csv").is_file()
