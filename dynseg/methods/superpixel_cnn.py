"""CNN with superpixel refinement (Kanezaki 2018): the paper's network, with superpixels in place of the second loss."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from dynseg.methods import Context, Method, Segmentation
from dynseg.parameters import parameter_class
from dynseg.training.cost import training_cost
from dynseg.training.parameters import TrainingParameters
from dynseg.training.weighting import weight_of

if TYPE_CHECKING:
    from torch import Tensor


@parameter_class
class SuperpixelCnnParameters(TrainingParameters):
    """Parameters of the CNN with superpixels."""

    superpixels: Annotated[
        int,
        Field(
            ge=1,
            description="number of superpixels that SLIC aims at in an image at its own size; a reduced image has "
            "fewer, of as many pixels",
        ),
    ] = 10_000
    compactness: Annotated[
        float, Field(gt=0, description="weight of distance against colour in SLIC: larger for squarer superpixels")
    ] = 100.0


def segment(image: NDArray[np.uint8], context: Context, parameters: SuperpixelCnnParameters) -> Segmentation:
    """Segment one image by training a network whose targets are refined by superpixels.

    In each iteration the similarity loss compares the response map with its argmax after every pixel took the
    majority label of its superpixel; there is no continuity loss. q′ is counted before that, and the result is
    the plain argmax (Kanezaki, Unsupervised image segmentation by backpropagation, ICASSP 2018, algorithm 1).

    Parameters
    ----------
    image : ndarray, (H, W, 3), uint8
        RGB.
    context : Context
        The seed decides the initial weights.
    parameters : SuperpixelCnnParameters

    Returns
    -------
    Segmentation
        The argmax of the trained network at full resolution, and the history.

    Raises
    ------
    UserError
        If a loss is not finite.
    """
    from dynseg.training.images import image_tensor
    from dynseg.training.run import train_and_apply

    def refine(reduced: NDArray[np.uint8]) -> "Callable[[Tensor], Tensor]":
        share = (reduced.shape[0] * reduced.shape[1]) / (image.shape[0] * image.shape[1])
        count = max(1, round(parameters.superpixels * share))
        superpixels = find_superpixels(reduced, count, parameters.compactness)
        return majority_vote(superpixels, parameters.channels, context.device)

    tensor = image_tensor(image).to(context.device)
    return train_and_apply(tensor, context.seed, parameters, weight_of("fixed", mu=0.0), refine=refine)


def find_superpixels(image: NDArray[np.uint8], count: int, compactness: float) -> NDArray[np.int64]:
    """Cut an image into superpixels (SLIC, Achanta et al. 2012; scikit-image).

    Parameters
    ----------
    image : ndarray, (H, W, 3), uint8
        RGB.
    count : int
        About how many superpixels.
    compactness : float

    Returns
    -------
    ndarray, (H, W), int64
        Superpixels, numbered from 0.
    """
    from skimage.segmentation import slic

    superpixels: NDArray[np.int64] = slic(image, n_segments=count, compactness=compactness, start_label=0)
    return superpixels


def majority_vote(superpixels: NDArray[np.int64], channels: int, device: str) -> "Callable[[Tensor], Tensor]":
    """Return a function that gives every pixel the most frequent label of its superpixel.

    Parameters
    ----------
    superpixels : ndarray, (H, W), int64
        Superpixels, numbered from 0.
    channels : int
        q: labels are below it.
    device : str
        Where the label maps are.

    Returns
    -------
    callable
        From label maps to label maps, tensors (H, W) int64; the smallest label wins a tie. It never waits for a GPU.
    """
    import torch

    count = int(superpixels.max()) + 1
    members = torch.from_numpy(superpixels.ravel()).to(device)
    ones = torch.ones_like(members, dtype=torch.int32)

    def vote(labels: "Tensor") -> "Tensor":
        # bincount would make a GPU tell its largest index first.
        votes = torch.zeros(count * channels, dtype=torch.int32, device=device)
        votes.index_add_(0, members * channels + labels.flatten(), ones)
        return votes.view(count, channels).argmax(dim=1)[members].view_as(labels)

    return vote


method = Method(SuperpixelCnnParameters, segment, uses_gpu=True, cost=training_cost)
