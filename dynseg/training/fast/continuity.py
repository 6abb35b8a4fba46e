"""What the fast step does with differences of neighbouring responses: L1 or smooth L1, from before the batch norm.

A batch norm multiplies a difference d of responses by its scale a, a channel, so that the loss of the normalised
responses is h(a · d). It is summed over strips as what both its value and its gradient are made of.
"""

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from dynseg.training.parameters import Continuity


class Penalty(Protocol):
    """A function h of differences, its sums over a strip and its derivative h'."""

    def sums(self, differences: Tensor, scale: Tensor, buffer: Tensor) -> list[Tensor]:
        """Return sums over the pixels of a strip, each (channels,).

        Parameters
        ----------
        differences : Tensor, (H, W, channels)
            Before the batch norm; overwritten.
        scale : Tensor, (channels,)
            The batch norm's.
        buffer : Tensor, (H, W, channels)
            Overwritten.
        """

    def loss(self, sums: Sequence[Tensor], scale: Tensor) -> Tensor:
        """Return the sum of h over all channels, float64, from sums (channels,) float64."""

    def products(self, sums: Sequence[Tensor], factor: Tensor) -> Tensor:
        """Return the sum of h'(a · d) · d, (channels,) float64; `factor` has the sign of the scale."""

    def slopes(self, differences: Tensor, scale: Tensor, weight: Tensor) -> Tensor:
        """Return weight · a · h'(a · d) in the place of differences d, (H, W, channels)."""


class Absolute:
    """`Penalty` of L1: h is the absolute value."""

    def sums(self, differences: Tensor, scale: Tensor, buffer: Tensor) -> list[Tensor]:
        """See `Penalty.sums`: of |d|."""
        return [differences.abs_().sum(dim=(0, 1))]

    def loss(self, sums: Sequence[Tensor], scale: Tensor) -> Tensor:
        """See `Penalty.loss`."""
        return sums[0] @ scale.abs().double()

    def products(self, sums: Sequence[Tensor], factor: Tensor) -> Tensor:
        """See `Penalty.products`: |d| is d times its own derivative."""
        return factor.sign() * sums[0]

    def slopes(self, differences: Tensor, scale: Tensor, weight: Tensor) -> Tensor:
        """See `Penalty.slopes`."""
        return differences.sign_().mul_(weight * scale.abs())


class Smooth:
    """`Penalty` of smooth L1: h' is its argument between -1 and 1, and its sign beyond."""

    def sums(self, differences: Tensor, scale: Tensor, buffer: Tensor) -> list[Tensor]:
        """See `Penalty.sums`: of h' · d and of h' squared."""
        slopes = torch.mul(differences, scale, out=buffer).clamp_(-1, 1)
        return [differences.mul_(slopes).sum(dim=(0, 1)), slopes.square_().sum(dim=(0, 1))]

    def loss(self, sums: Sequence[Tensor], scale: Tensor) -> Tensor:
        """See `Penalty.loss`: h of a difference x is h' · x - h'² / 2."""
        return sums[0] @ scale.double() - sums[1].sum() / 2

    def products(self, sums: Sequence[Tensor], factor: Tensor) -> Tensor:
        """See `Penalty.products`."""
        return sums[0]

    def slopes(self, differences: Tensor, scale: Tensor, weight: Tensor) -> Tensor:
        """See `Penalty.slopes`."""
        return differences.mul_(scale).clamp_(-1, 1).mul_(weight * scale)


PENALTIES: dict[Continuity, Penalty] = {"l1": Absolute(), "smooth_l1": Smooth()}
