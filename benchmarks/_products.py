"""Convolutions of several networks as batches of matrix products: the way that `dynseg.training.group` didn't take."""

from torch import Tensor

from dynseg.training.group.convolution import as_matrices, multiplied


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
