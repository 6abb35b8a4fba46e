"""Time a whole image, from the picture to its label map, with each lever alone and all together.

The levers: the fast step, the stop when the label map stands still, training on a reduced image. Both steps are timed
in turns in the same run. A side that would run for many minutes is timed over its first iterations and multiplied up,
which the table says.
"""

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import numpy as np
from _machine import RESULTS, print_table, write_results
from step import FULL_SIZE, released_script

from dynseg.datasets.photographs import picture_path
from dynseg.io.images import read_image
from dynseg.parameters import TrainingParameters
from dynseg.training.images import image_tensor
from dynseg.training.run import train_and_apply
from dynseg.training.weighting import weight_of

MU = 15
PUBLISHED = TrainingParameters(components=2, stop="fixed")
STOP = {"stop": "settled"}
REDUCED = {"scale": 0.25}
FAST = {"iterations": 60}
LEVERS: dict[str, dict[str, Any]] = {
    "none: the released script's loop, T = 1000": {"step": "plain"},
    "the step": {"step": "fast"},
    "the stop": {"step": "plain", **STOP},
    "the size of training": {"step": "plain", **REDUCED},
    "the step and the stop": {"step": "fast", **STOP},
    "the step, the stop and the size of training": {"step": "fast", **STOP, **REDUCED},
    "as config/fast.yaml": {"step": "fast", **STOP, **REDUCED, **FAST},
}


def photograph() -> np.ndarray:
    """Return a photograph of BSD500's size, (321, 481, 3) uint8."""
    from PIL import Image

    picture = Image.fromarray(read_image(picture_path("coffee.png")))
    return np.asarray(picture.resize((FULL_SIZE[1], FULL_SIZE[0]), Image.Resampling.LANCZOS))


def segmented(image: np.ndarray, parameters: TrainingParameters) -> tuple[int, float, float]:
    """Return the iterations, wall and CPU seconds of one image."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = train_and_apply(image_tensor(image), 0, parameters, weight_of("fsf", MU))
    seconds = time.perf_counter() - wall, time.process_time() - cpu
    return int(result.facts["iterations_run"]), *seconds


def seconds_an_iteration(height: int, width: int, rounds: int) -> dict[str, tuple[float, float]]:
    """Return the wall and CPU seconds of one iteration of each step, timed in turns."""
    from step import fast_step

    sides = {"plain": released_script(height, width, PUBLISHED.components)}
    sides["fast"] = fast_step(height, width, PUBLISHED.components)
    turns: dict[str, list[tuple[float, float]]] = {side: [] for side in sides}
    for _ in range(rounds + 1):
        for side, iterate in sides.items():
            wall, cpu = time.perf_counter(), time.process_time()
            iterate()
            turns[side].append((time.perf_counter() - wall, time.process_time() - cpu))
    return {side: tuple(np.median(times[1:], axis=0)) for side, times in turns.items()}


@click.command(help=__doc__)
@click.option("--threads", default=2, show_default=True)
@click.option("--rounds", default=5, show_default=True, help="Iterations of each step that are timed and count.")
@click.option("--out", default=RESULTS / "whole_image.json", show_default=True, type=click.Path(path_type=Path))
def command(threads: int, rounds: int, out: Path) -> None:
    import torch

    torch.set_num_threads(threads)
    image = photograph()
    # Each size's iterations are those of the fast step, which runs to its end; the plain one's would be the same.
    ends: dict[tuple[str, float, int], tuple[int, float, float]] = {}
    costs: dict[float, dict[str, tuple[float, float]]] = {}
    rows: list[dict[str, Any]] = []
    for name, lever in LEVERS.items():
        parameters = replace(PUBLISHED, **lever)
        if parameters.scale not in costs:
            height, width = (round(side * parameters.scale) for side in FULL_SIZE)
            costs[parameters.scale] = seconds_an_iteration(height, width, rounds)
        key = parameters.stop, parameters.scale, parameters.iterations
        if key not in ends:
            ends[key] = (
                (parameters.iterations, 0.0, 0.0)
                if parameters.stop == "fixed"
                else segmented(image, replace(parameters, step="fast"))
            )
        iterations, *measured = ends[key]
        whole = parameters.step == "fast" and parameters.stop == "settled"
        wall, cpu = measured if whole else (iterations * each for each in costs[parameters.scale][parameters.step])
        rows.append(
            {
                "lever": name,
                "iterations": iterations,
                "wall s": wall,
                "CPU s": cpu,
                "measured": "whole" if whole else f"{rounds} iterations, multiplied up",
            }
        )
    rows = [{**row, "times as fast": rows[0]["CPU s"] / row["CPU s"]} for row in rows]
    print_table(rows)
    write_results(out, rows, threads=threads, size=FULL_SIZE)
    click.echo(f"Written to {out}")


if __name__ == "__main__":
    command()
