"""Deep image clustering, DIC (Zhou and Wei 2020): a network trained on one image towards labels refined by superpixels.

What the paper's public description leaves open is as in its authors' released code; docs/methods.md says what neither
tells.
"""

from typing import TYPE_CHECKING, Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from dynseg.errors import UserError
from dynseg.methods import Context, Method, Segmentation
from dynseg.parameters import parameter_class
from dynseg.training.cost import Cost
from dynseg.training.memory import PROCESS_BYTES
from dynseg.training.parameters import Iterations, LearningRate, Scale, reduced_size

if TYPE_CHECKING:
    from torch import Tensor

    from dynseg.methods.dic_network import DicNetwork

# Channels of the two levels of the U-Net.
FINE, COARSE = 64, 128
_MOMENTUM = 0.9
# How much slower plain PyTorch is than the fast step, for as much arithmetic.
_CPU_FACTOR = 1.4
# Maps that autograd keeps and that a forward pass alone needs, in bytes of a pixel.
_TRAINING_BYTES, _APPLICATION_BYTES = 12_000, 3_000


@parameter_class
class DicParameters:
    """Parameters of deep image clustering; the defaults are those of the released code, but for the superpixels."""

    channels: Annotated[int, Field(ge=2, le=256, description="responses, and largest number of clusters")] = 100
    centres: Annotated[int, Field(ge=1, description="cluster centres of the deep clustering subnetwork")] = 32
    rounds: Annotated[int, Field(ge=1, description="updates of associations and centres in a forward pass")] = 3
    iterations: Iterations = 100
    learning_rate: LearningRate = 0.05
    minimum_labels: Annotated[
        int, Field(ge=1, description="training stops when there are fewer labels than this, refined by superpixels")
    ] = 4
    superpixel_scale: Annotated[
        float, Field(gt=0, description="τ of the graph-based superpixels: larger for larger ones")
    ] = 32.0
    superpixel_sigma: Annotated[
        float, Field(ge=0, le=100, description="standard deviation of the smoothing before superpixels, in pixels")
    ] = 0.5
    superpixel_size: Annotated[int, Field(ge=1, description="smallest superpixel, in pixels of the image")] = 64
    scale: Scale = 1.0


def segment(image: NDArray[np.uint8], context: Context, parameters: DicParameters) -> Segmentation:
    """Segment one image by deep image clustering (Zhou and Wei, DIC, IEEE Access 2020).

    In each iteration every pixel's largest response is its label, each superpixel takes its majority's, and the network
    is trained towards these labels by cross entropy (equation 8).

    Parameters
    ----------
    image : ndarray, (H, W, 3), uint8
        RGB.
    context : Context
        The seed decides the initial weights and centres.
    parameters : DicParameters

    Returns
    -------
    Segmentation
        Labels of the trained network at full resolution, refined by superpixels. History: `iteration`, `label_count` of
        refined labels and `similarity_loss`.

    Raises
    ------
    UserError
        If the loss is not finite.
    """
    import torch

    from dynseg.methods.dic_network import initial_dic_network
    from dynseg.methods.superpixel_cnn import majority_vote
    from dynseg.training.images import image_tensor, reduce_image

    network = initial_dic_network(parameters.channels, parameters.centres, parameters.rounds, context.seed)
    network = network.to(context.device)
    superpixels = find_superpixels(image, parameters)
    full_size = image_tensor(image).to(context.device)
    size = reduced_size(image.shape[0], image.shape[1], parameters.scale)
    history = train(network, reduce_image(full_size, size), reduced_labels(superpixels, *size), parameters)
    with torch.no_grad():
        labels = network(full_size[None])[0].argmax(dim=0)
    refined = majority_vote(superpixels, parameters.channels, context.device)(labels)
    return Segmentation(refined.cpu().numpy(), history, {"iterations_run": len(history["iteration"])})


def find_superpixels(image: NDArray[np.uint8], parameters: DicParameters) -> NDArray[np.int64]:
    """Return superpixels (H, W) from 0, by graph-based segmentation (scikit-image)."""
    from skimage.segmentation import felzenszwalb
    from skimage.util import img_as_float

    superpixels: NDArray[np.int64] = felzenszwalb(
        img_as_float(image),
        scale=parameters.superpixel_scale,
        sigma=parameters.superpixel_sigma,
        min_size=parameters.superpixel_size,
    )
    return superpixels


def reduced_labels(labels: NDArray[np.int64], height: int, width: int) -> NDArray[np.int64]:
    """Return a label map at a smaller size: of the pixel at the middle of each new one, numbered from 0.

    Examples
    --------
    >>> reduced_labels(np.arange(16).reshape(4, 4), 2, 2)
    array([[0, 1],
           [2, 3]])
    """
    rows, columns = ((np.arange(new) + 0.5) * old / new for new, old in zip((height, width), labels.shape, strict=True))
    reduced = labels[rows.astype(int)[:, None], columns.astype(int)]
    return np.unique(reduced, return_inverse=True)[1].reshape(reduced.shape)


def train(
    network: "DicNetwork", image: "Tensor", superpixels: NDArray[np.int64], parameters: DicParameters
) -> dict[str, NDArray[np.number]]:
    """Train a network on an image (3, H, W) and return the history."""
    import torch
    from torch.nn.functional import cross_entropy

    from dynseg.methods.superpixel_cnn import majority_vote

    refine = majority_vote(superpixels, parameters.channels, image.device.type)
    optimiser = torch.optim.SGD(network.parameters(), parameters.learning_rate, _MOMENTUM)
    rows: list[tuple[int, float]] = []
    for iteration in range(1, parameters.iterations + 1):
        responses = network(image[None])
        target = refine(responses.detach().argmax(dim=1)[0])
        loss = cross_entropy(responses, target[None])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        rows.append((len(target.unique()), loss.item()))
        if not np.isfinite(rows[-1][1]):
            raise UserError(f"the loss is no longer finite at iteration {iteration}: lower the learning rate")
        if rows[-1][0] < parameters.minimum_labels:
            break
    return {
        "iteration": np.arange(1, len(rows) + 1),
        "label_count": np.array([row[0] for row in rows]),
        "similarity_loss": np.array([row[1] for row in rows]),
    }


def cost(parameters: DicParameters, height: int, width: int, threads: int = 1) -> Cost:
    """Return what segmenting an image costs; see `dynseg.training.cost.training_cost`."""
    reduced_height, reduced_width = reduced_size(height, width, parameters.scale)
    trained, applied = reduced_height * reduced_width, height * width
    gflop = 2 * multiplications_a_pixel(parameters) / 1e9
    return Cost(
        parameters.iterations,
        3 * gflop * trained,
        gflop * applied,
        _CPU_FACTOR,
        PROCESS_BYTES + max(_TRAINING_BYTES * trained, _APPLICATION_BYTES * applied),
    )


def multiplications_a_pixel(parameters: DicParameters) -> int:
    """Return the multiplications of a forward pass for each pixel, without those of the layers that are small."""
    channels = parameters.channels
    convolutions = FINE**2 + (FINE * COARSE + COARSE**2) // 4 + (FINE + COARSE) * COARSE + COARSE**2
    clustering = 2 * channels**2 + (2 * parameters.rounds + 1) * channels * parameters.centres
    return 9 * convolutions + COARSE * channels + clustering


method = Method(DicParameters, segment, uses_gpu=True, cost=cost)
