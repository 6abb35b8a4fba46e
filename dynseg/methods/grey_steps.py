"""Equal steps of brightness: a floor for what a segmentation without any model scores."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dynseg.methods import Context, Method, Segmentation
from dynseg.parameters import check_parameter


@dataclass(frozen=True)
class GreyStepsParameters:
    """Parameters of steps of brightness.

    Attributes
    ----------
    steps : int
        Number of equal steps from black to white, 1 to 256.
    """

    steps: int = 6

    def __post_init__(self) -> None:
        check_parameter("steps", self.steps, 1 <= self.steps <= 256, "a whole number from 1 to 256")


def segment(image: NDArray[np.uint8], context: Context, parameters: GreyStepsParameters) -> Segmentation:
    """Label every pixel with the step that its brightness, the mean of red, green and blue, falls into.

    Parameters
    ----------
    image : ndarray, (H, W, 3), uint8
        RGB.
    context : Context
        Not needed: the method has no random choices.
    parameters : GreyStepsParameters

    Returns
    -------
    Segmentation
        Labels from 0, the darkest step. A step's pixels needn't be connected.
    """
    # Whole numbers, so that no step's limit depends on rounding.
    brightness = image.sum(axis=2, dtype=np.uint32)
    return Segmentation((brightness * parameters.steps // (3 * 256)).astype(np.uint8))


method = Method(GreyStepsParameters, segment, uses_seed=False)
