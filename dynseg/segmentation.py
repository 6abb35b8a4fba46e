"""From an image to its label map: initial weights, training, perhaps at a reduced size, and the final label map."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import interpolate

from dynseg.methods.result import Context, Segmentation
from dynseg.network import initial_network
from dynseg.parameters import TrainingParameters, reduced_size
from dynseg.training import LOOK_INTERVAL, make_step, train


def train_and_apply(
    image: NDArray[np.uint8],
    context: Context,
    parameters: TrainingParameters,
    weighting: Callable[[Tensor], Tensor],
    refine: Callable[[NDArray[np.uint8]], Callable[[Tensor], Tensor]] | None = None,
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

    Raises
    ------
    UserError
        If a loss is not finite.
    """
    device = torch.device(context.device)
    network = initial_network(parameters.components, parameters.channels, context.seed).to(device)
    full_size = image_tensor(image).to(device)
    reduced = reduce_image(full_size, parameters.scale)
    step = make_step(network, reduced, parameters)
    targets = refine(image_array(reduced)) if refine else None
    trained = train(step, weighting, parameters, targets, LOOK_INTERVAL[device.type])
    if reduced is not full_size:
        # The maps of training go before those of the whole image come.
        del step
        step = make_step(network, full_size, parameters)
    labels = step.predict().cpu().numpy()
    facts: dict[str, str | int | float] = {
        "stopped_by": trained.stopped_by,
        "iterations_run": len(trained.history["iteration"]),
    }
    return Segmentation(labels, trained.history, facts)


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
