"""What an iteration of the fast step costs, counted: seconds on a busy machine say nothing."""

from collections.abc import Iterator

import pytest
import torch
from counted_operations import CountedOperations
from torch import Tensor

from dynseg.training.cost import iteration_gflop
from dynseg.training.descent import GradientDescent
from dynseg.training.fast.step import FastStep
from dynseg.training.network import initial_network
from dynseg.training.step import PlainStep, Step

HEIGHT, WIDTH, CHANNELS = 96, 120, 40
MAP_BYTES = 4 * HEIGHT * WIDTH * CHANNELS
# By M: products as a share of the direct convolutions', maps allocated, and maps read or written, mostly in the cache.
LIMITS = {2: (0.36, 0.84, 247), 3: (0.31, 1.36, 412)}


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """What other threads are asked to do isn't counted."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def counted_iteration(kind: type, components: int) -> CountedOperations:
    """Count one iteration and its update, after one that allocates."""
    image = torch.rand(3, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(0))
    step: Step = kind(initial_network(components, CHANNELS, seed=0), image)
    optimiser = GradientDescent(momentum=0.9)

    def iterate() -> None:
        observation = step.forward()
        weight: Tensor = observation.label_count / 15
        optimiser.descend(step.gradients(weight), 0.1)

    iterate()
    with CountedOperations() as counted:
        iterate()
    return counted


@pytest.mark.parametrize("components", [2, 3])
def test_an_iteration_needs_no_more_than_it_did(components: int) -> None:
    counted = counted_iteration(FastStep, components)
    direct = 1e9 * iteration_gflop(HEIGHT, WIDTH, components, CHANNELS)
    products, allocated, moved = LIMITS[components]
    assert counted.products / direct < products
    assert counted.allocated / MAP_BYTES < allocated
    assert counted.moved / MAP_BYTES < moved
    assert counted.waits() == 0


def test_it_needs_a_part_of_the_plain_steps() -> None:
    fast, plain = counted_iteration(FastStep, 2), counted_iteration(PlainStep, 2)
    assert plain.products == pytest.approx(1e9 * iteration_gflop(HEIGHT, WIDTH, 2, CHANNELS), rel=0.005)
    assert fast.products < 0.4 * plain.products
    assert fast.allocated < 0.25 * plain.allocated
