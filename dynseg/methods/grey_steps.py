"""Equal steps of brightness: a floor for what a segmentation without any model scores."""

from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from dynseg.methods import Context, Method, Segmentation
from dynseg.parameters import parameter_class


@parameter_class
class GreyStepsParameters:
    """Parameters of steps of brightness."""

    steps: Annotated[int, Field(ge=1, le=256, description="number of equal steps from black to white")] = 6


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


method = Method(GreyStepsParameters, segment, uses_seed=False, pixel_seconds=lambda parameters: 2e-8)
