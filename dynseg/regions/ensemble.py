"""Textons of an image: the label maps of several small networks that are trained on it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dynseg.training.group.loop import train_together
from dynseg.training.images import applied_image, image_tensor, reduce_image
from dynseg.training.loop import OnIteration
from dynseg.training.network import SegmentationNetwork, initial_network
from dynseg.training.parameters import LARGEST_SEED, TrainingParameters, reduced_size
from dynseg.training.precision import runs_in_group
from dynseg.training.prediction import label_map
from dynseg.training.run import train_network
from dynseg.training.sizes import Size
from dynseg.training.validity import reduce_valid, valid_image
from dynseg.training.weighting import weight_of

# However small the scale: on fewer pixels along the longer side there is next to nothing to learn.
LEAST_TRAINING_SIDE = 32
# What single precision leaves of one colour when an image is resampled.
_ONE_COLOUR = 1e-6


@dataclass(frozen=True)
class Ensemble:
    """Which networks are trained on an image.

    Attributes
    ----------
    networks : int
        Their number; they differ in their initial weights.
    training : TrainingParameters
        `scale` is the size at which they are trained, as a share of the image's.
    mu : float
        μ of FSF (equation 2 of the paper).
    application_scale : float
        The size of the label maps, as a share of the image's.
    """

    networks: int
    training: TrainingParameters
    mu: float
    application_scale: float

    def trained_size(self, height: int, width: int) -> Size:
        """Return the height and width of the image that networks are trained on, in pixels."""
        scale = min(1.0, max(self.training.scale, LEAST_TRAINING_SIDE / max(height, width)))
        return reduced_size(height, width, scale)

    def applied_size(self, height: int, width: int) -> Size:
        """Return the height and width of the label maps, in pixels."""
        least, applied = self.trained_size(height, width), reduced_size(height, width, self.application_scale)
        return max(least[0], applied[0]), max(least[1], applied[1])


def texton_maps(
    image: NDArray[np.uint8] | NDArray[np.float32],
    ensemble: Ensemble,
    seed: int,
    device: str = "cpu",
    on_iteration: OnIteration | None = None,
    valid: NDArray[np.bool_] | None = None,
) -> Sequence[NDArray[np.integer]]:
    """Train an ensemble of networks on an image, and return their label maps.

    On the CPU one network is trained after the other, on a GPU all are side by side. In an image of a single colour
    there is one texton and nothing to learn: networks would tell its border from the rest.

    Parameters
    ----------
    image : ndarray, (H, W, bands), uint8 or float32
        Values of float32 are in [0, 1].
    ensemble : Ensemble
    seed : int
        Another seed gives other initial weights to every network.
    device : {"cpu", "cuda"}
    on_iteration : callable, optional
        Called at every iteration of every network; see `dynseg.training.loop.OnIteration`.
    valid : ndarray, (H, W), bool, optional
        The pixels that count; by default all.

    Returns
    -------
    sequence of ndarray, (h, w), int64
        One label map a network, at `Ensemble.applied_size`.

    Raises
    ------
    UserError
        If a loss is not finite.
    """
    height, width, bands = image.shape
    if _is_of_one_colour(image, valid):
        return [np.zeros(ensemble.applied_size(height, width), np.int64)] * ensemble.networks
    applied, applied_valid = at_size(image, valid, ensemble.applied_size(height, width), device)
    trained, trained_valid = at_size(image, valid, ensemble.trained_size(height, width), device, rounded=False)
    parameters, weighting = ensemble.training, weight_of("fsf", ensemble.mu)

    def start(number: int) -> SegmentationNetwork:
        network_seed = (seed * ensemble.networks + number) % (LARGEST_SEED + 1)
        shape = (parameters.components, parameters.channels)
        return initial_network(*shape, network_seed, parameters.initialisation, bands).to(device)

    def labels_of(network: SegmentationNetwork) -> NDArray[np.integer]:
        labels: NDArray[np.integer] = label_map(network, applied, parameters, valid=applied_valid).cpu().numpy()
        return labels

    if ensemble.networks > 0 and trained_valid is None and runs_in_group(trained, parameters):
        networks = [start(number) for number in range(ensemble.networks)]
        images = trained.expand(ensemble.networks, *trained.shape)
        train_together(networks, images, parameters, weighting, on_iteration=on_iteration)
        return [labels_of(network) for network in networks]
    maps = []
    for network in map(start, range(ensemble.networks)):
        train_network(network, [trained], parameters, weighting, valid=[trained_valid], on_iteration=on_iteration)
        maps.append(labels_of(network))
    return maps


def _is_of_one_colour(image: NDArray[Any], valid: NDArray[np.bool_] | None) -> bool:
    pixels = image.reshape(-1, image.shape[2]) if valid is None else image[valid]
    return bool(pixels.size == 0 or (np.ptp(pixels, axis=0) <= _ONE_COLOUR).all())


def at_size(
    image: NDArray[np.uint8] | NDArray[np.float32],
    valid: NDArray[np.bool_] | None,
    size: Size,
    device: str,
    rounded: bool = True,
) -> tuple[Tensor, Tensor | None]:
    """Return an image at a size, rounded to 8 bits if it was or not, and which of its pixels count."""
    if valid is None:
        reduced = applied_image(image, size) if rounded else reduce_image(image_tensor(image), size)
        return reduced.to(device), None
    reduced, counts = (
        valid_image(image, valid, size) if rounded else reduce_valid(image_tensor(image), torch.from_numpy(valid), size)
    )
    return reduced.to(device), counts.to(device)
