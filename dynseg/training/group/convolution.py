"""3×3 convolutions of several networks at once, and their gradients: two ways to the same sums.

Maps are (1, networks · channels, H, W) and channels-last: a pixel's channels of one network lie together, and beside
them those of the next network.
"""

from typing import Protocol

import torch
from torch import Tensor
from torch.nn.functional import conv2d


class Convolution(Protocol):
    """A 3×3 convolution, padded by 1, with as many outputs as inputs, of each network with its own kernels."""

    def forward(self, inputs: Tensor, kernels: Tensor, biases: Tensor) -> Tensor:
        """Return the outputs.

        Parameters
        ----------
        inputs : Tensor, (1, networks · channels, H, W)
        kernels : Tensor, (networks · channels, channels, 3, 3)
        biases : Tensor, (networks · channels,)
        """

    def backward(self, gradient: Tensor, inputs: Tensor, kernels: Tensor) -> tuple[Tensor, Tensor]:
        """Return the gradients of the inputs and of the kernels from that of the outputs."""


class LibraryConvolution:
    """`Convolution` by the library's own (cuDNN's on a GPU), with a group for each network.

    Parameters
    ----------
    networks : int
    """

    def __init__(self, networks: int) -> None:
        self._networks = networks

    def forward(self, inputs: Tensor, kernels: Tensor, biases: Tensor) -> Tensor:
        """See `Convolution.forward`."""
        return conv2d(inputs, kernels, biases, padding=1, groups=self._networks)

    def backward(self, gradient: Tensor, inputs: Tensor, kernels: Tensor) -> tuple[Tensor, Tensor]:
        """See `Convolution.backward`."""
        of_inputs, of_kernels, _ = torch.ops.aten.convolution_backward(
            *(gradient, inputs, kernels, None),
            *([1, 1], [1, 1], [1, 1], False, [0, 0], self._networks),
            [True, True, False],
        )
        return of_inputs, of_kernels


class ProductConvolution:
    """`Convolution` as one matrix product a network with the 3×3 neighbourhoods of all pixels, in one batch.

    Libraries have fast batches of products for any number of networks, and fast convolutions with many wide groups for
    some shapes only. The neighbourhoods are gathered anew in each pass: kept, they would be nine maps a layer.

    Parameters
    ----------
    networks : int
    """

    def __init__(self, networks: int) -> None:
        self._networks = networks

    def forward(self, inputs: Tensor, kernels: Tensor, biases: Tensor) -> Tensor:
        """See `Convolution.forward`."""
        return self._convolve(inputs, self._as_matrices(kernels)).add_(biases[:, None, None])

    def backward(self, gradient: Tensor, inputs: Tensor, kernels: Tensor) -> tuple[Tensor, Tensor]:
        """See `Convolution.backward`."""
        channels = kernels.shape[1]
        of_kernels = self._neighbourhoods(inputs).mT @ as_matrices(gradient, self._networks)
        of_kernels = of_kernels.view(self._networks, 3, 3, channels, channels).permute(0, 4, 3, 1, 2)
        turned = kernels.view(self._networks, channels, channels, 3, 3).flip(3, 4).transpose(1, 2).flatten(0, 1)
        return self._convolve(gradient, self._as_matrices(turned)), of_kernels.reshape(kernels.shape)

    def _convolve(self, inputs: Tensor, kernels: Tensor) -> Tensor:
        return multiplied(self._neighbourhoods(inputs), kernels, *inputs.shape[2:])

    def _as_matrices(self, kernels: Tensor) -> Tensor:
        """Return the kernels as (networks, 9 · channels in, channels out)."""
        channels = kernels.shape[1]
        kernels = kernels.view(self._networks, channels, channels, 3, 3)
        return kernels.permute(0, 3, 4, 2, 1).reshape(self._networks, 9 * channels, channels)

    def _neighbourhoods(self, inputs: Tensor) -> Tensor:
        """Return every pixel's neighbourhood, zero outside the map: (networks, pixels, 9 · channels)."""
        _, channels, height, width = inputs.shape
        padded = inputs.new_zeros(height + 2, width + 2, self._networks, channels // self._networks)
        padded[1:-1, 1:-1].flatten(2).copy_(inputs[0].permute(1, 2, 0))
        windows = padded.unfold(0, 3, 1).unfold(1, 3, 1).permute(0, 1, 2, 4, 5, 3)
        return windows.reshape(height * width, self._networks, -1).transpose(0, 1)


def as_matrices(maps: Tensor, networks: int) -> Tensor:
    """Return channels-last maps (1, networks · channels, H, W) as (networks, pixels, channels), without a copy."""
    _, channels, height, width = maps.shape
    pixels = maps[0].permute(1, 2, 0).reshape(height * width, networks, channels // networks)
    return pixels.transpose(0, 1)


def as_maps(pixels: Tensor, height: int, width: int) -> Tensor:
    """Return values (pixels, networks, channels) as channels-last maps (1, networks · channels, H, W), not copied."""
    return pixels.view(1, height, width, -1).permute(0, 3, 1, 2)


def multiplied(pixels: Tensor, matrices: Tensor, height: int, width: int) -> Tensor:
    """Return products as channels-last maps (1, networks · channels out, H, W).

    Parameters
    ----------
    pixels : Tensor, (networks, H · W, channels in)
    matrices : Tensor, (networks, channels in, channels out)
    height, width : int
    """
    products = pixels.new_empty(height * width, len(matrices), matrices.shape[2])
    torch.bmm(pixels, matrices, out=products.transpose(0, 1))
    return as_maps(products, height, width)
