"""Batch norm as an affine map a channel, and the statistics that it takes from a map read in strips."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Moments:
    """Count, mean and sum of squared deviations of some pixels, the latter two (channels,)."""

    count: int
    mean: Tensor
    squares: Tensor


def measure_moments(features: Tensor, buffer: Tensor) -> Moments:
    """Return the moments of features (pixels, channels); the buffer, of the same shape, is overwritten."""
    if not len(features):
        nothing = features.new_zeros(features.shape[1])
        return Moments(0, nothing, nothing)
    mean = features.mean(dim=0)
    # Of deviations, not of values: the difference of two large sums would leave a small variance inexact.
    torch.sub(features, mean, out=buffer)
    return Moments(len(features), mean, buffer.square_().sum(dim=0))


@dataclass(frozen=True)
class Normalisation:
    """One batch norm on the map at hand: its statistics, and its learnt factor and offset, each (channels,)."""

    mean: Tensor
    inverse_deviation: Tensor
    factor: Tensor
    offset: Tensor

    @classmethod
    def from_moments(
        cls, moments: Sequence[Moments], epsilon: float, factor: Tensor, offset: Tensor
    ) -> "Normalisation":
        """Merge the moments of all strips (Chan, Golub & LeVeque 1983) in float64."""
        counts = torch.tensor([[strip.count] for strip in moments], dtype=torch.float64)
        means = torch.stack([strip.mean for strip in moments]).double()
        squares = torch.stack([strip.squares for strip in moments]).double()
        mean = (counts * means).sum(dim=0) / counts.sum()
        variance = (squares + counts * (means - mean).square()).sum(dim=0) / counts.sum()
        return cls(mean.to(factor.dtype), (variance + epsilon).rsqrt().to(factor.dtype), factor, offset)

    @property
    def scale(self) -> Tensor:
        """The a of the affine map a · x + b that the batch norm is."""
        return self.factor * self.inverse_deviation

    @property
    def shift(self) -> Tensor:
        """The b of the affine map a · x + b that the batch norm is."""
        return self.offset - self.mean * self.scale

    def backward_coefficients(self, gradient: Tensor, products: Tensor, pixels: int) -> tuple[Tensor, Tensor, Tensor]:
        """Return a, b and c: the input's gradient is a · (the output's gradient) + b · input + c.

        Parameters
        ----------
        gradient : Tensor, (channels,)
            The output's gradient summed over pixels, which is the gradient of the offset.
        products : Tensor, (channels,)
            Its products with the normalised input summed over pixels, which is the gradient of the factor.
        pixels : int
        """
        slope = -self.scale * self.inverse_deviation * products / pixels
        return self.scale, slope, -self.scale * gradient / pixels - slope * self.mean

    def centred(self, features: Tensor, out: Tensor) -> Tensor:
        """Return features (pixels, channels) less their mean, written to `out`."""
        return torch.sub(features, self.mean, out=out)

    def gradient_sums(self, gradient: Tensor, centred: Tensor) -> Tensor:
        """Return the sums over pixels that `backward_coefficients` takes, of some of the pixels.

        Parameters
        ----------
        gradient : Tensor, (pixels, channels)
            The output's gradient.
        centred : Tensor, (pixels, channels)
            The input from `centred`; it is overwritten.

        Returns
        -------
        Tensor, (2, channels)
            The gradient, and its products with the normalised input.
        """
        products = centred.mul_(gradient).sum(dim=0)
        return torch.stack([gradient.sum(dim=0), products * self.inverse_deviation])
