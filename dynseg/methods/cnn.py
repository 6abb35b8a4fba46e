"""The paper's method: a network trained on one image with a fixed, FSF or SCF weight."""

from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from dynseg.methods import Context, Method, Segmentation
from dynseg.parameters import parameter_class
from dynseg.training.cost import training_cost
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


method = Method(CnnParameters, segment, uses_gpu=True, cost=training_cost, takes_any_bands=True)
