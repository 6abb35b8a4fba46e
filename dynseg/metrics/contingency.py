"""The contingency table of two label maps, from which every measure is computed."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dynseg.metrics.relabelling import relabel

# A dense count is faster than sorting the pixels as long as its table isn't much larger than the picture.
DENSE_CELLS_PER_PIXEL = 8


@dataclass(frozen=True)
class ContingencyTable:
    """How many pixels each segment of an annotation shares with each segment of a prediction; only non-empty cells.

    Attributes
    ----------
    rows : ndarray, (cells,), intp
        The annotation's segment of each cell: 0-based, in the order of the labels, ascending.
    columns : ndarray, (cells,), intp
        The prediction's segment of each cell: 0-based, in the order of the labels, ascending within a row.
    counts : ndarray, (cells,), int64
        Pixels in each cell, at least one.
    row_areas : ndarray, (annotated segments,), int64
        Pixels of each segment of the annotation.
    column_areas : ndarray, (predicted segments,), int64
        Pixels of each segment of the prediction, as far as they are scored.

    Examples
    --------
    >>> import numpy as np
    >>> annotation = np.array([[0, 0, 1, 1], [0, 0, 1, 1]])
    >>> prediction = np.array([[5, 5, 5, 7], [5, 5, 5, 7]])
    >>> table = contingency_table(annotation, prediction)
    >>> table.rows.tolist(), table.columns.tolist(), table.counts.tolist()
    ([0, 1, 1], [0, 0, 1], [4, 2, 2])
    >>> table.pixels
    8
    """

    rows: NDArray[np.intp]
    columns: NDArray[np.intp]
    counts: NDArray[np.int64]
    row_areas: NDArray[np.int64]
    column_areas: NDArray[np.int64]

    @property
    def pixels(self) -> int:
        """Number of scored pixels."""
        return int(self.counts.sum())


def contingency_table(
    annotation: NDArray[Any], prediction: NDArray[Any], *, void: int | None = None
) -> ContingencyTable:
    """Count the pixels that each pair of an annotated and a predicted segment shares.

    Parameters
    ----------
    annotation, prediction : ndarray, (H, W), integer or bool
        Label maps of the same shape, in any non-negative numbers.
    void : int, optional
        Pixels of the annotation with this label are left out. By default every pixel counts.

    Raises
    ------
    ValueError
        If the shapes differ, or a label map is empty, isn't of whole numbers or holds a negative one.

    Examples
    --------
    >>> import numpy as np
    >>> annotation = np.array([[0, 0, 1, 1], [0, 0, 1, 1]])
    >>> prediction = np.array([[5, 5, 5, 7], [5, 5, 5, 7]])
    >>> table = contingency_table(annotation, prediction)
    >>> table.row_areas.tolist(), table.column_areas.tolist()
    ([4, 4], [6, 2])
    >>> contingency_table(annotation, prediction, void=0).row_areas.tolist()
    [4]
    """
    check_labels(annotation, "the annotation")
    check_labels(prediction, "the prediction")
    if annotation.shape != prediction.shape:
        raise ValueError(f"the prediction's shape {prediction.shape} isn't the annotation's {annotation.shape}")
    if void is not None:
        scored = annotation != void
        if not scored.all():
            annotation, prediction = annotation[scored], prediction[scored]
    row_of_pixel, row_bound = _indices(annotation)
    column_of_pixel, column_bound = _indices(prediction)
    row_of_pixel *= column_bound
    row_of_pixel += column_of_pixel
    cells, counts = _count(row_of_pixel, row_bound * column_bound)
    rows, row_areas = _compacted(cells // column_bound, counts)
    columns, column_areas = _compacted(cells % column_bound, counts)
    return ContingencyTable(rows, columns, counts, row_areas, column_areas)


def with_columns_joined(table: ContingencyTable, joined: NDArray[np.integer]) -> ContingencyTable:
    """Return the table of a coarser prediction, whose segments are unions of those of `table`.

    Parameters
    ----------
    table : ContingencyTable
    joined : ndarray, (predicted segments,), integer
        The coarser segment, in any non-negative numbers, that each column becomes part of.

    Examples
    --------
    >>> import numpy as np
    >>> table = contingency_table(np.array([[0, 0, 1, 1]]), np.array([[0, 1, 2, 2]]))
    >>> with_columns_joined(table, np.array([0, 0, 1])).column_areas.tolist()
    [2, 2]
    """
    bound = int(joined.max(initial=0)) + 1
    cell_of_cell = table.rows * bound + joined[table.columns]
    # Sums of whole numbers below 2 ** 53 are exact in double precision.
    counts = np.bincount(cell_of_cell, weights=table.counts).astype(np.int64)
    cells = np.flatnonzero(counts)
    columns, column_areas = _compacted(cells % bound, counts[cells])
    return ContingencyTable(cells // bound, columns, counts[cells], table.row_areas, column_areas)


def count_labels(labels: NDArray[Any]) -> int:
    """Return the number of different labels in a map of non-negative whole numbers.

    Examples
    --------
    >>> import numpy as np
    >>> count_labels(np.array([[3, 3, 9]]))
    2
    """
    return int(np.count_nonzero(np.bincount(_indices(labels)[0])))


def check_labels(labels: NDArray[Any], name: str) -> None:
    """Raise a ValueError that begins with `name` unless `labels` is a non-empty map of non-negative whole numbers.

    Examples
    --------
    >>> import numpy as np
    >>> check_labels(np.array([[0.5]]), "the prediction")
    Traceback (most recent call last):
    ValueError: the prediction must hold whole-number labels, not float64
    """
    if labels.dtype.kind not in "biu":
        raise ValueError(f"{name} must hold whole-number labels, not {labels.dtype}")
    if labels.size == 0:
        raise ValueError(f"{name} is empty: its shape is {labels.shape}")
    if labels.dtype.kind == "i" and labels.min() < 0:
        raise ValueError(f"{name} holds the negative label {labels.min()}")
    if labels.dtype == np.uint64 and labels.max() > np.iinfo(np.int64).max:
        raise ValueError(f"{name} holds the label {labels.max()}, above the highest possible, {np.iinfo(np.int64).max}")


def _indices(labels: NDArray[Any]) -> tuple[NDArray[np.intp], int]:
    """Return each pixel's label as an index, renumbered if there are higher labels than pixels, and the bound."""
    flat = labels.ravel()
    if flat.size == 0:
        return flat.astype(np.intp), 1
    highest = int(flat.max())
    if highest > flat.size:
        found, compact = relabel(flat)
        return compact, found.size
    return flat.astype(np.intp), highest + 1


def _count(cell_of_pixel: NDArray[np.intp], bound: int) -> tuple[NDArray[np.intp], NDArray[np.int64]]:
    """Return the non-empty cells, ascending, and the pixels in each."""
    if bound > DENSE_CELLS_PER_PIXEL * cell_of_pixel.size:
        cells, counts = np.unique(cell_of_pixel, return_counts=True)
        return cells, counts
    table = np.bincount(cell_of_pixel, minlength=bound)
    cells = np.flatnonzero(table)
    return cells, table[cells]


def _compacted(
    segment_of_cell: NDArray[np.intp], counts: NDArray[np.int64]
) -> tuple[NDArray[np.intp], NDArray[np.int64]]:
    """Renumber segments without gaps and sum up their areas."""
    present, compact = np.unique(segment_of_cell, return_inverse=True)
    areas = np.zeros(present.size, dtype=np.int64)
    np.add.at(areas, compact, counts)
    return compact, areas
