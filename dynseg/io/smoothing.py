"""Tell pictures of labels whose edges were smoothed: a soft brush, anti-aliasing, scaling by interpolation."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dynseg.metrics.relabelling import relabel

# Below this many there may be labels of single pixels and lines.
_MIXTURES = 16
_BETWEEN = {1: 0.95, 3: 0.35}


def is_smoothed(values: NDArray[Any], regions: int = 2) -> bool:
    """Tell whether most values of a picture occur only on its edges, as mixtures of what lies beside them.

    A value is a mixture if no 2 × 2 pixels have it. The picture counts as smoothed if there are more than 16 mixtures
    and more of them than of other values, and most pixels with one lie between two opposite neighbours in every
    channel.

    Parameters
    ----------
    values : ndarray, (H, W) or (H, W, 3), unsigned integer
        Grey values or colours.
    regions : int
        The least number of values that are no mixtures; a picture of noise has none.
    """
    channels = values[:, :, np.newaxis] if values.ndim == 2 else values
    codes = channels[:, :, 0].astype(np.int64)
    for channel in range(1, channels.shape[2]):
        codes = codes << 16 | channels[:, :, channel]
    found, labels = relabel(codes)
    alike = labels[:-1, :-1]
    block = (alike == labels[1:, :-1]) & (alike == labels[:-1, 1:]) & (alike == labels[1:, 1:])
    is_region = np.zeros(len(found), dtype=np.bool_)
    is_region[alike[block]] = True
    solid = int(np.count_nonzero(is_region))
    if solid < regions or len(found) - solid <= max(_MIXTURES, solid):
        return False
    mixed = ~is_region[labels]
    between = _lies_between(channels.astype(np.int32))[mixed[1:-1, 1:-1]]
    return between.size > 0 and float(between.mean()) >= _BETWEEN[channels.shape[2]]


def _lies_between(channels: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Return the inner pixels of which every channel lies between those of two opposite neighbours, (H - 2, W - 2)."""
    height, width = channels.shape[:2]
    inner = channels[1:-1, 1:-1]
    found = np.zeros(inner.shape[:2], dtype=np.bool_)
    for down, right in ((0, 1), (1, 0), (1, 1), (1, -1)):
        one = channels[1 + down : height - 1 + down, 1 + right : width - 1 + right]
        other = channels[1 - down : height - 1 - down, 1 - right : width - 1 - right]
        within = (np.minimum(one, other) <= inner) & (inner <= np.maximum(one, other))
        found |= within.all(axis=2) & (inner != one).any(axis=2) & (inner != other).any(axis=2)
    return found
