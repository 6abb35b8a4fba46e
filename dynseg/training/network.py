"""The paper's network (section III.A, figure 1)."""

from typing import cast

import torch
from torch import Tensor, nn


class SegmentationNetwork(nn.Module):
    """(conv 3×3 → ReLU → batch norm) × M, then conv 1×1 → batch norm: one response a cluster and pixel.

    Batch norm always uses the statistics of the image at hand, also in the last forward pass, as the released
    code does; running statistics are not kept.

    Parameters
    ----------
    components : int
        M, the number of 3×3 components.
    channels : int
        p = q, the width of every layer and the largest number of clusters.
    bands : int
        Channels of the image: 3 for RGB.
    """

    def __init__(self, components: int, channels: int, bands: int = 3) -> None:
        super().__init__()
        self.bands = bands
        widths = [bands, *[channels] * components]
        # Whatever the caller's default type is.
        self.convolutions = nn.ModuleList(
            [nn.Conv2d(width, channels, kernel_size=3, padding=1, dtype=torch.float32) for width in widths[:-1]]
            + [nn.Conv2d(widths[-1], channels, kernel_size=1, dtype=torch.float32)]
        )
        self.normalisations = nn.ModuleList(
            nn.BatchNorm2d(channels, track_running_stats=False, dtype=torch.float32) for _ in self.convolutions
        )

    def forward(self, image: Tensor, valid: Tensor | None = None) -> Tensor:
        """Return the normalised response map r′.

        Parameters
        ----------
        image : Tensor, (1, bands, H, W), float
            Values in [0, 1].
        valid : Tensor, (H, W), bool, optional
            The pixels that the statistics of batch norm are taken from; by default all.

        Returns
        -------
        Tensor, (1, q, H, W), float
        """
        features = image
        for convolution, normalisation in zip(self.convolutions[:-1], self.normalisations[:-1], strict=True):
            features = _normalised(cast(nn.BatchNorm2d, normalisation), torch.relu(convolution(features)), valid)
        return _normalised(cast(nn.BatchNorm2d, self.normalisations[-1]), self.convolutions[-1](features), valid)


def _normalised(normalisation: nn.BatchNorm2d, features: Tensor, valid: Tensor | None) -> Tensor:
    if valid is None:
        normalised: Tensor = normalisation(features)
        return normalised
    features = features.float() if features.dtype == torch.bfloat16 else features
    counts = valid.to(features.dtype)
    count = counts.sum()
    mean = (features * counts).sum(dim=(2, 3), keepdim=True) / count
    centred = features - mean
    variance = (centred.square() * counts).sum(dim=(2, 3), keepdim=True) / count
    scale = normalisation.weight[:, None, None] * torch.rsqrt(variance + normalisation.eps)
    return torch.addcmul(normalisation.bias[:, None, None], centred, scale)


def initial_network(
    components: int, channels: int, seed: int, initialisation: str = "pytorch", bands: int = 3
) -> SegmentationNetwork:
    """Return a network on the CPU whose initial weights depend on these parameters alone.

    So every image and every method starts from the same values ("fixed to a single set of values for all methods",
    section IV.B). The global random state is left as it was.

    Parameters
    ----------
    components, channels : int
        See `SegmentationNetwork`.
    seed : int
    initialisation : {"pytorch", "xavier"}
        PyTorch's default, as in all released code; or uniform weights and no biases (Glorot & Bengio 2010), as an
        earlier paper of the authors says.
    bands : int
        See `SegmentationNetwork`.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = SegmentationNetwork(components, channels, bands)
        if initialisation == "xavier":
            for convolution in cast(list[nn.Conv2d], list(network.convolutions)):
                nn.init.xavier_uniform_(convolution.weight)
                nn.init.zeros_(cast(Tensor, convolution.bias))
        return network
