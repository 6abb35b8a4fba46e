"""The parameters of several networks of one shape, side by side."""

from collections.abc import Sequence
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn

from dynseg.training.network import SegmentationNetwork


class NetworkGroup:
    """Several networks of one shape as one whose convolutions have as many groups.

    All parameters lie in one row, so that one operation updates them; parameters of one kind and layer lie together,
    network by network.

    Parameters
    ----------
    networks : sequence of SegmentationNetwork
        At least one; on one device and of one type. Their values are copied.

    Attributes
    ----------
    values : Tensor, (parameters of all networks,)
    owners : Tensor, (parameters of all networks,), int64
        The network that each value is of.
    kernels : list of Tensor, (networks · channels, channels in, size, size)
    biases, factors, offsets : list of Tensor, (networks · channels,)
        Of the convolutions, and of the batch norms that follow them, by layer.
    """

    def __init__(self, networks: Sequence[SegmentationNetwork]) -> None:
        self.count = len(networks)
        shapes = [parameter.shape for parameter in networks[0].parameters()]
        bounds = [0]
        for shape in shapes:
            bounds.append(bounds[-1] + self.count * shape.numel())
        first = next(networks[0].parameters())
        self.values: Tensor = first.new_empty(bounds[-1], requires_grad=False)
        self.owners = torch.empty(bounds[-1], dtype=torch.int64, device=first.device)
        numbers = torch.arange(self.count, device=first.device)[:, None]
        for start, stop in pairwise(bounds):
            self.owners[start:stop].view(self.count, -1).copy_(numbers)
        # Views, in the order of `SegmentationNetwork.parameters`.
        self._stacked = [
            self.values[start:stop].view(self.count, *shape)
            for (start, stop), shape in zip(pairwise(bounds), shapes, strict=True)
        ]
        joined = [stacked.flatten(0, 1) for stacked in self._stacked]
        layers = len(networks[0].convolutions)
        self.kernels, self.biases = joined[: 2 * layers : 2], joined[1 : 2 * layers : 2]
        self.factors, self.offsets = joined[2 * layers :: 2], joined[2 * layers + 1 :: 2]
        self.epsilon = cast(nn.BatchNorm2d, networks[0].normalisations[0]).eps
        self.load(networks)

    @torch.no_grad()
    def load(self, networks: Sequence[SegmentationNetwork]) -> None:
        """Take the values of networks."""
        for number, network in enumerate(networks):
            for stacked, parameter in zip(self._stacked, network.parameters(), strict=True):
                stacked[number].copy_(parameter)

    @torch.no_grad()
    def store(self, networks: Sequence[SegmentationNetwork]) -> None:
        """Give networks the values that they have here."""
        for number, network in enumerate(networks):
            for stacked, parameter in zip(self._stacked, network.parameters(), strict=True):
                parameter.copy_(stacked[number])
