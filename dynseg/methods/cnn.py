"""The paper's method: a network trained on one image with a fixed, FSF or SCF weight."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from dynseg.methods import Context, Method, Segmentation
from dynseg.parameters import parameter_class
from dynseg.training.cost import training_cost
from dynseg.training.memory import trainings_together
from dynseg.training.parameters import Mu, TrainingParameters
from dynseg.training.weighting import weight_of


@parameter_class(kw_only=True)
class CnnParameters(TrainingParameters):
    """Parameters of the paper's method."""

    scheme: Annotated[
        Literal["fixed", "fsf", "scf"],
        Field(
            description="weight of the continuity loss: `fixed` is μ, `fsf` is q′/μ, `scf` is μ/q′ (equations 1 to 3)"
        ),
    ]
    mu: Mu


def segment(image: NDArray[np.uint8], context: Context, parameters: CnnParameters) -> Segmentation:
    """Segment one image by training a network on it.

    Parameters
    ----------
    image : ndarray, (H, W, 3), uint8
        RGB.
    context : Context
        The seed decides the initial weights.
    parameters : CnnParameters

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
    from dynseg.training.validity import valid_image

    weighting = weight_of(parameters.scheme, parameters.mu)
    if context.valid is None:
        return train_and_apply(image_tensor(image).to(context.device), context.seed, parameters, weighting)
    tensor, valid = (each.to(context.device) for each in valid_image(image, context.valid, context.valid.shape))
    return train_and_apply(tensor, context.seed, parameters, weighting, valid=valid)


def segment_together(
    images: Sequence[NDArray[Any]], contexts: Sequence[Context], parameters: CnnParameters
) -> list[Segmentation]:
    """Segment images of one shape by training a network on each, side by side; see `segment`."""
    import torch

    from dynseg.training.images import image_tensor
    from dynseg.training.run import train_and_apply_together

    stacked = torch.stack([image_tensor(image) for image in images]).to(contexts[0].device)
    seeds = [context.seed for context in contexts]
    return train_and_apply_together(stacked, seeds, parameters, weight_of(parameters.scheme, parameters.mu))


def count_together(parameters: CnnParameters, height: int, width: int) -> int:
    """Return how many images of a size a GPU segments at once; the plain step does one after the other."""
    return trainings_together(height, width, parameters) if parameters.step == "fast" else 1


method = Method(
    CnnParameters,
    segment,
    uses_gpu=True,
    cost=training_cost,
    takes_any_bands=True,
    segment_together=segment_together,
    count_together=count_together,
)
