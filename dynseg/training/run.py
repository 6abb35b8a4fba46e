"""From an image to its label map: initial weights, training, perhaps at a reduced size, and the final label map."""

import copy
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dynseg.result import Segmentation
from dynseg.training.group.loop import train_together
from dynseg.training.images import image_array, reduce_image
from dynseg.training.joint_step import JointStep
from dynseg.training.loop import CHECK_EVERY, OnIteration, TrainingResult, make_step, train
from dynseg.training.network import SegmentationNetwork, initial_network
from dynseg.training.parameters import TrainingParameters
from dynseg.training.precision import runs_in_group, tf32_allowed
from dynseg.training.prediction import label_map
from dynseg.training.scribbles import reduce_scribbles
from dynseg.training.sizes import Size, Sizes
from dynseg.training.validity import reduce_valid


def train_and_apply(
    image: Tensor,
    seed: int,
    parameters: TrainingParameters,
    weighting: Callable[[Tensor], Tensor],
    *,
    sizes: Sizes | None = None,
    refine: Callable[[NDArray[np.uint8]], Callable[[Tensor], Tensor]] | None = None,
    scribbles: NDArray[np.int64] | None = None,
    valid: Tensor | None = None,
    repeats_border: bool = False,
    on_iteration: OnIteration | None = None,
) -> Segmentation:
    """Train a network on an image and return the label map of the trained network.

    Parameters
    ----------
    image : Tensor, (bands, H, W), float32
        Values in [0, 1], on the device to train on.
    seed : int
        Seed of the initial weights.
    parameters : TrainingParameters
    weighting : callable
        From q′ to the weight of the continuity loss, both tensors ().
    sizes : Sizes, optional
        `applied` is the image's size, `original` that of the label map; by default the label map has the image's size
        and training is at `parameters.scale` of it.
    refine : callable, optional
        From the image at the size of training, (h, w, bands) uint8, to a function from label maps (h, w) to the targets
        of the similarity loss.
    scribbles : ndarray, (H, W), int64, optional
        Labels, below the number of channels, that some pixels should get; -1 elsewhere.
    valid : Tensor, (H, W), bool, optional
        The pixels of the image that count, on its device; by default all. The label map has labels elsewhere, too.
    repeats_border : bool
        See `dynseg.training.prediction.label_map`.
    on_iteration : callable, optional
        Called at every iteration; see `dynseg.training.loop.OnIteration`.

    Raises
    ------
    UserError
        If a loss is not finite.
    """
    bands, height, width = image.shape
    sizes = sizes or Sizes.at_scale((height, width), parameters.scale)
    network = initial_network(parameters.components, parameters.channels, seed, parameters.initialisation, bands)
    network = network.to(image.device)
    marks = None if scribbles is None else reduce_scribbles(scribbles, *sizes.trained)
    reduced, counting = _reduced(image, valid, sizes.trained, marks)
    trained = train_network(
        network,
        [reduced],
        parameters,
        weighting,
        refine=refine(image_array(reduced)) if refine else None,
        scribbles=marks,
        valid=[counting],
        on_iteration=on_iteration,
    )
    labels = label_map(network, image, parameters, sizes.original, repeats_border=repeats_border, valid=valid)
    return Segmentation(labels.cpu().numpy(), trained.history, training_facts(trained))


def _reduced(
    image: Tensor, valid: Tensor | None, size: Size, scribbles: NDArray[np.int64] | None
) -> tuple[Tensor, Tensor | None]:
    """Return the image at the size of training, and which of its pixels count: those with scribbles do."""
    if valid is None:
        return reduce_image(image, size), None
    reduced, counting = reduce_valid(image, valid, size)
    if scribbles is not None:
        counting = counting | torch.from_numpy(scribbles >= 0).to(counting.device)
    return reduced, counting


def train_and_apply_together(
    images: Tensor,
    seeds: Sequence[int],
    parameters: TrainingParameters,
    weighting: Callable[[Tensor], Tensor],
) -> list[Segmentation]:
    """Train a network on each of several images of one size, side by side, and return what `train_and_apply` does.

    Parameters
    ----------
    images : Tensor, (count, bands, H, W), float32
        Values in [0, 1], on the device to train on.
    seeds : sequence of int
        Seed of the initial weights, for each image.
    parameters : TrainingParameters
    weighting : callable
        From q′ of each network, a tensor (count,), to the weight of its continuity loss.

    Raises
    ------
    UserError
        If a loss is not finite.
    """
    _, bands, height, width = images.shape
    sizes = Sizes.at_scale((height, width), parameters.scale)
    shape = (parameters.components, parameters.channels)
    initial = {seed: initial_network(*shape, seed, parameters.initialisation, bands) for seed in set(seeds)}
    networks = [copy.deepcopy(initial[seed]).to(images.device) for seed in seeds]
    reduced = torch.stack([reduce_image(image, sizes.trained) for image in images])
    results = train_together(networks, reduced, parameters, weighting)
    return [
        Segmentation(label_map(network, image, parameters).cpu().numpy(), trained.history, training_facts(trained))
        for network, image, trained in zip(networks, images, results, strict=True)
    ]


def train_network(
    network: SegmentationNetwork,
    images: Sequence[Tensor],
    parameters: TrainingParameters,
    weighting: Callable[[Tensor], Tensor],
    *,
    refine: Callable[[Tensor], Tensor] | None = None,
    scribbles: NDArray[np.int64] | None = None,
    valid: Sequence[Tensor | None] | None = None,
    on_iteration: OnIteration | None = None,
) -> TrainingResult:
    """Train a network on one image, or on several at once, as they are.

    Parameters
    ----------
    network : SegmentationNetwork
    images : sequence of Tensor, (bands, h, w), float32
        Values in [0, 1], on the network's device, already of the size of training.
    parameters : TrainingParameters
    weighting : callable
        From q′ to the weight of the continuity loss, both tensors ().
    refine : callable, optional
        From label maps (h, w) to the targets of the similarity loss; the label map of several images is one row of
        their pixels.
    scribbles : ndarray, (h, w), int64, optional
        Labels that some pixels should get, -1 elsewhere; for one image only.
    valid : sequence of Tensor, (h, w), bool, or None, optional
        The pixels of each image that count; by default all.
    on_iteration : callable, optional
        See `dynseg.training.loop.OnIteration`.

    Raises
    ------
    UserError
        If a loss is not finite.
    """
    device = images[0].device
    targets = None if scribbles is None else torch.from_numpy(scribbles).to(device)
    valid = [None] * len(images) if valid is None else valid
    if len(images) == 1 and refine is None and valid[0] is None and runs_in_group(images[0], parameters):
        return train_together(
            [network], images[0][None], parameters, weighting, scribbles=targets, on_iteration=on_iteration
        )[0]
    steps = [
        make_step(network, image, parameters, targets, counting) for image, counting in zip(images, valid, strict=True)
    ]
    step = steps[0] if len(steps) == 1 else JointStep(steps, parameters.channels)
    with tf32_allowed(parameters.precision == "tf32"):
        return train(step, weighting, parameters, refine, CHECK_EVERY[device.type], on_iteration)


def training_facts(trained: TrainingResult) -> dict[str, str | int | float]:
    """Return what a result says of its training: why it stopped, and after how many iterations."""
    return {"stopped_by": trained.stopped_by, "iterations_run": len(trained.history["iteration"])}
