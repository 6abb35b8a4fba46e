"""Label maps as COCO annotations: a run-length encoded mask for every connected region."""

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dynseg.metrics.components import connected_components


def coco_annotations(labels: NDArray[np.integer], file_name: str) -> dict[str, Any]:
    """Return the connected regions of a label map in COCO's format for object detection.

    Parameters
    ----------
    labels : ndarray, (H, W), integer
        Label map.
    file_name : str
        Name of the image's file.

    Returns
    -------
    dict
        `images`, one; `categories`, one a label, whose id is the label; `annotations`, one a region (4-connectivity):
        `segmentation` is COCO's uncompressed run-length code, column by column; `area` in pixels; `bbox` as x, y,
        width and height.
    """
    height, width = labels.shape
    regions = connected_components(labels).astype(np.int64).T
    starts, lengths, numbers = _runs(regions.ravel())
    order = np.argsort(numbers, kind="stable")
    starts, lengths = starts[order], lengths[order]
    bounds = np.searchsorted(numbers[order], np.arange(1, numbers.max() + 2))
    categories = labels.T.ravel()
    annotations = [
        {
            "id": number,
            "image_id": 1,
            "category_id": int(categories[starts[first]]),
            "segmentation": {
                "size": [height, width],
                "counts": _counts(starts[first:last], lengths[first:last], labels.size),
            },
            "area": int(lengths[first:last].sum()),
            "bbox": _box(starts[first:last], lengths[first:last], height),
            "iscrowd": 0,
        }
        for number, (first, last) in enumerate(pairwise(bounds), start=1)
    ]
    return {
        "images": [{"id": 1, "file_name": file_name, "width": width, "height": height}],
        "categories": [{"id": int(label), "name": f"label {label}"} for label in np.unique(labels)],
        "annotations": annotations,
    }


def _runs(values: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return where each run of equal values starts, how long it is, and its value."""
    starts = np.flatnonzero(np.diff(values, prepend=-1))
    return starts, np.diff(starts, append=len(values)), values[starts]


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
