"""A trained network with statistics of batch norm that stay, so that its labels mean the same in several images."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from dynseg.training.network import SegmentationNetwork


@dataclass(frozen=True)
class FrozenNetwork:
    """A network whose batch norms have the statistics of some images, whatever it is applied to.

    Attributes
    ----------
    network : SegmentationNetwork
    normalisations : tuple of (Tensor, Tensor)
        The factor and the summand of each batch norm, (channels, 1, 1) each.
    """

    network: SegmentationNetwork
    normalisations: tuple[tuple[Tensor, Tensor], ...]

    @classmethod
    @torch.no_grad()
    def of(
        cls, network: SegmentationNetwork, images: Sequence[Tensor], valid: Sequence[Tensor | None]
    ) -> "FrozenNetwork":
        """Return a network with the statistics of images, as if they were one.

        Parameters
        ----------
        network : SegmentationNetwork
        images : sequence of Tensor, (bands, H, W), float32
            Values in [0, 1], on the network's device.
        valid : sequence of Tensor, (H, W), bool, or None
            The pixels of each image that statistics are taken from; None for all.
        """
        features, normalisations = [image[None] for image in images], []
        for convolution, normalisation in zip(network.convolutions, network.normalisations, strict=True):
            features = [convolution(each) for each in features]
            if convolution is not network.convolutions[-1]:
                features = [torch.relu_(each) for each in features]
            scale, shift = _normalising(cast(nn.BatchNorm2d, normalisation), features, valid)
            normalisations.append((scale, shift))
            features = [each.mul_(scale).add_(shift) for each in features]
        return cls(network, tuple(normalisations))

    @torch.no_grad()
    def label_map(self, image: Tensor) -> Tensor:
        """Return the label map (H, W), int64, of an image (bands, H, W) in [0, 1]."""
        features = image[None]
        for convolution, (scale, shift) in zip(self.network.convolutions, self.normalisations, strict=True):
            features = convolution(features)
            if convolution is not self.network.convolutions[-1]:
                features = torch.relu_(features)
            features = features.mul_(scale).add_(shift)
        return features.argmax(dim=1)[0]


def _normalising(
    normalisation: nn.BatchNorm2d, features: Sequence[Tensor], valid: Sequence[Tensor | None]
) -> tuple[Tensor, Tensor]:
    """Return the factor and the summand that give features of several images mean 0 and variance 1 together."""
    count, total, squares = 0, torch.zeros(()), torch.zeros(())
    for each, counts in zip(features, valid, strict=True):
        # In double precision: a variance is a small difference of large sums.
        inside = each[0].flatten(1).double() if counts is None else each[0][:, counts].double()
        count += inside.shape[1]
        total = total.to(inside) + inside.sum(dim=1)
        squares = squares.to(inside) + inside.square().sum(dim=1)
    mean = total / max(count, 1)
    variance = (squares / max(count, 1) - mean.square()).clamp(min=0)
    scale = normalisation.weight.double() * torch.rsqrt(variance + normalisation.eps)
    shift = normalisation.bias.double() - mean * scale
    return scale.to(features[0].dtype)[:, None, None], shift.to(features[0].dtype)[:, None, None]
