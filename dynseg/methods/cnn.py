"""The paper's method: a network trained on one image with a fixed, FSF or SCF weight."""

from functools import partial
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from dynseg.methods import Context, Method, Segmentation
from dynseg.parameters import parameter_class
from dynseg.training.parameters import Mu, TrainingParameters


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
    from dynseg.training.run import train_and_apply
    from dynseg.training.weighting import SCHEMES

    weighting = partial(SCHEMES[parameters.scheme], mu=parameters.mu)
    return train_and_apply(image, context, parameters, weighting)


method = Method(CnnParameters, segment, uses_gpu=True)
