"""Segment a scene of many megapixels by `dynseg segment`: peak memory, seconds a megapixel, and whether seams are seen.

The scene is that of tests/support/large_scene.py, whose fields are known. The command runs in a process of its own,
whose peak is the system's (`ru_maxrss`, which counts mapped files, too). A seam is seen where more sides of regions lie
on the lines between windows than on other lines.
"""

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import click
import numpy as np
from _machine import RESULTS, print_table, write_results

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from support.large_scene import scene_truth, write_scene

from dynseg.large import DEFAULT_LARGE_SIZE
from dynseg.regions.windows import WINDOW

# Every so many pixels are compared with the truth.
STEP = 16


def segmented(scene: Path, folder: Path, max_size: int, formats: list[str]) -> dict[str, float]:
    """Run the command, and return wall and CPU seconds and the peak in MB."""
    options = [each for name in formats for each in ("--format", name)]
    command = [sys.executable, "-m", "dynseg", "segment", str(scene), "-o", str(folder), "--threads", "1"]
    before, wall = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([*command, "--max-size", str(max_size), *options], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"wall s": time.perf_counter() - wall, "CPU s": cpu, "peak MB": after.ru_maxrss / 1024}


def seam_shares(labels: np.ndarray, factor: int) -> tuple[float, float]:
    """Return the share of sides of regions that lie on lines between windows, and that of such lines among all."""
    spacing = WINDOW * factor
    on_seams = everywhere = lines = 0
    for start in range(0, len(labels), WINDOW):
        rows = np.asarray(labels[start : start + WINDOW + 1])
        beside = np.count_nonzero(rows[:WINDOW, 1:] != rows[:WINDOW, :-1], axis=0)
        below = np.count_nonzero(rows[1:] != rows[:-1], axis=1)
        everywhere += int(beside.sum() + below.sum())
        on_seams += int(beside[spacing - 1 :: spacing].sum())
        on_seams += int(below[[row for row in range(len(below)) if (start + row + 1) % spacing == 0]].sum())
    lines = sum((length - 1) // spacing for length in labels.shape)
    # Fields lie on the map's lattice, so that most of their sides lie on lines between its pixels.
    chance = lines / sum((length - 1) // factor for length in labels.shape)
    return on_seams / max(1, everywhere), chance


@click.command(help=__doc__)
@click.option("--side", default=20_000, show_default=True, help="Pixels along each side of the scene.")
@click.option("--scene", type=click.Path(path_type=Path), help="A scene that was written before; else it is made.")
@click.option("--max-size", default=DEFAULT_LARGE_SIZE, show_default=True)
@click.option("--format", "formats", multiple=True, default=["npy"], show_default=True)
@click.option("--keep", type=click.Path(path_type=Path), help="Leave the label maps in this folder.")
@click.option("--out", default=RESULTS / "large.json", show_default=True, type=click.Path(path_type=Path))
def command(
    side: int, scene: Path | None, max_size: int, formats: tuple[str, ...], keep: Path | None, out: Path
) -> None:
    from sklearn.metrics import adjusted_rand_score

    os.environ.setdefault("OMP_NUM_THREADS", "1")
    with tempfile.TemporaryDirectory() as folder:
        path = scene or Path(folder) / "scene.tif"
        if not path.exists():
            write_scene(path, side)
        results = keep or Path(folder) / "out"
        figures = segmented(path, results, max_size, sorted({*formats, "npy"}))
        labels = np.load(results / f"{path.stem}.npy", mmap_mode="r")
        factor = -(-side // max_size)
        on_seams, chance = seam_shares(labels, factor)
        truth = scene_truth(side, STEP)
        agreement = adjusted_rand_score(truth.ravel(), np.asarray(labels[::STEP, ::STEP]).ravel())
        row: dict[str, Any] = {
            "megapixels": side**2 / 1e6,
            "reduced to": -(-side // factor),
            **figures,
            "CPU s/megapixel": figures["CPU s"] / (side**2 / 1e6),
            "regions": int(labels.max()) + 1,
            "fields": len(np.unique(truth)),
            "adjusted Rand index": agreement,
            "sides on seams": on_seams,
            "by chance": chance,
        }
    print_table([row])
    write_results(out, [row], max_size=max_size, formats=list(formats))
    click.echo(f"Written to {out}")


if __name__ == "__main__":
    command()
