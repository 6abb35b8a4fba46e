"""Time one training iteration: the fast step against the released script's loop, in turn in the same run.

Each side and the matrix product that shares refer to has a process of its own, and they take turns, one iteration
each, so that ratios hold on a machine that others use as well. CPU seconds are those of all threads together.

GFLOP/s count the operations of the direct convolutions. The fast step needs fewer, so that its share of the peak, which
is that of a 1024 × 1024 float32 matrix product with as many threads, can be above 1.
"""

import itertools
import multiprocessing
import resource
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import click
from _machine import RESULTS, matmul_gflops, print_table, write_results

from dynseg.training.cost import iteration_gflop

CHANNELS = 100
FULL_SIZE = (321, 481)
MU = 15


def released_script(height: int, width: int, components: int) -> Callable[[], None]:
    """Return one iteration in the form of the released script: NCHW, autograd, labels counted on the host."""
    import numpy as np
    import torch

    from dynseg.training.network import initial_network

    network = initial_network(components, CHANNELS, seed=0)
    image = torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(0))
    optimiser = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9)
    similarity, vertical, horizontal = torch.nn.CrossEntropyLoss(), torch.nn.L1Loss(), torch.nn.L1Loss()
    no_rows, no_columns = torch.zeros(height - 1, width, CHANNELS), torch.zeros(height, width - 1, CHANNELS)

    def iterate() -> None:
        optimiser.zero_grad()
        response = network(image)[0].permute(1, 2, 0).contiguous().view(-1, CHANNELS)
        map_of_responses = response.view(height, width, CHANNELS)
        continuity = vertical(map_of_responses[1:] - map_of_responses[:-1], no_rows)
        continuity = continuity + horizontal(map_of_responses[:, 1:] - map_of_responses[:, :-1], no_columns)
        _, labels = torch.max(response, 1)
        label_count = len(np.unique(labels.numpy()))
        (similarity(response, labels) + label_count / MU * continuity).backward()
        optimiser.step()

    return iterate


def fast_step(height: int, width: int, components: int) -> Callable[[], None]:
    """Return one iteration of the fast step."""
    import torch

    from dynseg.training.descent import GradientDescent
    from dynseg.training.fast.step import FastStep
    from dynseg.training.network import initial_network

    image = torch.rand(3, height, width, generator=torch.Generator().manual_seed(0))
    step = FastStep(initial_network(components, CHANNELS, seed=0), image)
    optimiser = GradientDescent(momentum=0.9)

    def iterate() -> None:
        optimiser.descend(step.gradients(step.forward().label_count / MU), 0.1)

    return iterate


def serve(connection: Connection, side: str, threads: int, size: tuple[int, int, int]) -> None:
    """Answer each message with the figures of one turn, until the message is None; then with the peak memory."""
    import torch

    torch.set_num_threads(threads)
    iterate = {"plain": released_script, "fast": fast_step}[side](*size) if side != "peak" else None
    while connection.recv() is not None:
        if iterate is None:
            connection.send(statistics.median(matmul_gflops() for _ in range(5)))
            continue
        wall, cpu = time.perf_counter(), time.process_time()
        iterate()
        connection.send((time.perf_counter() - wall, time.process_time() - cpu))
    connection.send(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


@contextmanager
def process(side: str, threads: int, size: tuple[int, int, int]) -> Iterator[Connection]:
    """Start a process for one side and yield the connection to it."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    worker = context.Process(target=serve, args=(theirs, side, threads, size))
    worker.start()
    # With this end closed here, a worker that dies ends the conversation instead of leaving us waiting.
    theirs.close()
    try:
        yield ours
    finally:
        ours.close()
        worker.join(10)
        worker.kill()


def ask(connection: Connection, message: str | None) -> Any:
    """Return the answer to a message."""
    connection.send(message)
    return connection.recv()


def compare(height: int, width: int, components: int, threads: int, rounds: int) -> dict[str, Any]:
    """Return the figures of both sides for one size."""
    size = (height, width, components)
    with (
        process("plain", threads, size) as plain,
        process("fast", threads, size) as fast,
        process("peak", threads, size) as product,
    ):
        sides = (plain, fast, product)
        # The first turn allocates and warms up.
        turns = [[ask(side, "turn") for side in sides] for _ in range(rounds + 1)][1:]
        plain_memory, fast_memory, _ = (ask(side, None) for side in sides)
    gflop = iteration_gflop(*size, CHANNELS)
    plain_wall, fast_wall = (statistics.median(turn[side][0] for turn in turns) for side in (0, 1))
    return {
        "size": f"{width}x{height}",
        "M": components,
        "threads": threads,
        "plain s": plain_wall,
        "fast s": fast_wall,
        "ratio": statistics.median(turn[0][0] / turn[1][0] for turn in turns),
        "CPU ratio": statistics.median(turn[0][1] / turn[1][1] for turn in turns),
        "plain GFLOP/s": gflop / plain_wall,
        "fast GFLOP/s": gflop / fast_wall,
        "peak GFLOP/s": statistics.median(turn[2] for turn in turns),
        "plain share": statistics.median(gflop / turn[0][0] / turn[2] for turn in turns),
        "fast share": statistics.median(gflop / turn[1][0] / turn[2] for turn in turns),
        "plain MB": plain_memory,
        "fast MB": fast_memory,
        "memory ratio": fast_memory / plain_memory,
    }


@click.command(help=__doc__)
@click.option("--divisor", "divisors", multiple=True, type=int, default=[1, 2, 4], help="Of the image's sides.")
@click.option("--components", multiple=True, type=int, default=[2, 3], help="M.")
@click.option("--threads", multiple=True, type=int, default=[1, 2])
@click.option("--rounds", default=5, show_default=True, help="Turns of each side that count.")
@click.option("--out", default=RESULTS / "step.json", show_default=True, type=click.Path(path_type=Path))
def command(
    divisors: tuple[int, ...], components: tuple[int, ...], threads: tuple[int, ...], rounds: int, out: Path
) -> None:
    rows = [
        compare(FULL_SIZE[0] // divisor, FULL_SIZE[1] // divisor, m, count, rounds)
        for count, m, divisor in itertools.product(threads, components, divisors)
    ]
    print_table(rows)
    write_results(out, rows)
    click.echo(f"Written to {out}")


if __name__ == "__main__":
    command()
