"""The workflow as a whole: what a user types, and what a user gets wrong."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import REPOSITORY, Workflow, write_dataset


def test_a_plain_dry_run_plans_the_paper(tmp_path: Path) -> None:
    shutil.copytree(REPOSITORY / "config", tmp_path / "config")
    command = [sys.executable, "-m", "snakemake", "-n", "--snakefile", str(REPOSITORY / "Snakefile")]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "fetch_official" in result.stdout + result.stderr
    assert "table" in result.stdout + result.stderr


@pytest.mark.slow
def test_odd_names_and_batches_go_through_every_rule(tmp_path: Path) -> None:
    names = ["with space", "quote'n\"quote", "semi;colon", "$HOME {x}", "größe-写真", "new\nline"]
    config = {
        "datasets": {"odd": write_dataset(tmp_path / "da ta", names)},
        "methods": {"fsf-15": {"scheme": "fsf", "mu": 15, "label": "FSF, μ′ = q′/15 & 'more' {x} $(touch pwned)"}},
        "training": {"components": 1, "channels": 8, "iterations": 2},
        "images_per_job": 3,
    }
    Workflow(tmp_path, config).run()
    table = (tmp_path / "results/tables/table1.md").read_text(encoding="utf-8")
    assert "FSF, μ′ = q′/15 & 'more' {x} $(touch pwned)" in table
    assert "6 images" in table
    assert not (tmp_path / "pwned").exists()


@pytest.mark.slow
def test_pictures_alone_end_with_panels_and_a_report(tmp_path: Path) -> None:
    pictures = write_dataset(tmp_path / "data", ["a", "b"])
    del pictures["annotations"]
    workflow = Workflow(tmp_path, {"datasets": {"pictures": pictures}, "methods": {"graph": {"method": "graph_based"}}})
    workflow.run()
    assert (tmp_path / "results/figures/panels/pictures.png").exists()
    assert "2 images of pictures" in (tmp_path / "results/report.html").read_text(encoding="utf-8")
    assert "Nothing to be done" in workflow.run("--dry-run")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"methods": {"x": {"scheme": "fsv", "mu": 1}}}, "methods/x/scheme"),
        ({"methods": {"x": {"scheme": "fsf", "mu": 0}}}, "methods/x/mu"),
        ({"datasets": {"bsd500": {"archive": "no/such.tgz"}}}, "datasets/bsd500/archive: no/such.tgz doesn't exist"),
    ],
)
def test_a_wrong_config_is_one_sentence_and_touches_nothing(
    finished: Workflow, change: dict[str, Any], sentence: str
) -> None:
    before = sorted((finished.directory / "results").rglob("*"))
    result = finished.snakemake(config={**finished.config, **change, "panels": {}})
    assert result.returncode != 0
    output = result.stdout + result.stderr
    assert sentence in output
    assert "Traceback" not in output
    assert sorted((finished.directory / "results").rglob("*")) == before


def test_a_failing_job_says_why_and_leaves_the_rest(finished: Workflow, tmp_path: Path) -> None:
    shutil.copytree(finished.directory, tmp_path, dirs_exist_ok=True)
    broken = write_dataset(tmp_path / "broken", ["x", "y"])
    Path(broken["archive"], "x.png").write_bytes(b"no picture")
    config = {**finished.config, "datasets": {**finished.config["datasets"], "broken": broken}}
    result = Workflow(tmp_path, config).snakemake()
    output = result.stdout + result.stderr
    assert result.returncode != 0
    assert "x.png" in output
    assert (tmp_path / "results/tables/table1.csv").exists()
    assert not (tmp_path / "results/datasets/broken/images.txt").exists()


def test_results_that_cannot_be_written_are_one_sentence(finished: Workflow, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder", encoding="utf-8")
    result = Workflow(tmp_path, {**finished.config, "results": "file/results"}).snakemake()
    output = result.stdout + result.stderr
    assert result.returncode != 0
    assert "config: results: file/results can't be a folder" in output
    assert "Traceback" not in output
    assert (tmp_path / "file").read_text(encoding="utf-8") == "not a folder"


@pytest.mark.slow
def test_waiting_jobs_are_looked_at_only_when_a_job_ends(tmp_path: Path) -> None:
    """Not once a second for each job that ever ended, as Snakemake does by itself."""
    config = {
        "datasets": {"small": write_dataset(tmp_path / "data", list("abcdefgh"))},
        "methods": {"blank": {"method": "blank", "images_per_job": 1}},
        "panels": {},
    }
    output = Workflow(tmp_path, config).run("--cores", "1", "--verbose")
    ended = output.count("Finished jobid:")
    assert ended >= 10
    assert output.count("Ready jobs: ") <= ended + 1
