"""What the fast step's time goes into, and what could make it shorter: CPU milliseconds of one thread.

The share of each part of an iteration; iterations with the levers of `training_variants.py` that change an iteration,
in turn; and the second layer's 3×3 convolution and both its gradients in float32 and, from float32 to float32, in
bfloat16: with the library's convolution, as products with all neighbourhoods, and as the fast step does it.
"""

import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from unittest.mock import patch

import click
import torch
from _levers import Bfloat16Convolution, Bfloat16Products, FirstLayerFrozen, LeverStep, OneStrip, UsualStep
from _machine import RESULTS, print_table, write_results
from _products import ProductConvolution
from torch import Tensor

from dynseg.training.descent import GradientDescent
from dynseg.training.fast import layer, winograd
from dynseg.training.fast.forward import ForwardPass
from dynseg.training.fast.layer import StripConvolutionLayer
from dynseg.training.fast.losses import ResponseLosses
from dynseg.training.fast.step import FastStep
from dynseg.training.fast.winograd import StripConvolution
from dynseg.training.group.convolution import Convolution, LibraryConvolution
from dynseg.training.group.loop import GroupLoop
from dynseg.training.group.network import NetworkGroup
from dynseg.training.group.step import GroupStep
from dynseg.training.network import initial_network
from dynseg.training.parameters import TrainingParameters
from dynseg.training.weighting import weight_of

FULL_SIZE = (321, 481)
MU = 15

# Those that are indented are parts of those above.
PARTS: list[tuple[str, Any, str]] = [
    ("first convolution", ForwardPass, "_convolve_image"),
    ("second convolution", ForwardPass, "_convolve_features"),
    ("1×1 convolution", ForwardPass, "_convolve_pixels"),
    ("both losses", ResponseLosses, "observe"),
    ("gradients of losses and 1×1 convolution", FastStep, "_backpropagate_pixels"),
    ("gradients of second convolution", FastStep, "_backpropagate_features"),
    ("gradient of first convolution", FastStep, "_backpropagate_image"),
    ("update", GradientDescent, "descend"),
    ("  of both convolutions: reading and batch norm", StripConvolution, "_read"),
    ("  patches and their transform", StripConvolution, "_gather_patches"),
    ("  transform of gradients", winograd, "_transform_gradients"),
    ("  transform of products", winograd, "_transform_products"),
    ("  batched products, but of kernels' gradients", torch, "bmm"),
]


class Timed:
    """CPU seconds of functions by name, while they are replaced."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)

    def replacing(self, name: str, owner: Any, attribute: str) -> Any:
        """Return a context within which a function's calls are timed."""
        function = getattr(owner, attribute)

        def timed(*arguments: Any, **keywords: Any) -> Any:
            started = time.process_time()
            try:
                return function(*arguments, **keywords)
            finally:
                self.seconds[name] += time.process_time() - started

        return patch.object(owner, attribute, timed)


def iteration(kind: Callable[..., LeverStep], size: tuple[int, int], channels: int) -> Callable[[], None]:
    """Return one iteration; of steps that change on the way, a late one."""
    image = torch.rand(3, *size, generator=torch.Generator().manual_seed(0))
    step = kind(initial_network(2, channels, seed=0), image, 1)
    optimiser = GradientDescent(momentum=0.9)

    def iterate() -> None:
        optimiser.descend(step.gradients(step.forward().label_count / MU), 0.1)

    for _ in range(3):
        iterate()
    return iterate


def iteration_side_by_side(size: tuple[int, int], channels: int) -> Callable[[], None]:
    """Return one iteration of two networks as on a GPU, with the library's convolution for both at once."""
    group = NetworkGroup([initial_network(2, channels, seed=seed) for seed in range(2)])
    image = torch.rand(3, *size, generator=torch.Generator().manual_seed(0))
    step = GroupStep(group, image.expand(2, -1, -1, -1), convolution=LibraryConvolution(2))
    parameters = TrainingParameters(components=2, channels=channels, stop="fixed", minimum_labels=1)
    return GroupLoop(group, step, parameters, weight_of("fsf", MU)).iterate


def parts(size: tuple[int, int], channels: int, rounds: int) -> list[Mapping[str, Any]]:
    """Return the share of each part of an iteration."""
    iterate, timed = iteration(UsualStep, size, channels), Timed()
    replaced = [timed.replacing(*part) for part in PARTS]
    for each in replaced:
        each.start()
    started = time.process_time()
    for _ in range(rounds):
        iterate()
    whole = time.process_time() - started
    for each in reversed(replaced):
        each.stop()
    return [
        {"part": name, "ms": 1e3 * timed.seconds[name] / rounds, "share": f"{timed.seconds[name] / whole:.0%}"}
        for name, *_ in PARTS
    ]


def in_turn(sides: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Return the median CPU milliseconds of each side."""
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds + 2):
        for name, side in sides.items():
            started = time.process_time()
            side()
            seconds[name].append(time.process_time() - started)
    return {name: 1e3 * statistics.median(each[2:]) for name, each in seconds.items()}


def iterations(size: tuple[int, int], channels: int, rounds: int) -> list[Mapping[str, Any]]:
    """Return what an iteration takes with each lever."""
    milliseconds = in_turn(
        {
            "usual": iteration(UsualStep, size, channels),
            "half of the channels": iteration(UsualStep, size, channels // 2),
            "first layer frozen, from then on": iteration(FirstLayerFrozen, size, channels),
            "bfloat16 products": iteration(Bfloat16Products, size, channels),
            "one strip": iteration(OneStrip, size, channels),
            "two networks side by side, for each": iteration_side_by_side(size, channels),
        },
        rounds,
    )
    milliseconds["two networks side by side, for each"] /= 2
    usual = milliseconds["usual"]
    return [{"iteration": name, "ms": each, "times as fast": usual / each} for name, each in milliseconds.items()]


def convolution(
    kind: Convolution, maps: tuple[Tensor, Tensor], kernels: Tensor, dtype: torch.dtype
) -> Callable[[], object]:
    """Return a convolution and its gradients in a type, from float32 to float32."""
    inputs, gradient = maps

    def run() -> object:
        reduced, weights = inputs.to(dtype), kernels.to(dtype)
        outputs = kind.forward(reduced, weights, weights.new_zeros(len(weights))).float()
        return outputs, [each.float() for each in kind.backward(gradient.to(dtype), reduced, weights)]

    return torch.no_grad()(run)


def in_strips(kind: type[StripConvolution], maps: tuple[Tensor, Tensor], kernels: Tensor) -> Callable[[], object]:
    """Return a convolution and its gradients as the fast step does them."""
    inputs, gradient = maps[0].clone().requires_grad_(), maps[1]
    module = torch.nn.Conv2d(len(kernels), len(kernels), 3, padding=1)
    strips = StripConvolutionLayer(module)
    with patch.object(layer, "StripConvolution", kind):
        strips(inputs)

    def run() -> object:
        return torch.autograd.grad(strips(inputs), [inputs, *module.parameters()], gradient)

    return run


def convolutions(size: tuple[int, int], channels: int, rounds: int) -> list[Mapping[str, Any]]:
    """Return what the second layer's convolution and its gradients take."""
    random = torch.Generator().manual_seed(0)
    shape = (1, channels, *size)
    maps = [torch.rand(shape, generator=random).contiguous(memory_format=torch.channels_last) for _ in range(2)]
    kernels = torch.rand(channels, channels, 3, 3, generator=random)
    both = maps[0], maps[1]
    sides: dict[str, Callable[[], object]] = {}
    for dtype, strips in ((torch.float32, StripConvolution), (torch.bfloat16, Bfloat16Convolution)):
        name = str(dtype).removeprefix("torch.")
        sides[f"library's, {name}"] = convolution(LibraryConvolution(1), both, kernels, dtype)
        sides[f"neighbourhoods, {name}"] = convolution(ProductConvolution(1), both, kernels, dtype)
        sides[f"as the fast step, {name}"] = in_strips(strips, both, kernels)
    return [{"convolution and gradients": name, "ms": each} for name, each in in_turn(sides, rounds).items()]


@click.command(help=__doc__)
@click.option("--divisor", default=4, show_default=True, help="Of 481×321.")
@click.option("--channels", default=100, show_default=True)
@click.option("--rounds", default=30, show_default=True)
@click.option("--output", type=click.Path(path_type=Path), default=RESULTS / "step_parts.json", show_default=True)
def command(divisor: int, channels: int, rounds: int, output: Path) -> None:
    torch.set_num_threads(1)
    size = (round(FULL_SIZE[0] / divisor), round(FULL_SIZE[1] / divisor))
    rows = []
    for measure in (parts, iterations, convolutions):
        measured = measure(size, channels, rounds)
        print_table(measured)
        rows += measured
    write_results(output, rows, divisor=divisor, channels=channels)
    click.echo(f"Written to {output}")


if __name__ == "__main__":
    command()
