"""Label maps as polygons for LabelMe and X-AnyLabeling."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dynseg.own_images.masks import connected_regions, label_name
from dynseg.own_images.outlines import outlines

# The last version of the format that changed it.
_VERSION = "5.0.1"
# Both programs round a point's numbers down to those of a pixel and paint that, too: it must be one of the region.
_INSET = 0.01
_DECIMALS = 2


def labelme_annotations(
    labels: NDArray[np.integer], image_path: str, valid: NDArray[np.bool_] | None = None
) -> dict[str, Any]:
    """Return the connected regions of a label map as polygons in the format of LabelMe.

    Parameters
    ----------
    labels : ndarray, (H, W), integer
        Label map.
    image_path : str
        Path of the image from the folder of the file that this is written to.
    valid : ndarray, (H, W), bool, optional
        Which pixels have data; by default all.

    Returns
    -------
    dict
        `shapes` has a polygon for every 4-connected region. It runs along the edges of the region's pixels, a hundredth
        of a pixel inside, and reaches its holes by slits, so that LabelMe makes exactly the region's pixels of it.

    Examples
    --------
    >>> import numpy as np
    >>> (shape,) = labelme_annotations(np.zeros((2, 3), int), "a.jpg")["shapes"]
    >>> shape["label"], shape["points"]
    ('label 0', [[0.01, 0.01], [2.99, 0.01], [2.99, 1.99], [0.01, 1.99]])
    """
    regions = connected_regions(labels, valid)
    numbers, first = np.unique(regions.ravel(), return_index=True)
    label_of = dict(zip(numbers.tolist(), labels.ravel()[first].tolist(), strict=True))
    shapes = [
        {
            "label": label_name(label_of[outline.region]),
            "points": outline.points.round(_DECIMALS).tolist(),
            "group_id": None,
            "description": "",
            "shape_type": "polygon",
            "flags": {},
        }
        for outline in outlines(regions, _INSET)
    ]
    return {
        "version": _VERSION,
        "flags": {},
        "shapes": shapes,
        "imagePath": image_path,
        "imageData": None,
        "imageHeight": labels.shape[0],
        "imageWidth": labels.shape[1],
    }
