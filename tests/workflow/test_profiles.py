"""The profiles: each is one that Snakemake takes, and jobs ask for what their images need."""

import os
import re
import shutil
from pathlib import Path

import pytest
import yaml
from conftest import REPOSITORY, Workflow

PROFILES = sorted(path.parent for path in (REPOSITORY / "profiles").glob("*/config.yaml"))

# Runs the job script in the background, as a scheduler would, and notes how it was called.
QSUB = """#!/bin/sh
echo "$@" >> "$0.calls"
for script in "$@"; do :; done
"$script" > /dev/null 2>&1 &
echo $!
"""


@pytest.mark.parametrize("profile", PROFILES, ids=lambda path: path.name)
def test_snakemake_takes_every_profile(finished: Workflow, profile: Path) -> None:
    output = finished.run("--dry-run", "--workflow-profile", str(profile))
    assert "Nothing to be done" in output


@pytest.mark.parametrize("profile", [path for path in PROFILES if path.name != "default"], ids=lambda path: path.name)
def test_cluster_profiles_try_again_with_more(profile: Path) -> None:
    settings = yaml.safe_load((profile / "config.yaml").read_text(encoding="utf-8"))
    assert settings["retries"] >= 1
    assert settings["rerun-incomplete"]
    assert settings["keep-going"]
    assert {"runtime", "mem_mb"} <= settings["default-resources"].keys()


def test_a_job_asks_for_time_and_memory(finished: Workflow) -> None:
    config = {**finished.config, "training": {**finished.config["training"], "channels": 100}}
    output = finished.run("--dry-run", config=config)
    asked = re.findall(r"rule segment:.*?runtime=(\d+), mem_mb=(\d+)", output, flags=re.DOTALL)
    assert len(asked) == 6
    assert all(10 <= int(minutes) <= 20 and 500 <= int(megabytes) <= 4000 for minutes, megabytes in asked)


@pytest.mark.slow
def test_the_template_for_other_schedulers_submits_with_a_command(
    finished: Workflow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = tmp_path / "bin/qsub"
    command.parent.mkdir()
    command.write_text(QSUB)
    command.chmod(0o755)
    monkeypatch.setenv("PATH", str(command.parent), prepend=os.pathsep)
    shutil.copytree(finished.directory, tmp_path / "run")
    workflow = Workflow(tmp_path / "run", {**finished.config, "scoring": {"connectivity": 8}})
    profile = REPOSITORY / "profiles/cluster-generic"
    workflow.run("--workflow-profile", str(profile), "--latency-wait", "5", "--", "results/tables/table1.csv")
    calls = (command.parent / "qsub.calls").read_text().splitlines()
    assert sum("-N score " in call for call in calls) == 3
    assert all(
        "ncpus=1:ngpus=0:mem=2000mb" in call and "walltime=00:10:00" in call for call in calls if "score" in call
    )
