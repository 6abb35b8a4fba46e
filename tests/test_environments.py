"""requirements.lock is the one place that says versions: the other environments agree with it."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

REPOSITORY = Path(__file__).parents[1]
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CONTAINERS = ("Dockerfile", "dynseg.def")


def pinned(lines: list[str]) -> dict[str, str]:
    """The versions of lines name==version, by canonical name."""
    requirements = [Requirement(line) for line in lines if line and not line.startswith("#")]
    versions = {canonicalize_name(each.name): str(each.specifier).removeprefix("==") for each in requirements}
    assert all(str(each.specifier).startswith("==") for each in requirements)
    return versions


# Of extras with an environment of their own, the file that has their versions.
OWN_LOCKS = {"docs": "requirements-docs.lock"}
LOCK = pinned((REPOSITORY / "requirements.lock").read_text(encoding="utf-8").splitlines())


# Extras for the files of a trade, which no test installs: a sentence names each where it is missing.
TRADES = {"geo", "heif", "napari", "ome", "tables", "tiff"}


def test_the_lock_meets_every_requirement_of_the_package_and_its_extras() -> None:
    extras = {name: wanted for name, wanted in PROJECT["optional-dependencies"].items() if name not in TRADES}
    for extra, wanted in {"": PROJECT["dependencies"], **extras}.items():
        file = OWN_LOCKS.get(extra)
        lock = pinned((REPOSITORY / file).read_text(encoding="utf-8").splitlines()) if file else LOCK
        for requirement in map(Requirement, wanted):
            assert lock[canonicalize_name(requirement.name)] in requirement.specifier, requirement


def test_the_conda_environment_is_the_package_at_the_locks_versions() -> None:
    environment = yaml.safe_load((REPOSITORY / "envs/dynseg.yaml").read_text(encoding="utf-8"))
    (by_pip,) = (each["pip"] for each in environment["dependencies"] if isinstance(each, dict))
    versions = pinned(by_pip)
    assert versions.keys() == {canonicalize_name(Requirement(each).name) for each in PROJECT["dependencies"]}
    assert versions == {name: LOCK[name] for name in versions}


def test_conda_and_containers_have_a_python_that_the_package_supports() -> None:
    environment = yaml.safe_load((REPOSITORY / "envs/dynseg.yaml").read_text(encoding="utf-8"))
    (conda,) = (each.removeprefix("python=") for each in environment["dependencies"] if str(each).startswith("python="))
    for name in CONTAINERS:
        text = (REPOSITORY / "envs" / name).read_text(encoding="utf-8")
        assert re.findall(r"python:([\d.]+)", text) == [conda], name
    assert conda in Requirement(f"python{PROJECT['requires-python']}").specifier


def test_containers_install_the_lock_and_copy_what_there_is() -> None:
    for name in CONTAINERS:
        text = (REPOSITORY / "envs" / name).read_text(encoding="utf-8")
        assert "--requirement /opt/dynseg/requirements.lock" in text
        assert "--no-deps /opt/dynseg" in text
        # No version beside the lock's.
        assert "==" not in text
        copied = re.findall(r"^(?:COPY | {4})(\S.*?) /opt/dynseg/", text, flags=re.MULTILINE)
        sources = {source for line in copied for source in line.split()} - {"pip"}
        files = {source for source in sources if (REPOSITORY / source).exists()}
        assert {
            "requirements.lock",
            "pyproject.toml",
            "setup.py",
            "dynseg",
            "workflow",
            "profiles",
            "envs",
            "Snakefile",
        } <= files


def test_the_workflows_own_test_plans_on_embedded_data(tmp_path: Path) -> None:
    """`.test` is the working directory in which the catalogue, and whoever deploys, tries the workflow."""
    shutil.copytree(REPOSITORY / ".test/config", tmp_path / "config")
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(REPOSITORY / "workflow/Snakefile")]
    options = ["--directory", str(tmp_path), "--cores", "1", "--dry-run"]
    result = subprocess.run([*command, *options], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "rule compose_mosaic" in result.stdout + result.stderr


def test_the_catalogue_finds_what_it_asks_for() -> None:
    entry = yaml.safe_load((REPOSITORY / ".snakemake-workflow-catalog.yml").read_text(encoding="utf-8"))
    assert entry["usage"]["software-stack-deployment"]["conda"] is True
    assert (REPOSITORY / "workflow/Snakefile").exists()
    assert (REPOSITORY / "config/README.md").exists()


def succeeds(*command: str) -> bool:
    """Whether there is a program and it does what it is asked to."""
    return shutil.which(command[0]) is not None and subprocess.run(command, capture_output=True).returncode == 0


@pytest.mark.slow
def test_the_docker_image_builds_and_starts_dynseg() -> None:
    if not succeeds("docker", "info"):
        pytest.skip("there is no Docker whose daemon runs")
    if not succeeds("docker", "pull", "--quiet", "python:3.11-slim"):
        pytest.skip("the base image can't be had")
    tag = "dynseg:test"
    subprocess.run(
        ["docker", "build", "--quiet", "--tag", tag, "--file", "envs/Dockerfile", "."], cwd=REPOSITORY, check=True
    )
    for command in (["dynseg", "--version"], ["python", "-c", "import dynseg, snakemake"]):
        subprocess.run(["docker", "run", "--rm", tag, *command], check=True)


@pytest.mark.slow
def test_the_apptainer_image_builds_and_starts_dynseg(tmp_path: Path) -> None:
    if not succeeds("apptainer", "--version"):
        pytest.skip("there is no Apptainer")
    image = str(tmp_path / "dynseg.sif")
    if not succeeds("apptainer", "pull", str(tmp_path / "base.sif"), "docker://python:3.11-slim"):
        pytest.skip("the base image can't be had")
    subprocess.run(["apptainer", "build", image, "envs/dynseg.def"], cwd=REPOSITORY, check=True)
    subprocess.run(["apptainer", "exec", image, "dynseg", "--version"], check=True)
