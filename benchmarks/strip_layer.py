"""Time the strip convolution layer against PyTorch's convolution, in turn in the same run: outputs and all gradients.

100 channels, at 481×321 and parts of it. Seconds are of one turn; CPU seconds are those of all threads together.
"""

import itertools
import statistics
import time
from pathlib import Path
from typing import Any

import click
import torch
from _machine import RESULTS, print_table, write_results
from torch import Tensor, nn

from dynseg.training.fast.layer import StripConvolutionLayer

CHANNELS = 100
FULL_SIZE = (321, 481)


def turn(layer: nn.Module, features: Tensor) -> tuple[float, float]:
    """Return the wall and CPU seconds of the outputs and the gradients of features and parameters."""
    wall, cpu = time.perf_counter(), time.process_time()
    outputs = layer(features)
    torch.autograd.grad(outputs, [features, *layer.parameters()], torch.ones_like(outputs))
    return time.perf_counter() - wall, time.process_time() - cpu


def compare(height: int, width: int, threads: int, rounds: int) -> dict[str, Any]:
    """Return the figures of both layers for one size."""
    torch.set_num_threads(threads)
    convolution = nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1)
    strips = StripConvolutionLayer(convolution)
    features = torch.randn(1, CHANNELS, height, width).requires_grad_()
    # The first turn allocates and warms up.
    turns = [(turn(convolution, features), turn(strips, features)) for _ in range(rounds + 1)][1:]
    return {
        "size": f"{width}x{height}",
        "threads": threads,
        "PyTorch s": statistics.median(plain[0] for plain, _ in turns),
        "strips s": statistics.median(fast[0] for _, fast in turns),
        "ratio": statistics.median(plain[0] / fast[0] for plain, fast in turns),
        "CPU ratio": statistics.median(plain[1] / fast[1] for plain, fast in turns),
    }


@click.command(help=__doc__)
@click.option("--divisor", "divisors", multiple=True, type=int, default=[1, 2, 4], help="Of the image's sides.")
@click.option("--threads", multiple=True, type=int, default=[1, 2])
@click.option("--rounds", default=11, show_default=True, help="Turns of each side that count.")
@click.option("--out", default=RESULTS / "strip_layer.json", show_default=True, type=click.Path(path_type=Path))
def command(divisors: tuple[int, ...], threads: tuple[int, ...], rounds: int, out: Path) -> None:
    rows = [
        compare(FULL_SIZE[0] // divisor, FULL_SIZE[1] // divisor, count, rounds)
        for count, divisor in itertools.product(threads, divisors)
    ]
    print_table(rows)
    write_results(out, rows)
    click.echo(f"Written to {out}")


if __name__ == "__main__":
    command()
