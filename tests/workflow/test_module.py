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


@pytest.mark.parametrize("key", ["config", 'config["dynseg"]'])
def test_config_files_are_laid_over_each_other_one_by_one_for_a_module_too(key: str, tmp_path: Path) -> None:
    methods = {"graph": {"method": "graph_based"}}
    files = [
        {"datasets": {"first": {"kind": "mosaic"}, "both": {"kind": "mosaic", "sample": 1}}, "methods": methods},
        {"datasets": {"both": {"kind": "mosaic"}}},
    ]
    for name, content in zip(("own.yaml", "over.yaml"), files, strict=True):
        (tmp_path / name).write_text(yaml.safe_dump(content if key == "config" else {"dynseg": content}))
    (tmp_path / "Snakefile").write_text(
        f'configfile: "own.yaml"\nmodule dynseg:\n    snakefile: "{REPOSITORY}/workflow/Snakefile"\n    config: {key}\n'
        "use rule * from dynseg\n"
    )
    command = [sys.executable, "-m", "snakemake", "prepare", "--cores", "1", "--dry-run", "--printshellcmds"]
    result = subprocess.run(
        [*command, "--configfile", "over.yaml"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    output = result.stdout + result.stderr
    assert "results/datasets/both/" in output
    assert "results/datasets/first/" not in output
    assert "--sample " not in output


@pytest.mark.slow
def test_another_workflow_gets_the_table_from_the_module(other: Path) -> None:
    snakemake(other)
    assert int((other / "answer.txt").read_text()) > 0
    assert (other / "elsewhere/label_maps/small/fsf-15/seed0/a.h5").exists()
    assert "Nothing to be done" in snakemake(other, "--dry-run")
