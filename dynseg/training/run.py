"""From an image to its label map: initial weights, training, perhaps at a reduced size, and the final label map."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import interpolate

from dynseg.result import Context, Segmentation
from dynseg.training.joint_step import JointStep
from dynseg.training.loop import LOOK_INTERVAL, OnIteration, Trained, make_step, train
from dynseg.training.network import SegmentationNetwork, initial_network
from dynseg.training.parameters import TrainingParameters, reduced_size
from dynseg.training.step import Step


def train_and_apply(
    image: NDArray[np.uint8],
    context: Context,
    parameters: TrainingParameters,
    weighting: Callable[[Tensor], Tensor],
    refine: Callable[[NDArray[np.uint8]], Callable[[Tensor], Tensor]] | None = None,
    on_iteration: OnIteration | None = None,
    *,
    scribbles: NDArray[np.int64] | None = None,
    size: tuple[int, int] | None = None,
) -> Segmentation:
    """Train a network on an image and return the label map of the trained network, at the image's own size.

    Parameters
    ----------
    image : ndarray, (H, W, 3), uint8
        RGB.
    context : Context
    parameters : TrainingParameters
    weighting : callable
        From q′ to the weight of the continuity loss, both tensors ().
    refine : callable, optional
        From the image at the size of training, (h, w, 3) uint8, to a function from label maps (h, w) to the targets
        of the similarity loss.
    on_iteration : callable, optional
        Called at every iteration; see `dynseg.training.loop.OnIteration`.
    scribbles : ndarray, (H, W), int64, optional
        Labels, below the number of channels, that some pixels should get; -1 elsewhere.
    size : tuple of int, optional
        Height and width of the label map; see `apply_network`.

    Raises
    ------
    UserError
        If a loss is not finite.
    """
    device = torch.device(context.device)
    network = initial_network(parameters.components, parameters.channels, context.seed, parameters.initialisation).to(
        device
    )
    reduced = reduce_image(image_tensor(image).to(device), parameters.scale)
    trained = train_network(
        network,
        [reduced],
        parameters,
        weighting,
        refine=refine(image_array(reduced)) if refine else None,
        scribbles=None if scribbles is None else reduce_scribbles(scribbles, *reduced.shape[1:]),
        on_iteration=on_iteration,
    )
    return Segmentation(apply_network(network, image, parameters, size), trained.history, training_facts(trained))


def train_network(
    network: SegmentationNetwork,
    images: Sequence[Tensor],
    parameters: TrainingParameters,
    weighting: Callable[[Tensor], Tensor],
    *,
    refine: Callable[[Tensor], Tensor] | None = None,
    scribbles: NDArray[np.int64] | None = None,
    on_iteration: OnIteration | None = None,
) -> Trained:
    """Train a network on one image, or on several at once, as they are.

    Parameters
    ----------
    network : SegmentationNetwork
    images : sequence of Tensor, (3, h, w), float32
        In [0, 1], on the network's device, already of the size of training.
    parameters : TrainingParameters
    weighting : callable
        From q′ to the weight of the continuity loss, both tensors ().
    refine : callable, optional
        From label maps (h, w) to the targets of the similarity loss. Of one image only.
    scribbles : ndarray, (h, w), int64, optional
        Labels that some pixels should get, -1 elsewhere. Of one image only.
    on_iteration : callable, optional
        See `dynseg.training.loop.OnIteration`.

    Raises
    ------
    UserError
        If a loss is not finite.
    """
    device = images[0].device
    marks = None if scribbles is None else torch.from_numpy(scribbles).to(device)
    steps = [make_step(network, image, parameters, marks) for image in images]
    step: Step = steps[0]
    if len(steps) > 1:
        step = JointStep(
            steps, list(network.parameters()), parameters.channels, parameters.learning_rate, parameters.momentum
        )
    return train(step, weighting, parameters, refine, LOOK_INTERVAL[device.type], on_iteration)


def apply_network(
    network: SegmentationNetwork,
    image: NDArray[np.uint8],
    parameters: TrainingParameters,
    size: tuple[int, int] | None = None,
) -> NDArray[np.int64]:
    """Return the label map of a trained network on a whole image.

    Parameters
    ----------
    network : SegmentationNetwork
    image : ndarray, (H, W, 3), uint8
        RGB.
    parameters : TrainingParameters
    size : tuple of int, optional
        Height and width of the label map, by default the image's own; larger ones come from enlarged responses.

    Returns
    -------
    ndarray, (H, W), int64
        Indices of the network's channels.
    """
    device = next(network.parameters()).device
    return make_step(network, image_tensor(image).to(device), parameters).predict(size).cpu().numpy()


def training_facts(trained: Trained) -> dict[str, str | int | float]:
    """Return what a result says of its training: why it stopped, and after how many iterations."""
    return {"stopped_by": trained.stopped_by, "iterations_run": len(trained.history["iteration"])}


def image_tensor(image: NDArray[np.uint8]) -> Tensor:
    """Return an image (H, W, 3) uint8 as a tensor (3, H, W) float32 in [0, 1]."""
    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1))).float() / 255


def image_array(image: Tensor) -> NDArray[np.uint8]:
    """Return a tensor (3, H, W) in [0, 1] as an image (H, W, 3) uint8."""
    return (image * 255).round().to(torch.uint8).permute(1, 2, 0).cpu().numpy()


def reduce_image(image: Tensor, scale: float) -> Tensor:
    """Return an image (3, H, W) reduced by a factor, by averaging areas; the same object if its size stays."""
    height, width = image.shape[1:]
    size = reduced_size(height, width, scale)
    if size == (height, width):
        return image
    return interpolate(image[None], size=size, mode="area")[0]


def reduce_scribbles(scribbles: NDArray[np.int64], height: int, width: int) -> NDArray[np.int64]:
    """Return scribbles at another size: each pixel has the most frequent label among the pixels that it covers.

    Pixels without a label don't vote, so that thin lines stay whole.

    Parameters
    ----------
    scribbles : ndarray, (H, W), int64
        Labels from 0; -1 where there is none.
    height, width : int
        At most H and W.

    Returns
    -------
    ndarray, (height, width), int64
        The smallest label wins a tie.
    """
    rows, columns = np.nonzero(scribbles >= 0)
    labels = scribbles[rows, columns]
    pixels = (rows * height // scribbles.shape[0]) * width + columns * width // scribbles.shape[1]
    label_count = int(labels.max(initial=-1)) + 1
    codes, votes = np.unique(pixels * label_count + labels, return_counts=True)
    reduced = np.full(height * width, -1, dtype=np.int64)
    # Later ones overwrite earlier ones: the most votes last, and among equal ones the smallest label.
    order = np.lexsort((-codes, votes))
    reduced[codes[order] // max(label_count, 1)] = codes[order] % max(label_count, 1)
    return reduced.reshape(height, width)
