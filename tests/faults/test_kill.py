"""The plug is pulled at random moments: kill -9 of jobs, of Snakemake and of both, and the same command again."""

import contextlib
import os
import random
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import h5py
import pytest
from small_workflow import Workflow, write_dataset

KILLS = 50
# Our lock and Snakemake's mark of a folder's time.
KEPT_HIDDEN = {".lock", ".snakemake_timestamp"}
SEED = int(os.environ.get("DYNSEG_KILL_SEED", "0"))


class Run:
    """One start of the workflow; its output goes to the end of a file."""

    def __init__(self, workflow: Workflow, said: Path) -> None:
        # A session of its own makes every job findable, also after its parent is gone.
        with said.open("a") as output:
            self.process = subprocess.Popen(
                workflow.command(), cwd=workflow.directory, stdout=output, stderr=output, start_new_session=True
            )

    def jobs(self) -> list[int]:
        """The processes of the session other than Snakemake."""
        return [pid for pid, session in sessions() if session == self.process.pid and pid != self.process.pid]

    def is_running(self) -> bool:
        return self.process.poll() is None


def sessions() -> Iterator[tuple[int, int]]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with contextlib.suppress(OSError):
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                # A zombie is dead already.
                if fields[0] != "Z":
                    yield int(entry.name), int(fields[3])


def kill(pids: list[int]) -> int:
    killed = 0
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
            killed += 1
    return killed


def assert_whole(results: Path, calm: Path) -> None:
    """Everything under a final name is whole; hidden names are what is being written."""
    for path in results.rglob("*"):
        parts = path.relative_to(results).parts
        # Snakemake writes benchmarks, and a job its log while it runs.
        if path.is_file() and parts[0] not in ("logs", "benchmarks") and not any(part[0] == "." for part in parts):
            if path.suffix in READS:
                READS[path.suffix](path)
            elif path.suffix != ".part":
                assert path.read_bytes() == (calm / path.relative_to(results)).read_bytes(), path


def read_hdf5(path: Path) -> None:
    with h5py.File(path) as file:
        file.visititems(lambda name, item: item[()] if isinstance(item, h5py.Dataset) else None)


def read_page(path: Path) -> None:
    assert path.read_bytes().rstrip().endswith((b"</html>", b"%%EOF")), path


# What holds times, so that it isn't the same in every run.
READS: dict[str, Callable[[Path], None]] = {".h5": read_hdf5, ".html": read_page, ".pdf": read_page}


def results_of(workflow: Workflow) -> dict[str, bytes]:
    """The files that must be the same whatever happened on the way."""
    folder = workflow.directory / "results"
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for part in ("tables", "scores", "datasets")
        for path in sorted((folder / part).rglob("*"))
        if path.is_file() and not path.name.startswith(".")
    }


def disturb(run: Run, longest_pause: float, rng: random.Random) -> Iterator[str]:
    """Kill at random moments of a run until it ends; yield what was killed, once it is dead."""
    while run.is_running():
        victim = rng.choice([*["a job"] * 4, "Snakemake", "both"])
        moment = time.monotonic() + rng.uniform(0, longest_pause)
        while run.is_running() and (time.monotonic() < moment or (victim == "a job" and not run.jobs())):
            time.sleep(0.01)
        jobs = run.jobs()
        if not run.is_running():
            return
        if victim == "a job":
            # Its shell, its Python, or both; perhaps those of two jobs.
            if kill(rng.sample(jobs, rng.randint(1, len(jobs))) if jobs else []):
                yield victim
        else:
            kill([run.process.pid, *(jobs if victim == "both" else [])])
            run.process.wait()
            yield victim


@pytest.mark.slow
def test_nothing_is_lost_by_kills_at_random_moments(tmp_path: Path) -> None:
    config = {
        "datasets": {"small": write_dataset(tmp_path / "data", ["a", "b", "c", "d", "e", "f"])},
        "methods": {"blank": {"method": "blank"}, "fsf-15": {"scheme": "fsf", "mu": 15}},
        "training": {"components": 1, "channels": 8, "iterations": 3},
        "images_per_job": 3,
        "device": "cpu",
    }
    for name in ("calm", "killed"):
        (tmp_path / name).mkdir()
    calm, killed = Workflow(tmp_path / "calm", config), Workflow(tmp_path / "killed", config)
    start = time.monotonic()
    calm.run()
    seconds = time.monotonic() - start
    expected = results_of(calm)

    rng = random.Random(SEED)
    kills: Counter[str] = Counter()
    said = tmp_path / "said.txt"
    while kills.total() < KILLS:
        run = Run(killed, said)
        for victim in disturb(run, seconds / 5, rng):
            kills[victim] += 1
            assert_whole(killed.directory / "results", calm.directory / "results")
        finished = run.process.wait() == 0
        print(f"{time.monotonic() - start:.0f} s: {dict(kills)}{', finished' * finished}", flush=True)
        if finished:
            assert results_of(killed) == expected
            shutil.rmtree(killed.directory / "results")
            shutil.rmtree(killed.directory / ".snakemake")

    killed.run()
    assert results_of(killed) == expected
    assert_whole(killed.directory / "results", calm.directory / "results")
    assert "Traceback" not in said.read_text(encoding="utf-8")
    left = [path for path in (killed.directory / "results").rglob(".*") if path.name not in KEPT_HIDDEN]
    assert left == []
