"""Outlines of regions as polygons along the edges of pixels."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

# The sides of a pixel clockwise: top, right, bottom, left. They lead rightwards, down, leftwards, up.
_RIGHT, _LEFT = 1, 3
_SIDES = 4
# From a pixel's upper left corner to where each side starts, as x and y.
_STARTS = np.array([(0, 0), (1, 0), (1, 1), (0, 1)])
# From each side into the pixel, as x and y.
_INWARDS = np.array([(0, 1), (-1, 0), (0, -1), (1, 0)])


class Outline(NamedTuple):
    """The polygon of a region.

    Attributes
    ----------
    region : int
    points : ndarray, (points, 2), float64
        x and y, in pixels from the image's upper left corner; the last point isn't the first.
    """

    region: int
    points: NDArray[np.float64]


class _Border(NamedTuple):
    """The sides of pixels where regions end, in the order of the pixels, and the one after each along the region."""

    x: NDArray[np.int64]
    y: NDArray[np.int64]
    side: NDArray[np.int64]
    region: NDArray[np.int64]
    following: NDArray[np.int64]


def outlines(regions: NDArray[np.integer], inset: float = 0.0) -> list[Outline]:
    """Return the polygon of every connected region, clockwise, in the order of the regions' first pixels.

    A polygon has one ring: holes are reached by a slit without width. No library that the base installation has makes
    outlines of a whole label map in one pass.

    Parameters
    ----------
    regions : ndarray, (H, W), integer
        4-connected regions, each with a number of its own; 0 is no region.
    inset : float
        How far inside the region the polygon runs, in pixels, from 0 to 0.5.

    Returns
    -------
    list of Outline

    Examples
    --------
    >>> import numpy as np
    >>> (outline,) = outlines(np.array([[0, 4]]))
    >>> outline.points.tolist()
    [[1.0, 0.0], [2.0, 0.0], [2.0, 1.0], [1.0, 1.0]]
    """
    border = _find_border(regions)
    if not len(border.x):
        return []
    points, is_corner = _corners(border, inset)
    rings = _rings(border.following)
    outer = np.unique(border.region, return_index=True)[1]
    left, right = _slits(border, rings, rings[outer])
    points, is_corner, following = _with_slits(border, points, is_corner, left, right, inset)
    return [
        Outline(int(border.region[start]), points[[node for node in _walk(following, start) if is_corner[node]]])
        for start in sorted(outer.tolist())
    ]


def _find_border(regions: NDArray[np.integer]) -> _Border:
    height, width = regions.shape
    padded = np.full((height + 2, width + 2), -1, dtype=np.int64)
    padded[1:-1, 1:-1] = regions
    inside = padded[1:-1, 1:-1]
    beyond = (padded[:-2, 1:-1], padded[1:-1, 2:], padded[2:, 1:-1], padded[1:-1, :-2])
    is_border = np.stack([inside != each for each in beyond], axis=2) & (inside > 0)[:, :, np.newaxis]
    keys = np.flatnonzero(is_border)
    pixel, side = np.divmod(keys, _SIDES)
    steps = np.array([1, width, -1, -width])
    turned = (side + 1) % _SIDES
    turns = is_border.ravel()[pixel * _SIDES + turned]
    # Where the region lies straight ahead, either its border goes on there or the pixel beyond is the region's, too.
    ahead = np.where(turns, pixel, pixel + steps[side])
    straight = is_border.ravel()[ahead * _SIDES + side]
    back = (side - 1) % _SIDES
    around = np.where(turns | straight, ahead, ahead + steps[back])
    following = np.where(
        turns, pixel * _SIDES + turned, np.where(straight, ahead * _SIDES + side, around * _SIDES + back)
    )
    y, x = np.divmod(pixel, width)
    return _Border(x, y, side, inside.ravel()[pixel], np.searchsorted(keys, following))


def _corners(border: _Border, inset: float) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return where each side starts, moved inwards, and whether the polygon turns there."""
    before = np.empty_like(border.side)
    before[border.following] = border.side
    points = np.stack([border.x, border.y], axis=1) + _STARTS[border.side]
    moved = points + inset * (_INWARDS[border.side] + _INWARDS[before])
    return moved, before != border.side


def _rings(following: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the number of the ring that each side belongs to."""
    count = len(following)
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components

    graph = csr_array((np.ones(count, np.int8), (np.arange(count), following)), shape=(count, count))
    rings: NDArray[np.int64] = connected_components(graph, directed=False)[1]
    return rings


def _slits(
    border: _Border, rings: NDArray[np.int64], outer: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the two sides that each slit joins, of the same row of pixels: one further left, and one of a hole.

    The leftmost side of a hole meets a ring that lies further left: another hole's or the outer one, at last.
    """
    right = np.flatnonzero((border.side == _RIGHT) & ~np.isin(rings, outer))
    right = right[np.lexsort((border.x[right], rings[right]))]
    right = right[np.unique(rings[right], return_index=True)[1]]
    lefts = np.flatnonzero(border.side == _LEFT)
    pixel = border.y * (border.x.max() + 1) + border.x
    # The last left side up to the pixel of a right one begins the same stretch of its row.
    return lefts[np.searchsorted(pixel[lefts], pixel[right], side="right") - 1], right


def _with_slits(
    border: _Border,
    points: NDArray[np.float64],
    is_corner: NDArray[np.bool_],
    left: NDArray[np.int64],
    right: NDArray[np.int64],
    inset: float,
) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.int64]]:
    """Cut two sides in the middle and lead each to the other's second half; return points, corners and what follows."""
    count, slits = len(points), len(left)
    there, back = count + np.arange(2 * slits).reshape(2, -1), count + 2 * slits + np.arange(2 * slits).reshape(2, -1)
    following = np.append(border.following, np.zeros(4 * slits, np.int64))
    following[there[0]], following[there[1]] = there[1], border.following[right]
    following[back[0]], following[back[1]] = back[1], border.following[left]
    following[left], following[right] = there[0], back[0]
    middle = border.y[right] + 0.5
    at_left = np.stack([border.x[left] + inset, middle], axis=1)
    at_right = np.stack([border.x[right] + 1 - inset, middle], axis=1)
    points = np.concatenate([points, at_left, at_right, at_right, at_left])
    return points, np.append(is_corner, np.ones(4 * slits, np.bool_)), following


def _walk(following: NDArray[np.int64], start: int) -> list[int]:
    """Return the sides of a ring from one of them on."""
    walked, node = [start], int(following[start])
    while node != start:
        walked.append(node)
        node = int(following[node])
    return walked
