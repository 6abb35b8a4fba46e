"""What a job's log says of where and when it ran."""

import datetime
import os
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import click

# Which variable holds a job's id, by the scheduler.
SCHEDULERS = {"SLURM": "SLURM_JOB_ID", "PBS": "PBS_JOBID", "LSF": "LSB_JOBID", "Grid Engine": "JOB_ID"}


@contextmanager
def logged_job(what: str) -> Iterator[None]:
    """Write a line to standard error when a job starts (host, scheduler's job, time) and one when it ends or fails.

    Parameters
    ----------
    what : str
        What the job does.
    """
    jobs = [f", {name} job {os.environ[variable]}" for name, variable in SCHEDULERS.items() if variable in os.environ]
    say(f"{_now()} start: {what}; host {platform.node()}{''.join(jobs)}, process {os.getpid()}")
    start = time.perf_counter()
    outcome = "failed"
    try:
        yield
        outcome = "end"
    finally:
        say(f"{_now()} {outcome}: after {time.perf_counter() - start:.1f} s")


def say(text: str) -> None:
    """Write a line to standard error, if there is room for it.

    A log on a full disk must neither fail the job nor hide why it fails.
    """
    with suppress(OSError):
        click.echo(text, err=True)


def _now() -> str:
    return datetime.datetime.now().astimezone().isoformat(timespec="seconds")
