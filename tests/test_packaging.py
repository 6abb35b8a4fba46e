"""What is published: the wheel, the source distribution and what they say of themselves."""

import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest
import yaml
from bare_environment import make_bare_environment, without_checkout

import dynseg

REPOSITORY = Path(__file__).parents[1]
ADDRESS = "https://host.example/somebody/dynseg"
WORKFLOW_PARTS = ("workflow/Snakefile", "workflow/schemas/config.schema.yaml", "workflow/report/workflow.rst")

# A quick run: what counts is that it runs at all.
QUICK = {"training": {"components": 1, "channels": 8, "iterations": 2, "scale": 0.1}, "device": "cpu"}


def run(*command: str | Path, folder: Path, **variables: str) -> str:
    """Run a command to its end outside the checkout; return what was printed."""
    result = subprocess.run(
        [str(word) for word in command],
        cwd=folder,
        env={**without_checkout(), **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout + result.stderr


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository, since a build leaves folders behind."""
    folder = tmp_path_factory.mktemp("source") / "dynseg"
    left_out = (
        ".git",
        ".venv",
        ".snakemake",
        "results",
        "resources",
        "build",
        "dist",
        "*.egg-info",
        "__pycache__",
        ".*_cache",
    )
    shutil.copytree(REPOSITORY, folder, ignore=shutil.ignore_patterns(*left_out, ".hypothesis"))
    return folder


@pytest.fixture(scope="module")
def wheel(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of a release."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = (sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation")
    run(*pip, "--wheel-dir", folder, source, folder=folder, DYNSEG_REPOSITORY=ADDRESS)
    (made,) = folder.glob("*.whl")
    return made


@pytest.mark.slow
def test_the_wheel_has_the_workflow_and_says_what_it_is(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        (metadata_name,) = (name for name in names if name.endswith("METADATA"))
        metadata = message_from_bytes(archive.read(metadata_name))
    assert {f"dynseg/shipped/{part}" for part in WORKFLOW_PARTS} <= names
    profiles = {path.relative_to(REPOSITORY) for path in (REPOSITORY / "profiles").glob("*/*.yaml")}
    assert {f"dynseg/shipped/{path.as_posix()}" for path in profiles} <= names
    assert not any(name.startswith("tests") or name.endswith(".pyc") for name in names)
    assert metadata["Version"] == dynseg.__version__
    assert {"Classifier", "Keywords", "Author", "Project-URL"} <= set(metadata.keys())
    description = str(metadata.get_payload())
    targets = re.findall(r"\]\(([^)]+)\)", description)
    assert targets
    assert all(target.startswith(("https://", "#")) for target in targets), targets
    # A link to a file is one to a file that there is.
    for target in targets:
        if target.startswith(ADDRESS):
            path = re.sub(r"^/(blob|raw)/main/", "", target.removeprefix(ADDRESS)).partition("#")[0]
            assert (REPOSITORY / path).exists(), target


@pytest.mark.slow
def test_an_empty_environment_runs_everything_from_the_wheel(wheel: Path, tmp_path: Path) -> None:
    """The dependencies are those of the environment that tests; dynseg itself is in the wheel alone."""
    environment, away = tmp_path / "environment", tmp_path / "away"
    away.mkdir()
    site_packages = make_bare_environment(environment)
    python = environment / "bin" / "python"
    pip = (sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-deps", "--no-index")
    run(*pip, "--ignore-installed", wheel, folder=away)
    program = environment / "bin" / "dynseg"
    assert str(site_packages) in run(python, "-c", "import dynseg; print(dynseg.__file__)", folder=away)
    assert "segment" in run(program, "--help", folder=away)
    assert "dynseg run config.yaml" in run(program, "init", "project", folder=away)
    project = away / "project"
    config = project / "config.yaml"
    config.write_text(yaml.safe_dump({**yaml.safe_load(config.read_text(encoding="utf-8")), **QUICK}))
    output = run(program, "run", "config.yaml", "--cores", "2", folder=project)
    assert "(100%) done" in output
    assert (project / "results/report.html").stat().st_size > 10_000
    assert "scf-50" in (project / "results/tables/table1.md").read_text(encoding="utf-8")
    assert "scf-50" in run(program, "summary", "results", folder=project)
    picture = next((project / "results/datasets/photographs/images").glob("[!.]*"))
    run(program, "segment", picture, "-o", "out", "--max-size", "64", folder=project)
    images = project / "results/datasets/mosaic"
    score = (program, "score", "--ground-truth", images / "ground_truth.h5")
    maps = project / "results/label_maps/mosaic/fsf-15/seed0"
    assert "mean" in run(*score, "--prediction", maps, folder=project).lower()


@pytest.mark.slow
def test_the_source_distribution_brings_its_tests(source: Path, tmp_path: Path) -> None:
    build = "import setuptools.build_meta as build; print(build.build_sdist(r'" + str(tmp_path) + "'))"
    run(sys.executable, "-c", build, folder=source)
    (made,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(made) as archive:
        archive.extractall(tmp_path / "unpacked", filter="data")
    (top,) = (tmp_path / "unpacked").iterdir()
    tracked = run("git", "ls-files", folder=REPOSITORY).split("\n") if (REPOSITORY / ".git").exists() else []
    missing = [name for name in tracked if name and not (top / name).exists()]
    assert [name for name in missing if not name.startswith((".git", "docs/figures"))] == []
    # One folder of tests, run where it was unpacked, on the package that lies beside it.
    run(
        sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/metrics", folder=top, PYTHONPATH=str(top)
    )


def test_versions_agree() -> None:
    citation = yaml.safe_load((REPOSITORY / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == dynseg.__version__
    assert citation["preferred-citation"]["title"] in (REPOSITORY / "README.md").read_text(encoding="utf-8").replace(
        "\n> ", " "
    )
    changelog = (REPOSITORY / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"## [{dynseg.__version__}]" in changelog
