"""The blank image: one segment. What a method that does nothing scores."""

import numpy as np
from numpy.typing import NDArray

from dynseg.methods import Context, Method, Segmentation
from dynseg.parameters import parameter_class


@parameter_class
class BlankParameters:
    """The blank image has no parameters."""


def segment(image: NDArray[np.uint8], context: Context, parameters: BlankParameters) -> Segmentation:
    """Return a label map of a single cluster.

    Parameters
    ----------
    image : ndarray, (H, W, 3), uint8
    context : Context
    parameters : BlankParameters
    """
    return Segmentation(np.zeros(image.shape[:2], dtype=np.uint8))


method = Method(BlankParameters, segment, uses_seed=False, pixel_seconds=lambda parameters: 1e-8)
