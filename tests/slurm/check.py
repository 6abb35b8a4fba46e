"""The workflow through SLURM, on the cluster that run.sh starts.

One small configuration runs here and through `profiles/slurm`. While it does, one job is cancelled and the controller
is restarted; at the end the results must be the same, and SLURM must know of the jobs.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import yaml

REPOSITORY = Path(__file__).parents[2]
TABLE = "results/tables/table1.csv"
CONFIG = {
    "datasets": {"mosaic": {"images": 4}},
    "methods": {"blank": {"method": "blank", "images_per_job": 4}, "fsf-15": {"scheme": "fsf", "mu": 15}},
    "training": {"components": 1, "channels": 30, "iterations": 10, "stop": "fixed", "minimum_labels": 1},
}
# What this cluster lacks or would wait for; the rest of the profile is tested as users have it.
HERE = {
    "slurm-status-command": "squeue",
    "slurm-init-seconds-before-status-checks": 2,
    "seconds-between-status-checks": 2,
    "latency-wait": 10,
    "slurm-partition-config": str(REPOSITORY / "profiles/slurm/partitions.yaml"),
}
# A bound against waiting for ever, not an expectation: a minute or two on a machine of one's own.
PATIENCE = 1800.0


def main(state: Path) -> None:
    """Run all checks; an assertion says which one fails."""
    work = state / "work"
    local, cluster = work / "local", work / "cluster"
    for folder in (local, cluster):
        folder.mkdir(parents=True)
        (folder / "config.yaml").write_text(yaml.safe_dump(CONFIG))
    profile = yaml.safe_load((REPOSITORY / "profiles/slurm/config.yaml").read_text())
    (cluster / "profile").mkdir()
    (cluster / "profile/config.yaml").write_text(yaml.safe_dump({**profile, **HERE}))
    environment = with_a_visible_gpu(work)

    say("the same run without SLURM")
    subprocess.run(snakemake("--cores", "2", "--resources", "gpu=2"), cwd=local, env=environment, check=True, **QUIET)

    say("the run through SLURM")
    with (cluster / "snakemake.log").open("w") as log:
        run = subprocess.Popen(
            snakemake("--workflow-profile", "profile"), cwd=cluster, env=environment, stdout=log, stderr=log
        )
        try:
            cancelled = wait_for("a segmentation job to run", lambda: running_segmentation(), run)
            subprocess.run(["scancel", cancelled], check=True)
            say(f"job {cancelled} cancelled")
            wait_for("another job to run", lambda: running_segmentation(besides=cancelled), run)
            restart_controller(state)
            say("controller restarted")
            assert run.wait(PATIENCE) == 0, "the run through SLURM failed"
        except BaseException:
            run.send_signal(signal.SIGINT)
            print((cluster / "snakemake.log").read_text()[-6000:], flush=True)
            for path in sorted((cluster / ".snakemake/slurm_logs").rglob("*.log"))[-3:]:
                print(f"--- {path}\n{path.read_text()[-3000:]}", flush=True)
            raise
    check_jobs(cancelled)
    check_logs(cluster, (cluster / "snakemake.log").read_text())
    check_results(local, cluster)
    say("the results are those of the run without SLURM")


def with_a_visible_gpu(work: Path) -> dict[str, str]:
    """Return an environment in which the workflow believes in GPUs, so that jobs ask for one; PyTorch has none."""
    command = work / "bin/nvidia-smi"
    command.parent.mkdir(parents=True)
    command.write_text("#!/bin/sh\nprintf '0\\n1\\n'\n")
    command.chmod(0o755)
    return {**os.environ, "PATH": f"{command.parent}{os.pathsep}{os.environ['PATH']}"}


def snakemake(*arguments: str) -> list[str]:
    """Return the command for the table alone: figures and report would test nothing more of the cluster."""
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(REPOSITORY / "Snakefile")]
    return [*command, "--configfile", "config.yaml", *arguments, "--", TABLE]


QUIET: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


def jobs() -> list[dict[str, str]]:
    """Return all jobs that SLURM knows of, ended ones too."""
    names = ("id", "state", "partition", "gpus", "comment")
    columns = "JobID:|,State:|,Partition:|,tres-per-job:|,Comment:256"
    command = ["squeue", "--noheader", "--states=all", f"--Format={columns}"]
    listed = subprocess.run(command, capture_output=True, text=True, check=False)
    rows = [[part.strip() for part in line.split("|")] for line in listed.stdout.splitlines()]
    return [dict(zip(names, row, strict=True)) for row in rows if len(row) == len(names)]


def running_segmentation(besides: str = "") -> str | None:
    """Return the id of a running job that segments with a GPU."""
    found = [job["id"] for job in jobs() if job["state"] == "RUNNING" and "gpu" in job["gpus"] and job["id"] != besides]
    return found[0] if found else None


def wait_for(what: str, find: Callable[[], str | None], run: subprocess.Popen[bytes]) -> str:
    """Wait until something is found."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        found = find()
        if found:
            return found
        assert run.poll() is None, f"the run ended while it should wait for {what}"
        time.sleep(0.5)
    raise AssertionError(f"waited in vain for {what}")


def restart_controller(state: Path) -> None:
    """Stop slurmctld, leave it away for a while, and start it with what it has saved."""
    pid_file = state / "slurmctld.pid"
    pid = int(pid_file.read_text())
    os.kill(pid, signal.SIGTERM)
    end = time.monotonic() + 60
    while Path(f"/proc/{pid}").exists() and time.monotonic() < end:
        time.sleep(0.2)
    time.sleep(3)
    subprocess.run(["slurmctld"], check=True)


def check_jobs(cancelled: str) -> None:
    """Every stage went through SLURM, segmentation with a GPU, and what was cancelled ran again."""
    known = jobs()
    for job in known:
        print(f"  {job['id']:>4} {job['state']:<10} {job['partition']:<4} {job['gpus']:<12} {job['comment']}")
    states = [job["state"] for job in known]
    assert {job["id"]: job["state"] for job in known}[cancelled] == "CANCELLED"
    for rule, count in (("compose_mosaic", 1), ("prepare_dataset", 1), ("segment", 5), ("score", 2), ("table", 1)):
        done = [job for job in known if job["state"] == "COMPLETED" and f"rule_{rule}" in job["comment"]]
        assert len(done) == count, f"{len(done)} jobs of {rule} ended well, not {count}"
    assert sum("gpu" in job["gpus"] for job in known if job["state"] == "COMPLETED") == 4
    assert all(job["partition"] == ("gpu" if "gpu" in job["gpus"] else "cpu") for job in known)
    assert set(states) == {"COMPLETED", "CANCELLED"}, states


def check_logs(cluster: Path, log: str) -> None:
    """Snakemake says that it tried again, and a job's log says which SLURM job and device it had."""
    assert "Trying to restart job" in log
    logs = list((cluster / "results/logs/segment/mosaic/fsf-15/seed0").glob("*.log"))
    assert len(logs) == 4
    for text in (path.read_text() for path in logs):
        assert "SLURM job " in text, text
        assert " end: after" in text, text
    print("  a job's log:", *logs[0].read_text().splitlines(), sep="\n    ")


def check_results(local: Path, cluster: Path) -> None:
    """Tables and label maps are the same as without SLURM."""
    assert (local / TABLE).read_bytes() == (cluster / TABLE).read_bytes()
    maps = sorted((local / "results/label_maps").rglob("*.h5"))
    assert len(maps) == 5
    for path in maps:
        with h5py.File(path) as ours, h5py.File(cluster / path.relative_to(local)) as theirs:
            assert set(ours) == set(theirs)
            for image in ours:
                np.testing.assert_array_equal(ours[image]["labels"], theirs[image]["labels"])


def say(text: str) -> None:
    """Print a line with the time."""
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


if __name__ == "__main__":
    assert shutil.which("sbatch"), "run tests/slurm/run.sh, which starts the cluster"
    main(Path(sys.argv[1]))
