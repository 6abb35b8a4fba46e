"""Relabelling: unconnected parts of one cluster become separate segments."""

from typing import Any, Literal

import cc3d
import numpy as np
from numpy.typing import NDArray

from dynseg.metrics.contingency import check_labels


def connected_components(labels: NDArray[Any], connectivity: Literal[4, 8] = 4) -> NDArray[np.unsignedinteger]:
    """Give every connected region of equal labels its own number.

    Parameters
    ----------
    labels : ndarray, (H, W), integer or bool
        A label map in any non-negative numbers; 0 is a label like any other.
    connectivity : {4, 8}
        Whether pixels that touch only at a corner are connected (8) or not (4).

    Returns
    -------
    ndarray, (H, W), unsigned integer
        Regions, numbered from 1 without gaps.

    Raises
    ------
    ValueError
        If `labels` isn't a non-empty two-dimensional map of non-negative whole numbers, or for another connectivity.

    Examples
    --------
    >>> import numpy as np
    >>> connected_components(np.array([[4, 4, 0, 4]])).tolist()
    [[1, 1, 2, 3]]
    >>> int(connected_components(np.array([[4, 0], [0, 4]]), connectivity=8).max())
    2
    """
    check_labels(labels, "the label map")
    if labels.ndim != 2:
        raise ValueError(f"the label map must have two dimensions, not the shape {labels.shape}")
    if connectivity not in (4, 8):
        raise ValueError(f"connectivity must be 4 or 8, not {connectivity}")
    # cc3d takes 0 for background: shift by one, in a type that has room.
    shifted = labels.astype(np.uint64 if labels.dtype.itemsize > 2 else np.uint32) + 1
    return cc3d.connected_components(shifted, connectivity=connectivity)
