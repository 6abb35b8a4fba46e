"""The network of deep image clustering (Zhou and Wei 2020): feature transformation, then deep clustering."""

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, pad, relu

from dynseg.methods.dic import COARSE, FINE

# Half of it must be more than one pixel, of which batch norm has no statistics.
_LEAST_SIDE = 4
_EPSILON = 1e-6


class FeatureTransformation(nn.Module):
    """The feature transformation subnetwork: a U-Net of two levels, then a 1×1 convolution and batch norm.

    Parameters
    ----------
    channels : int
        Number of responses.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fine = _two_convolutions(3, FINE)
        self.coarse = _two_convolutions(FINE, COARSE)
        self.joint = _two_convolutions(FINE + COARSE, COARSE)
        self.responses = nn.Sequential(
            nn.Conv2d(COARSE, channels, kernel_size=1), nn.BatchNorm2d(channels, track_running_stats=False)
        )

    def forward(self, image: Tensor) -> Tensor:
        """Return responses (1, channels, H, W) of an image (1, 3, H, W)."""
        fine = self.fine(image)
        coarse = self.coarse(nn.functional.max_pool2d(fine, 2))
        enlarged = interpolate(coarse, size=fine.shape[2:], mode="bilinear", align_corners=True)
        responses: Tensor = self.responses(self.joint(torch.cat([fine, enlarged], dim=1)))
        return responses


class DeepClustering(nn.Module):
    """The deep clustering subnetwork: responses plus what is left of them after clustering.

    Rounds of soft assignment to centres of unit length and of new centres (equations 2 and 3), then every pixel as the
    mixture of its centres (equation 4), through a 1×1 convolution, added to what came in. As released, no gradient
    passes through the rounds, so that the first convolution stays as it was at the start.

    Parameters
    ----------
    channels, centres, rounds : int
    """

    def __init__(self, channels: int, centres: int, rounds: int) -> None:
        super().__init__()
        self._rounds = rounds
        start = torch.randn(channels, centres) * math.sqrt(2 / centres)
        self.register_buffer("start", _unit_length(start))
        self.before = nn.Conv2d(channels, channels, kernel_size=1)
        self.after = nn.Conv2d(channels, channels, kernel_size=1, bias=False)
        for convolution in (self.before, self.after):
            nn.init.normal_(convolution.weight, std=math.sqrt(2 / channels))

    def forward(self, responses: Tensor) -> Tensor:
        """Return non-negative responses of the same shape, (1, channels, H, W)."""
        with torch.no_grad():
            mixture = relu(self._mixture(self.before(responses)[0].flatten(1)))
        return relu(self.after(mixture.view_as(responses)) + responses)

    def _mixture(self, features: Tensor) -> Tensor:
        """Return features (channels, pixels) as mixtures of their centres."""
        centres = self.get_buffer("start")
        for _ in range(self._rounds):
            shares = (features.T @ centres).softmax(dim=1)
            # Each centre is the mean of all pixels, weighted by their shares in it.
            weights = shares / (_EPSILON + shares.sum(dim=0))
            centres = _unit_length(features @ weights)
        return centres @ shares.T


class DicNetwork(nn.Module):
    """Both subnetworks, one after the other.

    Parameters
    ----------
    channels : int
        Number of responses, and largest number of clusters.
    centres, rounds : int
        Of the deep clustering subnetwork.
    """

    def __init__(self, channels: int, centres: int, rounds: int) -> None:
        super().__init__()
        self.transformation = FeatureTransformation(channels)
        self.clustering = DeepClustering(channels, centres, rounds)

    def forward(self, image: Tensor) -> Tensor:
        """Return responses (1, channels, H, W) of an image (1, 3, H, W) of values in [0, 1]."""
        height, width = image.shape[2:]
        margin = (0, max(0, _LEAST_SIDE - width), 0, max(0, _LEAST_SIDE - height))
        if any(margin):
            image = pad(image, margin, mode="replicate")
        responses: Tensor = self.clustering(self.transformation(image))
        return responses[:, :, :height, :width]


def initial_dic_network(channels: int, centres: int, rounds: int, seed: int) -> DicNetwork:
    """Return the network at its start; its weights depend on the seed and the shape alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return DicNetwork(channels, centres, rounds)


def _two_convolutions(bands: int, channels: int) -> nn.Sequential:
    """Return (3×3 convolution, batch norm, ReLU) twice."""
    return nn.Sequential(
        *(
            layer
            for inputs in (bands, channels)
            for layer in (
                nn.Conv2d(inputs, channels, kernel_size=3, padding=1),
                nn.BatchNorm2d(channels, track_running_stats=False),
                nn.ReLU(),
            )
        )
    )


def _unit_length(centres: Tensor) -> Tensor:
    """Return centres (channels, centres) divided by their lengths."""
    lengths: Tensor = centres.norm(dim=0, keepdim=True)
    return centres / (_EPSILON + lengths)
