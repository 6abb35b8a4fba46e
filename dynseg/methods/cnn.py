"""The paper's method: a network trained on one image with a fixed, FSF or SCF weight."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dynseg.methods import Context, Method, Segmentation
from dynseg.parameters import TrainingParameters, check_parameter
from dynseg.training.cost import training_cost
from dynseg.training.weighting import SCHEMES, weight_of


@dataclass(frozen=True, kw_only=True)
class CnnParameters(TrainingParameters):
    """Parameters of the paper's method.

    Attributes
    ----------
    scheme : {"fsf", "scf", "fixed"}
        The weight of the continuity loss: q′/μ, μ/q′ or μ (equations 2, 3 and 1).
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
    from dynseg.training.images import image_tensor
    from dynseg.training.run import train_and_apply

    weighting = weight_of(parameters.scheme, parameters.mu)
    return train_and_apply(image_tensor(image).to(context.device), context.seed, parameters, weighting)


method = Method(CnnParameters, segment, uses_gpu=True, cost=training_cost, takes_any_bands=True)
