"""Regions of an image of which some pixels don't count: what is left of them, and of their hierarchy."""

import cc3d
import numpy as np
from numpy.typing import NDArray

from dynseg.hierarchy import Hierarchy, join_parts, single_linkage
from dynseg.regions.enlarging import enlarge_regions
from dynseg.training.validity import nearest

# Parts that a mask cuts off a leaf, smaller than this share of what counts, join a neighbour before anything else.
_SMALL_SHARE = 1 / 5000


def connected_parts(leaves: NDArray[np.int32], valid: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Number the 4-connected parts of leaves among the pixels that count, from 0; the others are -1.

    Parameters
    ----------
    leaves : ndarray, (H, W), int32
        From 0, or -1.
    valid : ndarray, (H, W), bool

    Examples
    --------
    >>> import numpy as np
    >>> leaves = np.array([[0, 0, 0, 1]], np.int32)
    >>> connected_parts(leaves, np.array([[True, False, True, True]])).tolist()
    [[0, -1, 1, 2]]
    """
    shown = np.where(valid, leaves + 1, 0)
    parts: NDArray[np.int32] = cc3d.connected_components(shown, connectivity=4).astype(np.int32) - 1
    return parts


def enlarge_hierarchy(hierarchy: Hierarchy, size: tuple[int, int], valid: NDArray[np.bool_]) -> Hierarchy:
    """Return a hierarchy at a larger size, of the pixels that count there.

    Its cut at a threshold is that of the enlarged hierarchy, of which every 4-connected part is a region of its own.
    Small parts that the mask cut off a leaf join their most similar neighbour first, at 0.

    Parameters
    ----------
    hierarchy : Hierarchy
        At least one pixel is of a leaf.
    size : tuple of int
        H and W, at least those of the hierarchy.
    valid : ndarray, (H, W), bool
        At least one is.
    """
    filled = hierarchy.leaves if hierarchy.valid is None else hierarchy.leaves[nearest(hierarchy.valid)]
    enlarged = enlarge_regions(filled, size)
    parts = connected_parts(enlarged, valid)
    count = int(parts.max()) + 1
    areas = np.bincount(parts[valid], minlength=count)
    leaf_of = np.zeros(count, np.int64)
    leaf_of[parts[valid]] = enlarged[valid]
    pairs = _neighbours(parts, count)
    altitudes = hierarchy.joining_altitudes(leaf_of[pairs[:, 0]], leaf_of[pairs[:, 1]])
    altitudes = _with_small_joined(pairs, altitudes, areas, leaf_of)
    order = np.argsort(altitudes, kind="stable")
    children, merged = single_linkage(count, pairs[order], altitudes[order])
    return Hierarchy(parts, *join_parts(count, children, merged.astype(hierarchy.altitudes.dtype)))


def _neighbours(parts: NDArray[np.int32], count: int) -> NDArray[np.int64]:
    """Return each pair of neighbouring parts once, (pairs, 2)."""
    codes = []
    for one, other in ((parts[:-1], parts[1:]), (parts[:, :-1], parts[:, 1:])):
        differ = (one != other) & (one >= 0) & (other >= 0)
        # Few pixels are beside another part: numbers that need more bytes are made of these alone.
        pairs = np.sort(np.stack([one[differ], other[differ]], axis=1).astype(np.int64), axis=1)
        codes.append(np.unique(pairs[:, 0] * count + pairs[:, 1]))
    return np.stack(np.divmod(np.unique(np.concatenate(codes)), count), axis=1)


def _with_small_joined(
    pairs: NDArray[np.int64],
    altitudes: NDArray[np.floating],
    areas: NDArray[np.int64],
    leaf_of: NDArray[np.int64],
) -> NDArray[np.floating]:
    """Return altitudes that are 0 between every small part that isn't its leaf's largest and one of its neighbours."""
    largest = np.zeros(int(leaf_of.max()) + 1, np.int64)
    order = np.argsort(areas, kind="stable")
    largest[leaf_of[order]] = order
    is_small = areas < _SMALL_SHARE * areas.sum()
    is_small[largest[leaf_of]] = False
    altitudes = altitudes.copy()
    for side in (0, 1):
        # The lowest arc of each part comes first.
        arcs = np.lexsort((altitudes, pairs[:, side]))
        arcs = arcs[np.unique(pairs[arcs, side], return_index=True)[1]]
        altitudes[arcs[is_small[pairs[arcs, side]]]] = 0
    return altitudes
