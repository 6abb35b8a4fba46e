"""Label maps as tables: where each label lies, its shape, its values in every band, and its neighbours."""

from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.spatial import ConvexHull

# What a pixel of a border adds to the perimeter, by the code of what else of the border is around it: Benkrid and
# Crookes, "Design and FPGA Implementation of a Perimeter Estimator" (2000), as scikit-image has it.
_BESIDE, _ACROSS = 2, 10
_PERIMETER = np.zeros(1 + 4 * (_BESIDE + _ACROSS))
_PERIMETER[[5, 7, 15, 17, 25, 27]] = 1
_PERIMETER[[21, 33]] = 2**0.5
_PERIMETER[[13, 23]] = (1 + 2**0.5) / 2
# Lattice points on the edge of a convex hull are inside.
_TOLERANCE = 1e-10


def region_table(
    labels: NDArray[np.integer], bands: NDArray[Any] | None = None, valid: NDArray[np.bool_] | None = None
) -> pd.DataFrame:
    """Return one row for every label of a label map, with scikit-image's names.

    The numbers are those of `skimage.measure.regionprops_table`, which goes through the bounding box of each label:
    where labels lie all over the image, as those of one network do, that is the whole image for each. Here all labels
    are measured in one pass.

    Parameters
    ----------
    labels : ndarray, (H, W), integer
        Label map, non-negative.
    bands : ndarray, (H, W, bands), integer or floating, optional
        The image in the numbers of its file.
    valid : ndarray, (H, W), bool, optional
        Which pixels have data; by default all. The others count for nothing.

    Returns
    -------
    DataFrame
        In the order of `label`. `area` and `perimeter` in pixels; `bbox-0` to `bbox-3`, the first row and column, and
        those after the last; `centroid-0` and `centroid-1`, row and column; `eccentricity` of the ellipse with the same
        second moments, from 0 to 1, and `orientation` of its major axis, in radians from the axis of the rows;
        `solidity`, the share of the convex hull; for each band N from 0, over the label's pixels, `intensity_mean-N`,
        `intensity_std-N`, `intensity_min-N` and `intensity_max-N`; `neighbours`, a list of the labels that touch it
        (4-neighbourhood).

    Examples
    --------
    >>> import numpy as np
    >>> table = region_table(np.array([[0, 0, 1]]), np.array([[[8], [9], [7]]], np.uint16))
    >>> table[["label", "area", "centroid-1", "intensity_mean-0", "neighbours"]].values.tolist()
    [[0, 2, 0.5, 8.5, [1]], [1, 1, 2.0, 7.0, [0]]]
    """
    inside = np.ones(labels.shape, np.bool_) if valid is None else valid
    found, places = np.unique(labels[inside], return_inverse=True)
    # Labels by their place from 1 on; 0 has no data. Sorting is quick for small types.
    index = np.zeros(labels.shape, dtype=np.min_scalar_type(len(found)))
    index[inside] = places + 1
    columns: dict[str, Any] = {"label": found}
    if len(found):
        runs = _find_runs(index)
        columns |= {**_moments(runs), "perimeter": _perimeters(index, len(found))}
        columns["solidity"] = columns["area"] / _hull_areas(runs)
        columns |= {} if bands is None else band_statistics(index, bands)
    columns["neighbours"] = _neighbours(index, found)
    return pd.DataFrame(columns)


class _Runs(NamedTuple):
    """The runs of equal labels in rows, sorted by label, then by row and column; and where each label's begin."""

    y: NDArray[np.int64]
    first: NDArray[np.int64]
    last: NDArray[np.int64]
    bounds: NDArray[np.int64]


def _find_runs(index: NDArray[Any]) -> _Runs:
    begins = np.ones(index.shape, np.bool_)
    begins[:, 1:] = index[:, 1:] != index[:, :-1]
    starts = np.flatnonzero(begins)
    ends = np.append(starts[1:], index.size) - 1
    numbers = index.ravel()[starts]
    order = np.argsort(numbers, kind="stable")[np.count_nonzero(numbers == 0) :]
    y, first = np.divmod(starts[order], index.shape[1])
    bounds = np.flatnonzero(np.diff(numbers[order], prepend=0))
    return _Runs(y, first, ends[order] % index.shape[1], bounds)


def _moments(runs: _Runs) -> dict[str, Any]:
    """Return area, bounding box, centroid, and the ellipse of the second moments."""
    y, first, last = runs.y, runs.first, runs.last
    length, sum_x = last - first + 1, (first + last) * (last - first + 1) // 2
    sum_xx = (last * (last + 1) * (2 * last + 1) - (first - 1) * first * (2 * first - 1)) // 6
    sums = [length, y * length, sum_x, y * y * length, sum_xx, y * sum_x]
    # Python's whole numbers have no bounds: differences of large products stay exact.
    n, sy, sx, syy, sxx, sxy = (np.add.reduceat(each, runs.bounds).astype(object) for each in sums)
    yy, xx, xy = ((n * a - b).astype(np.float64) for a, b in ((syy, sy * sy), (sxx, sx * sx), (sxy, sx * sy)))
    spread = np.hypot(yy - xx, 2 * xy)
    total = yy + xx + spread
    # scikit-image leaves a shape without a direction at this angle.
    turned = np.where((yy == xx) & (xy <= 0), -np.pi / 4, np.arctan2(2 * xy, yy - xx) / 2)
    return {
        "area": n.astype(np.int64),
        "bbox-0": np.minimum.reduceat(y, runs.bounds),
        "bbox-1": np.minimum.reduceat(first, runs.bounds),
        "bbox-2": np.maximum.reduceat(y, runs.bounds) + 1,
        "bbox-3": np.maximum.reduceat(last, runs.bounds) + 1,
        "centroid-0": (sy / n).astype(np.float64),
        "centroid-1": (sx / n).astype(np.float64),
        "eccentricity": np.sqrt(np.divide(2 * spread, total, out=np.zeros_like(total), where=total > 0)),
        "orientation": turned,
    }


def _perimeters(index: NDArray[Any], count: int) -> NDArray[np.float64]:
    height, width = index.shape
    padded = np.zeros((height + 2, width + 2), dtype=index.dtype)
    padded[1:-1, 1:-1] = index
    is_border = np.zeros(padded.shape, np.bool_)
    inner = is_border[1:-1, 1:-1]
    for beside in (padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:]):
        inner |= index != beside
    # A label reaches the image's edge where what lies beyond has no label.
    inner &= index > 0
    places, flat, border = np.flatnonzero(is_border), padded.ravel(), is_border.ravel()
    codes = np.ones(len(places), dtype=np.int64)
    line = width + 2
    for weight, steps in ((_BESIDE, (-1, 1, -line, line)), (_ACROSS, (-line - 1, -line + 1, line - 1, line + 1))):
        for step in steps:
            codes += weight * (border[places + step] & (flat[places + step] == flat[places]))
    return np.bincount(flat[places], _PERIMETER[codes], minlength=count + 1)[1:].astype(np.float64, copy=False)


def _hull_areas(runs: _Runs) -> NDArray[np.int64]:
    """Return the number of pixels in each label's convex hull, that of the middles of its pixels' sides."""
    areas = []
    for start, end in pairwise(np.append(runs.bounds, len(runs.y))):
        y, rows = np.unique(runs.y[start:end], return_index=True)
        left = np.minimum.reduceat(runs.first[start:end], rows)
        right = np.maximum.reduceat(runs.last[start:end], rows)
        corners = np.concatenate(
            [(y, left - 0.5), (y, right + 0.5)] + [(y + half, x) for half in (-0.5, 0.5) for x in (left, right)],
            axis=1,
        )
        areas.append(_pixels_inside(corners.T))
    return np.array(areas)


def _pixels_inside(points: NDArray[np.float64]) -> int:
    """Return how many points of whole numbers lie in the convex hull of points (y, x)."""
    by_row, by_column, offset = ConvexHull(points).equations.T
    y = np.arange(np.ceil(points[:, 0].min()), np.floor(points[:, 0].max()) + 1)[:, np.newaxis]
    leftwards, rightwards = by_column < -_TOLERANCE, by_column > _TOLERANCE
    limits = -(by_row * y + offset) / np.where(leftwards | rightwards, by_column, 1)
    lowest = np.ceil(limits[:, leftwards].max(axis=1) - _TOLERANCE)
    highest = np.floor(limits[:, rightwards].min(axis=1) + _TOLERANCE)
    return int(np.maximum(highest - lowest + 1, 0).sum())


def band_statistics(index: NDArray[np.integer], bands: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """Return mean, standard deviation, smallest and largest value of each label in each band.

    Parameters
    ----------
    index : ndarray, (H, W), integer
        Labels from 1 without gaps; 0 where there is none.
    bands : ndarray, (H, W, bands), integer or floating

    Returns
    -------
    dict of str to ndarray, (labels,)
        `intensity_mean-N`, `intensity_std-N`, `intensity_min-N` and `intensity_max-N` of each band N from 0.

    Examples
    --------
    >>> import numpy as np
    >>> statistics = band_statistics(np.array([[1, 1, 0, 2]]), np.array([[[3.0], [5.0], [9.0], [8.0]]]))
    >>> statistics["intensity_mean-0"].tolist(), statistics["intensity_std-0"].tolist()
    ([4.0, 8.0], [1.0, 0.0])
    """
    flat = index.ravel()
    order = np.argsort(flat, kind="stable")[np.count_nonzero(flat == 0) :]
    numbers = flat[order]
    bounds = np.flatnonzero(np.diff(numbers, prepend=0))
    area = np.diff(bounds, append=len(numbers))
    columns: dict[str, dict[int, NDArray[Any]]] = {kind: {} for kind in ("mean", "std", "min", "max")}
    for band in range(bands.shape[2]):
        values = bands[:, :, band].ravel()[order]
        exact = values.astype(np.float64)
        mean = np.add.reduceat(exact, bounds) / area
        exact -= mean[numbers - 1]
        columns["mean"][band] = mean
        columns["std"][band] = np.sqrt(np.add.reduceat(exact * exact, bounds) / area)
        columns["min"][band] = np.minimum.reduceat(values, bounds)
        columns["max"][band] = np.maximum.reduceat(values, bounds)
    return {f"intensity_{kind}-{band}": each for kind, by_band in columns.items() for band, each in by_band.items()}


def _neighbours(index: NDArray[Any], found: NDArray[np.integer]) -> list[list[int]]:
    """Return the labels that touch each label over a side of a pixel, ascending."""
    count = len(found) + 1
    pairs = []
    for one, other in ((index[:, :-1], index[:, 1:]), (index[:-1], index[1:])):
        touching = (one != other) & (one > 0) & (other > 0)
        one, other = one[touching].astype(np.int64), other[touching].astype(np.int64)
        pairs += [np.unique(one * count + other), np.unique(other * count + one)]
    label, neighbour = np.divmod(np.unique(np.concatenate(pairs)), count)
    bounds = np.searchsorted(label, np.arange(1, count + 1))
    named = found[neighbour - 1].tolist()
    return [named[start:end] for start, end in pairwise(bounds)]
