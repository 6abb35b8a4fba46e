"""Label maps that somebody else made, so that any published method can be a row of the table."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dynseg.methods import Context, Method, Segmentation
from dynseg.parameters import check_parameter


@dataclass(frozen=True, kw_only=True)
class ExternalParameters:
    """Where the label maps are.

    Attributes
    ----------
    predictions : str
        A folder with a PNG, TIFF, .mat, .npy or .h5 file for each image, named by its id; or one .h5 file of all.
    ucm_threshold : float
        At least 0: the files are ultrametric contour maps (`ucm2` in .mat files of the BSDS), to be cut at this
        value. Below 0: they are label maps.
    """

    predictions: str
    ucm_threshold: float = -1.0

    def __post_init__(self) -> None:
        check_parameter("predictions", self.predictions, bool(self.predictions), "a folder or an HDF5 file")


def segment(image: NDArray[np.uint8], context: Context, parameters: ExternalParameters) -> Segmentation:
    """Return the label map that somebody else made for an image.

    Parameters
    ----------
    image : ndarray, (H, W, 3), uint8
        Its size is checked against the label map's.
    context : Context
        The image id is what the label map is found by.
    parameters : ExternalParameters

    Returns
    -------
    Segmentation
        Facts: `source`, the file it came from.

    Raises
    ------
    UserError
        If there is no label map of this image or several, or it can't be read, has another size, or has negative or
        fractional labels.
    """
    from dynseg.io.predictions import find_prediction, read_prediction

    prediction = find_prediction(parameters.predictions, context.image_id)
    height, width = image.shape[:2]
    threshold = parameters.ucm_threshold if parameters.ucm_threshold >= 0 else None
    labels = read_prediction(prediction, (height, width), threshold)
    return Segmentation(labels, facts={"source": str(prediction)})


method = Method(ExternalParameters, segment, uses_seed=False)
