"""Cut a hierarchy where scribbles say."""

import numpy as np
from numpy.typing import NDArray

from dynseg.hierarchy import Hierarchy
from dynseg.result import UNLABELLED

_NONE, _SEVERAL = -1, -2


def cut_by_scribbles(hierarchy: Hierarchy, scribbles: NDArray[np.integer], least: int = 0) -> NDArray[np.int64]:
    """Return the largest regions of a hierarchy that hold no two different labels of scribbles.

    A region with a scribble has its label; the others have the smallest numbers that no scribble has. Every scribbled
    pixel has its own label, also where a leaf holds several.

    Parameters
    ----------
    hierarchy : Hierarchy
    scribbles : ndarray, (H, W), integer
        Labels from 0; 255 where there is none. None lies on a pixel without data.
    least : int
        The smallest number that a region without a scribble may have. Pixels without data are 0.

    Returns
    -------
    ndarray, (H, W), int64
    """
    marked = scribbles != UNLABELLED
    labels = _labels_of_nodes(hierarchy, scribbles, marked)
    parents = hierarchy.parents
    # The largest regions without a conflict: a node stands for itself where its parent has one.
    apart = np.concatenate([np.zeros(hierarchy.leaf_count, bool), ~np.isfinite(hierarchy.altitudes)])
    nodes = np.where((labels[parents] == _SEVERAL) | apart[parents], np.arange(parents.size), parents)
    while not np.array_equal(jumped := nodes[nodes], nodes):
        nodes = jumped
    regions = nodes[: hierarchy.leaf_count]
    free = np.unique(regions[labels[regions] == _NONE])
    used = np.unique(scribbles)
    numbers = np.setdiff1d(np.arange(least, least + free.size + used.size + UNLABELLED + 1), used)
    labels[free] = numbers[numbers != UNLABELLED][: free.size]
    cut = labels[regions][hierarchy.leaves]
    cut[hierarchy.leaves < 0] = 0
    cut[marked] = scribbles[marked]
    return cut


def _labels_of_nodes(
    hierarchy: Hierarchy, scribbles: NDArray[np.integer], marked: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """Return each node's label, `_NONE` or `_SEVERAL`; a leaf with several has that of most of its pixels."""
    labels = np.full(2 * hierarchy.leaf_count - 1, _NONE, np.int64)
    codes, votes = np.unique(
        hierarchy.leaves[marked].astype(np.int64) << 32 | scribbles[marked].astype(np.int64), return_counts=True
    )
    # Later ones overwrite earlier ones: the most votes last, and among equal ones the smallest label.
    for code in codes[np.lexsort((-codes, votes))].tolist():
        labels[code >> 32] = code & 0xFFFFFFFF
    for node, (one, other) in enumerate(hierarchy.children.tolist(), start=hierarchy.leaf_count):
        found = {labels[one], labels[other]} - {_NONE}
        labels[node] = _NONE if not found else found.pop() if len(found) == 1 else _SEVERAL
    return labels
