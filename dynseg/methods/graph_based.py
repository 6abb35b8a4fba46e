"""Graph-based segmentation (Felzenszwalb and Huttenlocher 2004), the paper's strongest classical baseline."""

from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from dynseg.methods import Context, Method, Segmentation
from dynseg.parameters import parameter_class


@parameter_class
class GraphBasedParameters:
    """Parameters of graph-based segmentation; the paper gives τ alone."""

    scale: Annotated[
        float,
        Field(gt=0, description="τ (k in the original paper), larger for larger segments; for colours in 0 to 255"),
    ] = 100.0
    sigma: Annotated[
        float, Field(ge=0, le=100, description="standard deviation of the Gaussian smoothing before, in pixels")
    ] = 0.8
    minimum_size: Annotated[int, Field(ge=0, description="segments of fewer pixels are merged with a neighbour")] = 100


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


method = Method(GraphBasedParameters, segment, uses_seed=False, pixel_seconds=lambda parameters: 1.3e-6)
