"""Label maps that somebody else made, so that any published method can be a row of the table."""

from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from dynseg.hierarchy import Hierarchy
from dynseg.methods import Context, Method, Segmentation
from dynseg.parameters import parameter_class
from dynseg.result import LabelMapSeries


@parameter_class(kw_only=True)
class ExternalParameters:
    """Parameters of label maps that somebody else made."""

    predictions: Annotated[
        str,
        Field(
            min_length=1,
            description="folder of label maps that somebody else made (PNG, TIFF, .mat, .npy or .h5), named by image "
            "id, or one `.h5` file of all; changed files rerun `segment`",
        ),
    ]
    ucm_threshold: Annotated[
        float | None,
        Field(
            ge=0,
            description="the files are ultrametric contour maps (`ucm2` in the BSDS's .mat files), to be cut at this "
            "value, and at others for the scores over scales; left out: they are label maps",
        ),
    ] = None


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
        Facts: `source`, the file it came from. What the file has at other scales stands beside the label map.

    Raises
    ------
    UserError
        If there is no label map of this image or several, or it can't be read, has another size, or has negative or
        fractional labels.
    """
    from dynseg.io.predictions import find_prediction, read_prediction, read_prediction_scales

    prediction = find_prediction(parameters.predictions, context.image_id)
    height, width = image.shape[:2]
    labels = read_prediction(prediction, (height, width), parameters.ucm_threshold)
    scales = read_prediction_scales(prediction, (height, width))
    hierarchy = scales if isinstance(scales, Hierarchy) else None
    series = scales if isinstance(scales, LabelMapSeries) else None
    return Segmentation(labels, facts={"source": str(prediction)}, hierarchy=hierarchy, series=series)


method = Method(ExternalParameters, segment, uses_seed=False, pixel_seconds=lambda parameters: 1e-7)
