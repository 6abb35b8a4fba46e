"""Give the regions of a reduced image the image's own size, with smooth boundaries."""

from collections.abc import Iterator

import cc3d
import numpy as np
from numpy.typing import NDArray

# Rows that are enlarged at once, so that a large image needs little memory beside its label map.
_ROWS = 256


def enlarge_regions(regions: NDArray[np.int32], size: tuple[int, int]) -> NDArray[np.int32]:
    """Return regions at a larger size: each pixel has the region with the most weight in linear interpolation.

    Parameters
    ----------
    regions : ndarray, (h, w), int32
        Regions from 0, each 4-connected.
    size : (int, int)
        H and W, at least h and w.

    Returns
    -------
    ndarray, (H, W), int32
        The same regions, each 4-connected.
    """
    if regions.shape == size:
        return regions
    enlarged = np.empty(size, np.int32)
    for rows, part in enlarged_rows(regions, size):
        enlarged[rows] = part
    return _connected(enlarged, regions, size)


def enlarged_rows(
    regions: NDArray[np.int32], size: tuple[int, int], rows: int = _ROWS
) -> Iterator[tuple[slice, NDArray[np.int32]]]:
    """Yield rows of regions at a larger size, from the top, each with where it lies; see `enlarge_regions`.

    Pieces that interpolation cuts off a region are left as they are.

    Parameters
    ----------
    regions : ndarray, (h, w), int32
    size : (int, int)
        H and W, at least h and w.
    rows : int
        How many rows to enlarge at once.

    Examples
    --------
    >>> import numpy as np
    >>> [(rows.start, part.tolist()) for rows, part in enlarged_rows(np.array([[0, 1]], np.int32), (2, 4), 1)]
    [(0, [[0, 0, 1, 1]]), (1, [[0, 0, 1, 1]])]
    """
    (upper, lower, below), (left, right, beside) = (
        _neighbours(new, old) for new, old in zip(size, regions.shape, strict=True)
    )
    for start in range(0, size[0], rows):
        part = slice(start, min(start + rows, size[0]))
        corners = [regions[each[part]][:, side] for each in (upper, lower) for side in (left, right)]
        shares = [
            (down[part, np.newaxis] * across).astype(np.float32)
            for down in (1 - below, below)
            for across in (1 - beside, beside)
        ]
        weights = [
            sum(share * (corner == other) for share, other in zip(shares, corners, strict=True)) for corner in corners
        ]
        best = np.argmax(weights, axis=0)
        yield part, np.choose(best, corners)


def _neighbours(new: int, old: int) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float64]]:
    """Return the two nearest old samples of every new one, and the weight of the second."""
    position = np.clip((np.arange(new) + 0.5) * old / new - 0.5, 0, old - 1)
    first = position.astype(np.intp)
    return first, np.minimum(first + 1, old - 1), position - first


def _connected(enlarged: NDArray[np.int32], regions: NDArray[np.int32], size: tuple[int, int]) -> NDArray[np.int32]:
    """Give pieces that interpolation cut off to a neighbour, and regions that it lost their pixels back."""
    count = int(regions.max()) + 1
    while True:
        pieces = cc3d.connected_components(enlarged + 1, connectivity=4)
        areas = np.bincount(pieces.ravel())
        owner = np.zeros(areas.size, np.int32)
        owner[pieces.ravel()] = enlarged.ravel()
        largest = np.zeros(count, np.intp)
        order = np.argsort(areas, kind="stable")
        largest[owner[order]] = order
        if areas.size - 1 == count and np.unique(owner[1:]).size == count:
            return enlarged
        if np.unique(owner[1:]).size < count:
            # As large squares of pixels every region is there and connected.
            rows, columns = (np.arange(new) * old // new for new, old in zip(size, regions.shape, strict=True))
            blocks: NDArray[np.int32] = regions[rows][:, columns]
            return blocks
        is_small = np.ones(areas.size, bool)
        is_small[largest] = False
        enlarged = _joined_to_neighbours(enlarged, is_small[pieces])


def _joined_to_neighbours(enlarged: NDArray[np.int32], loose: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Return a label map in which loose pixels have the label of a neighbour that isn't loose, where there is one."""
    joined = enlarged.copy()
    for target, source in (
        (np.s_[1:], np.s_[:-1]),
        (np.s_[:-1], np.s_[1:]),
        (np.s_[:, 1:], np.s_[:, :-1]),
        (np.s_[:, :-1], np.s_[:, 1:]),
    ):
        taken = loose[target] & ~loose[source]
        joined[target][taken] = enlarged[source][taken]
    return joined
