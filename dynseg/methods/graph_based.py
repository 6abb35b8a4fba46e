"""Graph-based segmentation (Felzenszwalb and Huttenlocher 2004), the paper's strongest classical baseline."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dynseg.methods import Context, Method, Segmentation
from dynseg.parameters import check_parameter


@dataclass(frozen=True)
class GraphBasedParameters:
    """Parameters of graph-based segmentation.

    Attributes
    ----------
    scale : float
        τ (k in the original paper), above 0: larger values prefer larger segments. For colours in 0 to 255.
    sigma : float
        Standard deviation, in pixels, of the Gaussian smoothing before; at least 0. The paper doesn't say which.
    minimum_size : int
        Segments of fewer pixels are merged with a neighbour. The paper doesn't say which.
    """

    scale: float = 100.0
    sigma: float = 0.8
    minimum_size: int = 100

    def __post_init__(self) -> None:
        check_parameter("scale", self.scale, self.scale > 0, "above 0")
        check_parameter("sigma", self.sigma, self.sigma >= 0, "at least 0")
        check_parameter("minimum_size", self.minimum_size, self.minimum_size >= 0, "a whole number of at least 0")


def segment(image: NDArray[np.uint8], context: Context, parameters: GraphBasedParameters) -> Segmentation:
    """Segment an image by merging along the edges of its pixel graph (scikit-image's `felzenszwalb`).

    The graph has diagonal edges, so a segment is connected with 8 neighbours, not always with 4.

    Parameters
    ----------
    image : ndarray, (H, W, 3), uint8
        RGB.
    context : Context
        Not needed: the method has no random choices.
    parameters : GraphBasedParameters

    Returns
    -------
    Segmentation
    """
    from skimage.segmentation import felzenszwalb
    from skimage.util import img_as_float

    labels = felzenszwalb(
        img_as_float(image), scale=parameters.scale, sigma=parameters.sigma, min_size=parameters.minimum_size
    )
    return Segmentation(labels)


method = Method(GraphBasedParameters, segment, uses_seed=False)
