"""Active contours without edges (Chan and Vese 2001), in place of the active contours that the paper names."""

from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from dynseg.methods import Context, Method, Segmentation
from dynseg.parameters import parameter_class


@parameter_class
class ChanVeseParameters:
    """Parameters of active contours without edges."""

    mu: Annotated[float, Field(ge=0, description="weight of the contour's length: larger for smoother contours")] = 0.25
    inside: Annotated[float, Field(gt=0, description="λ₁, weight of the variance inside the contour")] = 1.0
    outside: Annotated[float, Field(gt=0, description="λ₂, weight of the variance outside the contour")] = 1.0
    tolerance: Annotated[
        float, Field(gt=0, description="stops when the level set moves less than this, root mean square")
    ] = 1e-3
    iterations: Annotated[int, Field(ge=1, description="largest number of iterations")] = 200
    start: Annotated[
        Literal["checkerboard", "disk", "small disk"],
        Field(description="initial contours, as scikit-image has them"),
    ] = "checkerboard"


def segment(image: NDArray[np.uint8], context: Context, parameters: ChanVeseParameters) -> Segmentation:
    """Segment an image into the inside and the outside of a contour (scikit-image's `chan_vese`).

    The contour minimises its length and the variance of brightness on either side of it (Chan and Vese, Active contours
    without edges, IEEE Transactions on Image Processing 2001, equation 3, without the term of area).

    Parameters
    ----------
    image : ndarray, (H, W, 3), uint8
        RGB.
    context : Context
        Not needed: the method has no random choices.
    parameters : ChanVeseParameters

    Returns
    -------
    Segmentation
        1 inside, 0 outside; neither needs to be connected.
    """
    from skimage.color import rgb2gray
    from skimage.segmentation import chan_vese

    inside = chan_vese(
        rgb2gray(image),
        mu=parameters.mu,
        lambda1=parameters.inside,
        lambda2=parameters.outside,
        tol=parameters.tolerance,
        max_num_iter=parameters.iterations,
        init_level_set=parameters.start,
    )
    return Segmentation(inside.astype(np.uint8))


method = Method(ChanVeseParameters, segment, uses_seed=False)
