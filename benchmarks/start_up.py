"""What a segmentation job costs before it segments, and what a warm worker would save: CPU seconds of one image.

A cold job is what the workflow runs: Python, PyTorch and dynseg are loaded anew. A warm one is a copy (fork) of a
process that has loaded them and computed nothing. The workflow has no warm worker; docs/scaling.md says why.
"""

import hashlib
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import click
import h5py
from _machine import RESULTS, print_table, write_results

from dynseg.cli import main

# What a job imports before its first iteration.
LOADED = ("torch", "dynseg.cli.segment_batch", "dynseg.io.label_maps", "dynseg.provenance", "dynseg.training.run")
NETWORK = ["--method", "cnn", "--set", "scheme=fsf", "--set", "mu=15", "--set", "components=2", "--set", "scale=0.25"]


def cpu_seconds() -> float:
    """Return the CPU seconds of all children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def cold(arguments: list[str]) -> None:
    subprocess.run([sys.executable, "-m", "dynseg", *arguments], check=True, stderr=subprocess.DEVNULL)


def warm(arguments: list[str]) -> None:
    worker = os.fork()
    if worker == 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        try:
            main(arguments)
        except SystemExit as error:
            os._exit(int(error.code or 0))
        os._exit(1)
    _, status = os.waitpid(worker, 0)
    if status != 0:
        raise click.ClickException("the warm job failed")


def digest(file: Path) -> str:
    """Return a digest of the label maps of a file, without what depends on the clock."""
    found = hashlib.sha256()

    def add(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            found.update(item[()].tobytes())

    with h5py.File(file) as store:
        store.visititems(add)
    return found.hexdigest()[:12]


@click.command(help=__doc__)
@click.option("--rounds", default=3, show_default=True)
@click.option("--out", default=RESULTS / "start_up.json", show_default=True, type=click.Path(path_type=Path))
def command(rounds: int, out: Path) -> None:
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="dynseg-start-") as name:
        folder = Path(name)
        cold(["export-photographs", "--longest-side", "481", "--output", str(folder / "photographs")])
        dataset = str(folder / "prepared")
        cold(["prepare", "folder", "--name", "p", "--archive", str(folder / "photographs"), "--output", dataset])
        job = ["segment-batch", "--dataset-dir", dataset, "--batch", "coffee", "--device", "cpu", *NETWORK]
        for module in LOADED:
            __import__(module)
        for iterations in (1, 60):
            digests = set()
            for kind in (cold, warm) * rounds:
                before = cpu_seconds()
                kind([*job, "--set", f"iterations={iterations}", "--output", str(folder / "out.h5")])
                rows.append({"job": kind.__name__, "iterations": iterations, "CPU s": cpu_seconds() - before})
                digests.add(digest(folder / "out.h5"))
            click.echo(f"{iterations} iterations: {'the same' if len(digests) == 1 else 'different'} label maps")
    print_table(rows)
    write_results(out, rows)


if __name__ == "__main__":
    command()
