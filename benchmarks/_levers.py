"""Steps that leave out a part of the arithmetic of the fast step, or round it: experiments, none of them in dynseg.

They reach into `dynseg.training.fast`, which has no place for them.
"""

import math
from collections.abc import Callable, Sequence
from typing import Protocol
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor

from dynseg.training.fast import forward, strips
from dynseg.training.fast.losses import ResponseSums
from dynseg.training.fast.step import FastStep
from dynseg.training.fast.strips import StripBuffers, one_thread_per_operation, total
from dynseg.training.fast.winograd import StripConvolution, restore_kernel_gradient
from dynseg.training.network import SegmentationNetwork
from dynseg.training.step import Observation
from dynseg.training.strip_sizes import TILE

# So long, in iterations, has no pixel had a response that is removed; and what it is in the place of removed, far
# below all others.
UNSEEN_ITERATIONS = 10
ABSENT = -1e4

MakeStep = Callable[[SegmentationNetwork, Tensor, int], "LeverStep"]
"""From a network, an image (3, H, W) in [0, 1] and the number of iterations to the step that trains it."""


class LeverStep(Protocol):
    """`dynseg.training.step.Step`, which also tells what its iteration takes."""

    @property
    def products(self) -> float:
        """The products a pixel of the last iteration, as a share of the fast step's."""

    def forward(self) -> Observation:
        """See `Step.forward`."""

    def gradients(self, weight: Tensor) -> dict[Tensor, Tensor]:
        """See `Step.gradients`."""


class UsualStep(FastStep):
    """The fast step as it is."""

    def __init__(self, network: SegmentationNetwork, image: Tensor, iterations: int) -> None:
        super().__init__(network, image)

    @property
    def products(self) -> float:
        """See `LeverStep.products`."""
        return self.share()

    def share(self, first: float = 2, second: float = 3, last: float = 3) -> float:
        """Return the products a pixel of so many passes of each layer, as a share of what the usual step takes."""
        channels = self._forward.responses.shape[-1]
        # Winograd's F(4 × 4, 3 × 3) takes 36 products where a direct convolution takes 144.
        passes = (27 * channels, 9 / 4 * channels**2, channels**2)
        return float(np.dot(passes, (first, second, last)) / np.dot(passes, (2, 3, 3)))


class OneStrip(UsualStep):
    """The whole map as one strip, which leaves nothing to a second thread."""

    def __init__(self, network: SegmentationNetwork, image: Tensor, iterations: int) -> None:
        with patch.object(forward, "strip_height", lambda height, *_: TILE * math.ceil(height / TILE)):
            super().__init__(network, image, iterations)


class RemovedResponses(UsualStep):
    """Without the responses that no pixel has had for some iterations.

    They are held far below all others, which gives the label maps of a network without them at the time of one with
    them. The continuity loss stays a mean over all responses, those that are removed included.
    """

    def __init__(self, network: SegmentationNetwork, image: Tensor, iterations: int) -> None:
        super().__init__(network, image, iterations)
        self._last = self._forward.batch_norms[-1]
        self._unseen = torch.zeros(len(self._last.weight), dtype=torch.int64)

    @property
    def removed(self) -> Tensor:
        """Which responses are removed, (channels,) bool."""
        return self._unseen >= UNSEEN_ITERATIONS

    @property
    def products(self) -> float:
        """See `LeverStep.products`: as if they were left out."""
        return self.share(last=3 * (1 - float(self.removed.double().mean())))

    def forward(self) -> Observation:
        """See `Step.forward`."""
        with torch.no_grad():
            # Momentum would move them on.
            self._last.weight[self.removed] = 0
            self._last.bias[self.removed] = ABSENT
        observation = super().forward()
        seen = torch.bincount(observation.labels.flatten(), minlength=len(self._unseen)) > 0
        self._unseen = torch.where(self.removed, self._unseen, torch.where(seen, 0, self._unseen + 1))
        return observation


class HalfOfTheResponsesFrozen(UsualStep):
    """Half of the kernels of the 1×1 convolution stay at their initial values."""

    @property
    def products(self) -> float:
        """See `LeverStep.products`: as if their gradients weren't computed, which they are."""
        return self.share(last=2.5)

    def gradients(self, weight: Tensor, target: Tensor | None = None) -> dict[Tensor, Tensor]:
        """See `Step.gradients`."""
        gradients = super().gradients(weight, target)
        kernels = gradients[self._forward.convolutions[-1].weight]
        kernels[len(kernels) // 2 :] = 0
        return gradients


class FirstLayerFrozen(UsualStep):
    """From a third of the iterations on, the first convolution and its batch norm stay as they are.

    Then neither they nor their gradients are computed. Of M = 2.
    """

    def __init__(self, network: SegmentationNetwork, image: Tensor, iterations: int) -> None:
        super().__init__(network, image, iterations)
        self._thawed = iterations // 3
        self._done = 0

    @property
    def _frozen(self) -> bool:
        return self._done > self._thawed

    @property
    def products(self) -> float:
        """See `LeverStep.products`."""
        return self.share(0, 2, 3) if self._frozen else 1.0

    @torch.no_grad()
    @one_thread_per_operation()
    def forward(self) -> Observation:
        """See `Step.forward`."""
        self._done += 1
        if self._done <= self._thawed + 1:
            return super().forward()
        maps = self._forward
        maps.normalisations = maps.normalisations[:1]
        maps._convolve_features(1)
        maps._convolve_pixels()
        observation, self._sums = self._losses.observe(maps.normalisations[-1])
        return observation

    def _backpropagate(self, sums: ResponseSums, weight: Tensor) -> dict[Tensor, Tensor]:
        if not self._frozen:
            return super()._backpropagate(sums, weight)
        gradients: dict[Tensor, Tensor] = {}
        loss_sums = self._losses.sum_gradient(sums, weight, self._forward.normalisations[-1])
        self._set_normalisation_gradients(gradients, -1, loss_sums)
        self._set_normalisation_gradients(gradients, -2, self._backpropagate_pixels(gradients, weight))
        self._find_kernel_gradient(gradients)
        return gradients

    def _find_kernel_gradient(self, gradients: dict[Tensor, Tensor]) -> None:
        """Find the gradients of the second convolution's parameters, not that of its inputs."""
        maps = self._forward
        write_inputs = maps.feature_writer(0)
        write_gradients = self._gradient_writer(gradients, 1, self._losses.gradients)

        def work(rows_of_strips: Sequence[slice], buffers: StripBuffers, kernel_gradient: Tensor) -> Tensor:
            bias_gradient = torch.zeros_like(maps.biases[1])
            for rows in rows_of_strips:
                inputs = buffers.convolution.read_inputs(rows.start, maps.height, write_inputs)
                gradient = buffers.convolution.read_gradients(rows.start, maps.height, write_gradients)
                restart = rows is rows_of_strips[0]
                buffers.convolution.add_kernel_gradient(inputs, gradient, kernel_gradient, restart)
                bias_gradient += gradient[1:-1].sum(dim=(0, 1, 2))
            return bias_gradient

        bias_gradients = maps.runner.bands(work, self._kernel_gradients)
        gradients[maps.convolutions[1].weight] = restore_kernel_gradient(self._kernel_gradients.sum(dim=0))
        gradients[maps.biases[1]] = total(bias_gradients).to(maps.responses.dtype)


class Bfloat16Convolution(StripConvolution):
    """The products of a strip's tiles and kernels have operands and results of bfloat16; sums of strips are float32."""

    def __init__(self, height: int, width: int, channels: int, dtype: torch.dtype) -> None:
        super().__init__(height, width, channels, dtype)
        tiles = torch.empty_like(self._patch_matrices, dtype=torch.bfloat16)
        self._reduced_patches, self._reduced_products = tiles, torch.empty_like(tiles)
        self._reduced_total = tiles.new_empty(len(tiles), channels, channels)
        self._kernels: tuple[Tensor, Tensor] | None = None

    def convolve(
        self, strip: Tensor, kernels: Tensor, out: Tensor, bias: Tensor | None = None, minimum: float = -math.inf
    ) -> None:
        """See `StripConvolution.convolve`."""
        if self._kernels is None or self._kernels[0] is not kernels:
            self._kernels = kernels, kernels.bfloat16()
        reduced = self._kernels[1]

        def multiply(patches: Tensor, _: Tensor, *, out: Tensor) -> None:
            self._reduced_patches.copy_(patches)
            torch.ops.aten.bmm.out(self._reduced_patches, reduced, out=self._reduced_products)
            out.copy_(self._reduced_products)

        with patch.object(torch, "bmm", multiply):
            super().convolve(strip, kernels, out, bias, minimum)

    def add_kernel_gradient(self, inputs: Tensor, gradients: Tensor, total: Tensor, restart: bool = False) -> None:
        """See `StripConvolution.add_kernel_gradient`."""
        # The transforms only: a product with nothing.
        super().add_kernel_gradient(inputs, gradients, _NoProduct(), restart)  # type: ignore[arg-type]
        self._reduced_patches.copy_(self._patch_matrices)
        self._reduced_products.copy_(self._product_matrices)
        torch.bmm(self._reduced_patches.transpose(1, 2), self._reduced_products, out=self._reduced_total)
        if restart:
            total.copy_(self._reduced_total)
        else:
            total.add_(self._reduced_total)


class _NoProduct:
    def baddbmm_(self, *_: Tensor, beta: int) -> None:
        """Leave a product out."""


class Bfloat16Products(UsualStep):
    """Winograd's products in bfloat16."""

    def __init__(self, network: SegmentationNetwork, image: Tensor, iterations: int) -> None:
        with patch.object(strips, "StripConvolution", Bfloat16Convolution):
            super().__init__(network, image, iterations)
