"""3×3 convolutions of several networks at once, their gradients, and products of each network's pixels.

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
