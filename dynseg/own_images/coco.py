"""Label maps as COCO annotations: a run-length encoded mask for every connected region."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dynseg.own_images.masks import connected_regions, label_name, runs_by_number


def coco_annotations(
    labels: NDArray[np.integer],
    file_name: str,
    valid: NDArray[np.bool_] | None = None,
    shift: int | None = None,
) -> dict[str, Any]:
    """Return the connected regions of a label map in COCO's format for object detection.

    Parameters
    ----------
    labels : ndarray, (H, W), integer
        Label map.
    file_name : str
        The image's file, from the folder that holds all.
    valid : ndarray, (H, W), bool, optional
        Which pixels have data; by default all.
    shift : int, optional
        What to add to labels for the ids of categories, which begin at 1, since readers take 0 for the background; by
        default 1 where there is a label 0, else 0.

    Returns
    -------
    dict
        `images`, one; `categories`, one a label, with the label in its name and the label plus `shift` as its id;
        `annotations`, one a region (4-connectivity): `segmentation` is COCO's uncompressed run-length code, column by
        column; `area` in pixels; `bbox` as x, y, width and height.
    """
    height, width = labels.shape
    regions = connected_regions(labels, valid).T.ravel()
    categories = labels.T.ravel()
    present = np.unique(labels if valid is None else labels[valid])
    if shift is None:
        shift = int(0 in present)
    annotations = [
        {
            "id": number,
            "image_id": 1,
            "category_id": int(categories[starts[0]]) + shift,
            "segmentation": {"size": [height, width], "counts": _counts(starts, lengths, labels.size)},
            "area": int(lengths.sum()),
            "bbox": _box(starts, lengths, height),
            "iscrowd": 0,
        }
        for number, starts, lengths in runs_by_number(regions)
        if number
    ]
    return {
        "images": [{"id": 1, "file_name": file_name, "width": width, "height": height}],
        "categories": [{"id": int(label) + shift, "name": label_name(int(label))} for label in present],
        "annotations": annotations,
    }


def _counts(starts: NDArray[np.int64], lengths: NDArray[np.int64], pixels: int) -> list[int]:
    """Return how many pixels lie before, in, between and after the runs of one region."""
    # Runs that meet, at the end of a column, are one.
    joined = np.flatnonzero(starts[1:] != starts[:-1] + lengths[:-1]) + 1
    first = np.concatenate([[0], joined])
    ends = np.append((starts + lengths)[joined - 1], starts[-1] + lengths[-1])
    edges = np.stack([starts[first], ends], axis=1).ravel()
    counts = np.diff(edges, prepend=0, append=pixels)
    found: list[int] = (counts if counts[-1] else counts[:-1]).tolist()
    return found


def _box(starts: NDArray[np.int64], lengths: NDArray[np.int64], height: int) -> list[int]:
    ends = starts + lengths - 1
    left, right = int(starts[0] // height), int(ends[-1] // height)
    if np.any(starts // height != ends // height):
        # A run goes on in the next column: the region reaches from the top to the bottom there.
        return [left, 0, right - left + 1, height]
    top, bottom = int((starts % height).min()), int((ends % height).max())
    return [left, top, right - left + 1, bottom - top + 1]
