"""The profiles: each is one that Snakemake takes, and jobs ask for what their images need."""

import os
import re
import shutil
from pathlib import Path

import pytest
import yaml
from conftest import REPOSITORY, Workflow

PROFILES = sorted(path.parent for path in (REPOSITORY / "profiles").glob("*/config.yaml"))

CLUSTERS = [path for path in PROFILES if path.name != "default"]

# Of each profile that submits by a command: the command, and how its answer is put. It runs the job's script in the
# background, as a scheduler would, under the limits that Grid Engine sets, and notes how it was called.
SUBMIT_COMMANDS = {
    "cluster-generic": ("qsub", "echo $!.server"),
    "grid-engine": ("qsub", "echo $!"),
    "lsf": ("bsub", 'echo "Job <$!> is submitted to default queue <normal>."'),
    "htcondor": ("condor_submit", 'echo "$!.0 - $!.0"'),
}
SUBMIT = """#!/bin/sh
echo "$@" >> "$0.calls"
for word in "$@"; do
    case "$word" in
        executable=*) script="${{word#executable=}}" ;;
        *.sh) script="$word" ;;
        *h_vmem=*) size="${{word##*h_vmem=}}"; ulimit -v "$((${{size%%M*}} * 1024))" ;;
        *h_rss=*) size="${{word##*h_rss=}}"; ulimit -m "$((${{size%%M*}} * 1024))" ;;
    esac
done
"$script" > /dev/null 2>&1 &
{answer}
"""
# What a job of scoring asks for: one core, no GPU, 10 minutes and 2000 MB.
REQUESTS = {
    "cluster-generic": ("ncpus=1:ngpus=0:mem=2000mb", "walltime=00:10:00"),
    "grid-engine": ("-pe smp 1", "gpu=0,h_rss=2000M,h_rt=00:10:00"),
    "lsf": ("-n 1 -W 10", "rusage[mem=2000,ngpus_physical=0]"),
    "htcondor": ("request_cpus=1 request_gpus=0 request_memory=2000MB", "+MaxRuntime=60*10"),
}


@pytest.mark.parametrize("profile", PROFILES, ids=lambda path: path.name)
def test_snakemake_takes_every_profile(finished: Workflow, profile: Path) -> None:
    output = finished.run("--dry-run", "--workflow-profile", str(profile))
    assert "Nothing to be done" in output


@pytest.mark.parametrize("profile", CLUSTERS, ids=lambda path: path.name)
def test_cluster_profiles_try_again_with_more(profile: Path) -> None:
    settings = yaml.safe_load((profile / "config.yaml").read_text(encoding="utf-8"))
    assert settings["retries"] >= 1
    assert settings["rerun-incomplete"]
    assert settings["keep-going"]
    # Every rule that says nothing itself asks for more when it is tried again.
    assert all("* attempt" in settings["default-resources"][name] for name in ("runtime", "mem_mb"))


def test_a_job_asks_for_time_and_memory(finished: Workflow) -> None:
    config = {**finished.config, "training": {**finished.config["training"], "channels": 100}}
    output = finished.run("--dry-run", config=config)
    asked = re.findall(r"rule segment:.*?runtime=(\d+), mem_mb=(\d+)", output, flags=re.DOTALL)
    assert len(asked) == 6
    assert all(10 <= int(minutes) <= 20 and 500 <= int(megabytes) <= 4000 for minutes, megabytes in asked)


def test_a_short_run_asks_for_the_time_of_its_own_iterations(finished: Workflow) -> None:
    figure = {"d": {"dataset": "small", "image": "a", "methods": ["fsf-15"], "iterations": [1]}}
    training = {**finished.config["training"], "channels": 100, "iterations": 9_000_000}
    output = finished.run("--dry-run", config={**finished.config, "training": training, "dynamics": figure})
    (short,) = re.findall(r"rule short_run:.*?runtime=(\d+)", output, flags=re.DOTALL)
    whole = [int(minutes) for minutes in re.findall(r"rule segment:.*?runtime=(\d+)", output, flags=re.DOTALL)]
    assert int(short) == 11
    assert min(whole[-6:]) > 60


@pytest.mark.slow
@pytest.mark.parametrize("name", SUBMIT_COMMANDS)
def test_profiles_submit_with_the_schedulers_command(
    finished: Workflow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    program, answer = SUBMIT_COMMANDS[name]
    command = tmp_path / "bin" / program
    command.parent.mkdir()
    command.write_text(SUBMIT.format(answer=answer))
    command.chmod(0o755)
    monkeypatch.setenv("PATH", str(command.parent), prepend=os.pathsep)
    shutil.copytree(finished.directory, tmp_path / "run")
    workflow = Workflow(tmp_path / "run", {**finished.config, "scoring": {"connectivity": 8}})
    profile = REPOSITORY / "profiles" / name
    output = workflow.run("--workflow-profile", str(profile), "--latency-wait", "5", "--", "results/tables/table1.csv")
    calls = Path(f"{command}.calls").read_text().splitlines()
    scoring = [call for call in calls if re.search(r"(-N|-J|-batch-name) score ", call)]
    assert len(scoring) == 3
    assert all(request in call for call in scoring for request in REQUESTS[name])
    # What cancels a job is given the scheduler's id alone.
    assert re.search(r"with external jobid '\d+(\.\w+)?'", output)


def test_every_profile_that_submits_has_its_test() -> None:
    executors = {path.name: yaml.safe_load((path / "config.yaml").read_text())["executor"] for path in CLUSTERS}
    assert {name for name, executor in executors.items() if executor == "cluster-generic"} == SUBMIT_COMMANDS.keys()


def test_the_pod_runs_the_workflow_where_its_volume_is() -> None:
    job = yaml.safe_load((REPOSITORY / "profiles/kubernetes/job.yaml").read_text(encoding="utf-8"))
    pod = job["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    (mount,) = container["volumeMounts"]
    assert container["workingDir"] == mount["mountPath"]
    assert mount["name"] in [volume["name"] for volume in pod["volumes"]]
    assert container["command"][:2] == ["dynseg", "run"]
    assert f"gpu={container['resources']['limits']['nvidia.com/gpu']}" in container["command"]
