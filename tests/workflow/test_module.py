"""dynseg as a module of another workflow, with a config of its own."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from conftest import REPOSITORY, Workflow

OTHER = f"""
configfile: "own.yaml"

module dynseg:
    snakefile: "{REPOSITORY}/workflow/Snakefile"
    config: config["dynseg"]

use rule * from dynseg as dynseg_*

rule all:
    default_target: True
    input: "answer.txt"

rule answer:
    input: "elsewhere/tables/table1.csv"
    output: "answer.txt"
    shell: "grep -c fsf-15 {{input}} > {{output}}"
"""


def snakemake(directory: Path, *arguments: str) -> str:
    # What the command line says of the other workflow's own datasets is nothing to dynseg.
    command = [sys.executable, "-m", "snakemake", "--cores", "2", "--config", "datasets=mine", *arguments]
    result = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout + result.stderr


@pytest.fixture
def other(finished: Workflow, tmp_path: Path) -> Path:
    """Another workflow's working directory."""
    (tmp_path / "Snakefile").write_text(OTHER)
    own = {**finished.config, "results": "elsewhere", "images_per_job": "auto"}
    (tmp_path / "own.yaml").write_text(yaml.safe_dump({"datasets": ["of", "others"], "dynseg": own}))
    return tmp_path


def test_another_workflow_plans_its_own_targets_through_the_module(other: Path) -> None:
    output = snakemake(other, "--dry-run")
    for rule in ("dynseg_prepare_dataset", "dynseg_score", "dynseg_table", "answer"):
        assert rule in output
    assert "dynseg_all" not in output


@pytest.mark.slow
def test_another_workflow_gets_the_table_from_the_module(other: Path) -> None:
    snakemake(other)
    assert int((other / "answer.txt").read_text()) > 0
    assert (other / "elsewhere/label_maps/small/fsf-15/seed0/a.h5").exists()
    assert "Nothing to be done" in snakemake(other, "--dry-run")
