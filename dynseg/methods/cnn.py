"""The paper's method: a network trained on one image with a fixed, FSF or SCF weight."""

from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from dynseg.methods import Context, Method, Segmentation
from dynseg.parameters import TrainingParameters, check_parameter

SCHEMES = ("fixed", "fsf", "scf")


@dataclass(frozen=True, kw_only=True)
class CnnParameters(TrainingParameters):
    """Parameters of the paper's method.

    Attributes
    ----------
    scheme : {"fixed", "fsf", "scf"}
        The weight of the continuity loss: μ, q′/μ or μ/q′ (equations 1 to 3).
    mu : float
        μ, above 0.
    """

    scheme: str
    mu: float

    def __post_init__(self) -> None:
        super().__post_init__()
        check_parameter("scheme", self.scheme, self.scheme in SCHEMES, f"one of {', '.join(SCHEMES)}")
        check_parameter("mu", self.mu, self.mu > 0, "above 0")


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
    from dynseg.training.weighting import SCHEMES as WEIGHTINGS

    weighting = partial(WEIGHTINGS[parameters.scheme], mu=parameters.mu)
    return train_and_apply(image, context, parameters, weighting)


method = Method(CnnParameters, segment, uses_gpu=True)
