"""Precision, recall and F-measure of boundaries (Martin et al. 2004), as in the BSDS benchmark (Arbeláez et al. 2011).

A predicted boundary pixel is right if it is matched to a pixel of any annotator's boundaries; recall sums over the
annotators. Pixels are matched one to one, none further than a tolerance: as many pairs as possible, and among these
matchings one whose pairs are closest. The benchmark's own matching has randomness and falls a few pixels short of
that: on its five sample images all measures agree within .001.

Every pixel counts: an annotation whose label 0 isn't scored (void) has no boundaries in this sense.

SciPy takes longer to import than all else here, so that it is when boundaries are first scored.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dynseg.metrics.contingency import check_labels
from dynseg.metrics.thinning import thin

# Of the image's diagonal: 4.3 pixels in the BSDS.
BOUNDARY_TOLERANCE = 0.0075

# Distances are counted in whole hundredths of a pixel, as the benchmark does: sums of them are exact.
_STEPS_PER_PIXEL = 100

# Connected parts of a matching with fewer pairs are solved together: each start of SciPy's search has its cost.
_FEW_PAIRS = 1000

# Between two scales the benchmark looks for the best F-measure at this many places, both ends included.
_PLACES_BETWEEN_SCALES = 100

# The recalls at which it reads the precision off.
_RECALLS = np.linspace(0, 1, 101)


class BoundarySums(NamedTuple):
    """What a prediction's boundaries have in common with an image's annotations: sums that add up over images.

    Attributes
    ----------
    matched_annotated : int
        Pixels of annotated boundaries that are matched, summed over the annotators (the benchmark's cntR).
    annotated : int
        Pixels of annotated boundaries, summed over the annotators (sumR).
    matched_predicted : int
        Pixels of predicted boundaries that are matched to at least one annotator's (cntP).
    predicted : int
        Pixels of predicted boundaries (sumP).

    Examples
    --------
    >>> sums = BoundarySums(matched_annotated=90, annotated=100, matched_predicted=60, predicted=80)
    >>> sums.recall, sums.precision, round(sums.f_measure, 3)
    (0.9, 0.75, 0.818)
    """

    matched_annotated: int
    annotated: int
    matched_predicted: int
    predicted: int

    @property
    def recall(self) -> float:
        """Share of the annotated boundaries that is predicted; 0 if nothing is annotated."""
        return self.matched_annotated / self.annotated if self.annotated else 0.0

    @property
    def precision(self) -> float:
        """Share of the predicted boundaries that is annotated; 0 if nothing is predicted."""
        return self.matched_predicted / self.predicted if self.predicted else 0.0

    @property
    def f_measure(self) -> float:
        """Harmonic mean of precision and recall; 0 if both are."""
        both = self.recall + self.precision
        return 2 * self.recall * self.precision / both if both else 0.0


@dataclass(frozen=True)
class BoundaryScores:
    """A dataset's boundary measures, each from 0 to 1.

    Attributes
    ----------
    dataset_scale : float
        The scale that is best for the whole dataset (ODS); it may lie between two of those that were counted.
    dataset_recall, dataset_precision, dataset_f_measure : float
        At this scale.
    image_recall, image_precision, image_f_measure : float
        With each image at its own best scale (OIS), the sums added up over the images.
    image_scales : ndarray, (images,), intp
        The index of each image's best scale, the first on a tie.
    average_precision : float
        Area under the precision over recall (AP).

    Examples
    --------
    >>> scores = boundary_scores([[(90, 100, 60, 80)]], [0.5])
    >>> scores.dataset_recall, scores.dataset_precision
    (0.9, 0.75)
    """

    dataset_scale: float
    dataset_recall: float
    dataset_precision: float
    dataset_f_measure: float
    image_recall: float
    image_precision: float
    image_f_measure: float
    image_scales: NDArray[np.intp]
    average_precision: float


def boundary_map(labels: NDArray[Any]) -> NDArray[np.bool_]:
    """Mark the pixels at the upper left of where labels change: the benchmark's `seg2bdry`, in the image's size.

    Parameters
    ----------
    labels : ndarray, (H, W), integer or bool
        A label map in any non-negative numbers; 0 is a label like any other.

    Returns
    -------
    ndarray, (H, W), bool
        True where the labels of the pixel, its right, its lower and its lower right neighbour differ. In the last row
        and column, where the neighbours that there are differ.

    Raises
    ------
    ValueError
        If `labels` isn't a non-empty two-dimensional map of non-negative whole numbers.

    Examples
    --------
    >>> boundary_map(np.array([[1, 1, 2], [1, 1, 2], [3, 3, 3]])).astype(int)
    array([[0, 1, 0],
           [1, 1, 1],
           [0, 0, 0]])
    """
    check_labels(labels, "the label map")
    if labels.ndim != 2:
        raise ValueError(f"the label map must have two dimensions, not the shape {labels.shape}")
    below = labels[:-1] != labels[1:]
    beside = labels[:, :-1] != labels[:, 1:]
    boundaries = np.zeros(labels.shape, dtype=np.bool_)
    boundaries[:-1] |= below
    boundaries[:-1, :-1] |= below[:, 1:]
    boundaries[:, :-1] |= beside
    boundaries[:-1, :-1] |= beside[1:]
    return boundaries


def label_boundaries(labels: NDArray[Any]) -> NDArray[np.bool_]:
    """Return the boundaries between the regions of a label map, one pixel wide.

    For the annotations of the BSDS this is what their files have as `Boundaries`.

    Parameters
    ----------
    labels : ndarray, (H, W), integer or bool
        A label map in any non-negative numbers; 0 is a label like any other.

    Returns
    -------
    ndarray, (H, W), bool
        `boundary_map`, thinned until nothing more can be removed (Guo and Hall 1989).

    Raises
    ------
    ValueError
        As `boundary_map`.

    Examples
    --------
    >>> label_boundaries(np.array([[1, 1, 2, 2]] * 3)).astype(int)
    array([[0, 1, 0, 0],
           [0, 1, 0, 0],
           [0, 1, 0, 0]])
    """
    return thin(boundary_map(labels))


def contour_boundaries(strengths: NDArray[Any], threshold: float) -> NDArray[np.bool_]:
    """Return the contours that are at least as strong as a threshold, one pixel wide.

    Parameters
    ----------
    strengths : ndarray, (H, W), integer or floating
        The strength of the contour at each pixel; of an ultrametric contour map of (2 H + 1, 2 W + 1) these are every
        second row and column from index 2 on.
    threshold : float

    Returns
    -------
    ndarray, (H, W), bool

    Raises
    ------
    ValueError
        If `strengths` isn't two-dimensional or is empty.

    Examples
    --------
    >>> contour_boundaries(np.array([[0.1, 0.6, 0.2], [0.0, 0.9, 0.4]]), 0.5).astype(int)
    array([[0, 1, 0],
           [0, 1, 0]])
    """
    _check_strengths(strengths)
    return thin(strengths >= threshold)


def match_boundaries(
    first: NDArray[np.bool_], second: NDArray[np.bool_], tolerance: float = BOUNDARY_TOLERANCE
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Match the boundary pixels of two maps one to one: as many as possible, and these as close as possible.

    How long it takes depends on the one that has fewer pixels: .02 s for an annotation of the BSDS and most
    predictions, .5 s in an image of four times its sides, 10 s if a quarter of all pixels are boundaries in both.

    Parameters
    ----------
    first, second : ndarray, (H, W), bool
        Boundaries of the same shape.
    tolerance : float
        The largest distance, between centres, of two pixels that may be matched, as a share of the map's diagonal
        √(H² + W²).

    Returns
    -------
    tuple of two ndarray, (H, W), bool
        The pixels of each that are matched: the same number of both.

    Raises
    ------
    ValueError
        If the maps aren't boolean, two-dimensional and of one shape, or the tolerance is negative or not a number.

    Examples
    --------
    >>> first = np.array([[True, False, False, True]])
    >>> second = np.array([[False, True, True, False]])
    >>> match_boundaries(first, second, tolerance=0)[0].astype(int)
    array([[0, 0, 0, 0]])
    >>> match_boundaries(first, second, tolerance=0.25)[1].astype(int)
    array([[0, 1, 1, 0]])
    """
    for boundaries in (first, second):
        if boundaries.dtype != np.bool_ or boundaries.ndim != 2:
            raise ValueError(f"boundaries must be boolean (H, W), not {boundaries.dtype} {boundaries.shape}")
    if first.shape != second.shape:
        raise ValueError(f"the boundaries' shapes {first.shape} and {second.shape} differ")
    if not tolerance >= 0:
        raise ValueError(f"the tolerance must be 0 or more, not {tolerance}")
    if np.count_nonzero(first) > np.count_nonzero(second):
        # A pixel that stays without a partner costs a search of all others: let it be one of the fewer.
        matched_second, matched_first = match_boundaries(second, first, tolerance)
        return matched_first, matched_second
    matched_first, matched_second = np.zeros_like(first), np.zeros_like(second)
    pairs = _close_pairs(first, second, tolerance * float(np.hypot(*first.shape)))
    first_pixels, second_pixels = np.flatnonzero(first), np.flatnonzero(second)
    for rows, columns in _cheapest_matching(*pairs):
        matched_first.flat[first_pixels[rows]] = True
        matched_second.flat[second_pixels[columns]] = True
    return matched_first, matched_second


def boundary_sums(
    annotated: Iterable[NDArray[np.bool_]], predicted: NDArray[np.bool_], tolerance: float = BOUNDARY_TOLERANCE
) -> BoundarySums:
    """Match predicted boundaries with those of each annotator of an image.

    Parameters
    ----------
    annotated : iterable of ndarray, (H, W), bool
        Each annotator's boundaries, from `label_boundaries`.
    predicted : ndarray, (H, W), bool
        Boundaries of one pixel's width, from `label_boundaries` or `contour_boundaries`.
    tolerance : float
        As in `match_boundaries`.

    Raises
    ------
    ValueError
        As `match_boundaries`.

    Examples
    --------
    >>> annotations = [np.array([[1, 1, 2, 2, 2, 2]]), np.array([[1, 1, 1, 1, 1, 1]])]
    >>> prediction = np.array([[0, 1, 1, 1, 1, 2]])
    >>> boundary_sums(map(label_boundaries, annotations), label_boundaries(prediction), tolerance=0.2)
    BoundarySums(matched_annotated=1, annotated=1, matched_predicted=1, predicted=2)
    """
    by_annotator = boundary_sums_by_annotator(annotated, predicted, tolerance)
    if not by_annotator:
        return BoundarySums(0, 0, 0, int(np.count_nonzero(predicted)))
    return BoundarySums(*map(sum, zip(*by_annotator, strict=True)))


def boundary_sums_by_annotator(
    annotated: Iterable[NDArray[np.bool_]], predicted: NDArray[np.bool_], tolerance: float = BOUNDARY_TOLERANCE
) -> list[BoundarySums]:
    """Match predicted boundaries with those of each annotator of an image, and keep the annotators apart.

    Parameters
    ----------
    annotated, predicted, tolerance
        As in `boundary_sums`.

    Returns
    -------
    list of BoundarySums
        One an annotator, of which the first has the pixels of the prediction and the others none: their sums are
        those of `boundary_sums`.

    Raises
    ------
    ValueError
        As `match_boundaries`.

    Examples
    --------
    >>> import numpy as np
    >>> annotated = [np.array([[True, False, False]]), np.array([[False, False, True]])]
    >>> for sums in boundary_sums_by_annotator(annotated, np.array([[True, False, False]]), tolerance=0):
    ...     print(tuple(sums))
    (1, 1, 1, 1)
    (0, 1, 0, 0)
    """
    matched_by_any = np.zeros_like(predicted)
    sums: list[BoundarySums] = []
    for boundaries in annotated:
        matched, matched_predicted = match_boundaries(boundaries, predicted, tolerance)
        matched_by_any |= matched_predicted
        sums.append(BoundarySums(int(np.count_nonzero(matched)), int(np.count_nonzero(boundaries)), 0, 0))
    if sums:
        sums[0] = sums[0]._replace(
            matched_predicted=int(np.count_nonzero(matched_by_any)), predicted=int(np.count_nonzero(predicted))
        )
    return sums


def contour_boundary_sums(
    annotated: Sequence[NDArray[np.bool_]],
    strengths: NDArray[Any],
    thresholds: Iterable[float],
    tolerance: float = BOUNDARY_TOLERANCE,
) -> list[BoundarySums]:
    """Match the contours of an image, cut at each of several thresholds, with those of each annotator.

    Parameters
    ----------
    annotated : sequence of ndarray, (H, W), bool
        Each annotator's boundaries, from `label_boundaries`.
    strengths : ndarray, (H, W), integer or floating
        As in `contour_boundaries`.
    thresholds : iterable of float
        The benchmark has `np.linspace(0.01, 0.99, 99)` and divides grey pictures by 255. A threshold that leaves the
        same contours as the one before it costs nothing.
    tolerance : float
        As in `match_boundaries`.

    Returns
    -------
    list of BoundarySums
        One a threshold.

    Raises
    ------
    ValueError
        As `contour_boundaries` and `match_boundaries`.

    Examples
    --------
    >>> annotated = [np.array([[False, True, False, False]])]
    >>> for sums in contour_boundary_sums(annotated, np.array([[0.1, 0.9, 0.0, 0.4]]), [0.3, 0.6]):
    ...     print(sums.recall, sums.precision)
    1.0 0.5
    1.0 1.0
    """
    _check_strengths(strengths)
    sums: list[BoundarySums] = []
    size = -1
    for threshold in thresholds:
        # What is above a threshold is above a lower one, so that the same number is the same pixels.
        if np.count_nonzero(strengths >= threshold) != size:
            size = int(np.count_nonzero(strengths >= threshold))
            latest = boundary_sums(annotated, contour_boundaries(strengths, threshold), tolerance)
        sums.append(latest)
    return sums


def boundary_f_measure(
    annotations: NDArray[Any], prediction: NDArray[Any], tolerance: float = BOUNDARY_TOLERANCE
) -> float:
    """Return how well a label map's boundaries agree with those of the annotations, in [0, 1].

    Parameters
    ----------
    annotations : ndarray, (annotators, H, W) or (H, W), integer
        One or several annotations of an image.
    prediction : ndarray, (H, W), integer
        The label map.
    tolerance : float
        As in `match_boundaries`.

    Raises
    ------
    ValueError
        As `boundary_map` and `match_boundaries`.

    Examples
    --------
    >>> boundary_f_measure(np.array([[1, 1, 2], [1, 1, 2]]), np.array([[7, 7, 5], [7, 7, 5]]))
    1.0
    >>> boundary_f_measure(np.array([[1, 1, 2], [1, 1, 2]]), np.array([[0, 1, 1], [0, 1, 1]]))
    0.0
    """
    stacked = annotations[np.newaxis] if annotations.ndim == 2 else annotations
    return boundary_sums(map(label_boundaries, stacked), label_boundaries(prediction), tolerance).f_measure


def boundary_scores(sums: ArrayLike, scales: ArrayLike) -> BoundaryScores:
    """Collect the sums of a dataset's images as the benchmark's `collect_eval_bdry` does.

    Parameters
    ----------
    sums : array_like, (images, scales, 4)
        The `BoundarySums` of each image at each scale.
    scales : array_like, (scales,)
        The scales, for example thresholds of contours.

    Returns
    -------
    BoundaryScores
        The best F-measure of the dataset is looked for between neighbouring scales too, where recall and precision are
        interpolated. The precision at recalls of 0, .01 … 1 is interpolated between the scales' recalls, and 0 outside
        of them.

    Raises
    ------
    ValueError
        If there is no image or no scale, or the shapes don't fit together.

    Examples
    --------
    >>> image = [BoundarySums(90, 100, 30, 100), BoundarySums(30, 100, 45, 50)]
    >>> scores = boundary_scores([image], [0.25, 0.75])
    >>> scores.image_scales, scores.image_recall, scores.image_precision
    (array([0]), 0.9, 0.3)
    >>> 0.25 < scores.dataset_scale < 0.75
    True
    >>> round(scores.image_f_measure, 3), round(scores.dataset_f_measure, 3), round(scores.average_precision, 3)
    (0.45, 0.6, 0.366)
    """
    counted = np.asarray(sums, dtype=np.int64)
    positions = np.asarray(scales, dtype=np.float64)
    if counted.ndim != 3 or counted.shape[1:] != (positions.size, 4) or positions.ndim != 1:
        raise ValueError(f"sums of the shape {counted.shape} don't fit scales of the shape {positions.shape}")
    if counted.size == 0:
        raise ValueError(f"there is nothing to collect: the sums' shape is {counted.shape}")
    recalls, precisions = _recall_and_precision(counted.sum(axis=0))
    curve = np.array([_with_places_between(values) for values in (positions, recalls, precisions)])
    best = int(np.argmax(_f_measure(curve[1], curve[2])))
    dataset_scale, dataset_recall, dataset_precision = curve[:, best]
    of_images = np.argmax(_f_measure(*_recall_and_precision(counted)), axis=1)
    chosen = counted[np.arange(of_images.size), of_images].sum(axis=0)
    image_recall, image_precision = _recall_and_precision(chosen)
    return BoundaryScores(
        float(dataset_scale),
        float(dataset_recall),
        float(dataset_precision),
        float(_f_measure(dataset_recall, dataset_precision)),
        float(image_recall),
        float(image_precision),
        float(_f_measure(image_recall, image_precision)),
        of_images,
        _area(recalls, precisions),
    )


def _check_strengths(strengths: NDArray[Any]) -> None:
    if strengths.ndim != 2 or strengths.size == 0:
        raise ValueError(f"contours must be a non-empty map of two dimensions, not of the shape {strengths.shape}")


def _close_pairs(
    first: NDArray[np.bool_], second: NDArray[np.bool_], radius: float
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float64]]:
    """Return the pairs of a pixel of each map that are no further apart, and their distances.

    Pixels are numbered in the order of `flatnonzero`.
    """
    reach = min(int(radius), max(first.shape))
    numbers = np.full([side + 2 * reach for side in second.shape], -1)
    numbers[reach : reach + second.shape[0], reach : reach + second.shape[1]][second] = np.arange(second.sum())
    y, x = np.nonzero(first)
    steps = np.arange(-reach, reach + 1)
    found: list[tuple[NDArray[np.intp], ...]] = []
    for down in steps:
        across = steps[down**2 + steps**2 <= radius**2]
        partners = numbers[(y + down + reach)[:, None], x[:, None] + across + reach]
        rows, chosen = np.nonzero(partners >= 0)
        found.append((rows, partners[rows, chosen], down**2 + across[chosen] ** 2))
    pixels, others, squared = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return pixels, others, np.sqrt(squared)


def _cheapest_matching(
    rows: NDArray[np.intp], columns: NDArray[np.intp], distances: NDArray[np.float64]
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Yield the rows and the columns, in parts, of a matching of the most pairs that has the least total distance."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    if not rows.size:
        return
    # What isn't connected can't compete. SciPy's search takes all columns for each row.
    row_count, column_count = int(rows.max()) + 1, int(columns.max()) + 1
    nodes = row_count + column_count
    graph = coo_array((np.ones(rows.size, np.int8), (rows, row_count + columns)), shape=(nodes, nodes))
    component = connected_components(graph, directed=False)[1][rows]
    sizes = np.bincount(component)
    component[sizes[component] < _FEW_PAIRS] = sizes.size
    for number in np.unique(component):
        inside = component == number
        present_rows, present_columns = _renumbered(rows[inside]), _renumbered(columns[inside])
        chosen = _cheapest_of_component(present_rows[1], present_columns[1], distances[inside])
        yield present_rows[0][chosen[0]], present_columns[0][chosen[1]]


def _renumbered(numbers: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return as `numpy.unique` the numbers that there are and each one's place among them, without sorting."""
    present = np.zeros(int(numbers.max()) + 1, dtype=np.bool_)
    present[numbers] = True
    return np.flatnonzero(present), (np.cumsum(present) - 1)[numbers]


def _cheapest_of_component(
    rows: NDArray[np.intp], columns: NDArray[np.intp], distances: NDArray[np.float64]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the row and the column of each pair in a matching of the most pairs that has the least total distance."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import min_weight_full_bipartite_matching

    row_count, column_count = int(rows.max()) + 1, int(columns.max()) + 1
    # Sparse matrices have no weight of 0. One step more a pair doesn't matter between matchings of as many pairs.
    weights = np.rint(distances * _STEPS_PER_PIXEL) + 1
    # Each row may also have a column of its own, which costs more than matching all of the rows.
    rows_of_all = np.arange(row_count)
    alone = np.full(row_count, row_count * weights.max() + 1)
    graph = csr_array(
        (
            np.concatenate([weights, alone]),
            (np.concatenate([rows, rows_of_all]), np.concatenate([columns, column_count + rows_of_all])),
        ),
        shape=(row_count, column_count + row_count),
    )
    chosen_rows, chosen_columns = min_weight_full_bipartite_matching(graph)
    paired = chosen_columns < column_count
    return chosen_rows[paired], chosen_columns[paired]


def _recall_and_precision(sums: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Divide sums, (…, 4), with 0 where there is nothing to divide by."""
    matched_annotated, annotated, matched_predicted, predicted = np.moveaxis(sums, -1, 0)
    return matched_annotated / np.maximum(annotated, 1), matched_predicted / np.maximum(predicted, 1)


def _f_measure(recalls: NDArray[np.float64], precisions: NDArray[np.float64]) -> NDArray[np.float64]:
    sums = recalls + precisions
    f_measures: NDArray[np.float64] = 2 * recalls * precisions / (sums + (sums == 0))
    return f_measures


def _with_places_between(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the first value, and then the places from each value to the next one, interpolated."""
    shares = np.linspace(0, 1, _PLACES_BETWEEN_SCALES)
    between = np.outer(values[1:], shares) + np.outer(values[:-1], 1 - shares)
    return np.concatenate([values[:1], between.ravel()])


def _area(recalls: NDArray[np.float64], precisions: NDArray[np.float64]) -> float:
    different, first = np.unique(recalls, return_index=True)
    if different.size < 2:
        return 0.0
    # The benchmark adds 101 precisions up and divides by 100.
    return float(np.interp(_RECALLS, different, precisions[first], left=0, right=0).sum() / 100)
