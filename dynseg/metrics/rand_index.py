"""Rand index (Rand 1971) and probabilistic Rand index (Unnikrishnan et al. 2007; Arbeláez et al. 2011)."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dynseg.metrics.contingency import ContingencyTable, contingency_table


def rand_index_of_table(table: ContingencyTable) -> float:
    """Return the share of pixel pairs on which two label maps agree; 1 where there is no pair.

    Examples
    --------
    >>> import numpy as np
    >>> table = contingency_table(np.array([[0, 0, 1, 1]]), np.array([[0, 0, 0, 0]]))
    >>> round(rand_index_of_table(table), 3)
    0.333
    """
    pixels = table.pixels
    if pixels < 2:
        return 1.0
    disagreements = _squared(table.row_areas) + _squared(table.column_areas) - 2 * _squared(table.counts)
    return 1.0 - disagreements / (pixels * (pixels - 1))


def rand_index(annotation: NDArray[Any], prediction: NDArray[Any], *, void: int | None = None) -> float:
    """Return the share of pixel pairs that both label maps join or both separate, in [0, 1].

    Parameters
    ----------
    annotation, prediction : ndarray, (H, W), integer
        Label maps of the same shape.
    void : int, optional
        Label of the annotation's pixels that aren't scored.

    Raises
    ------
    ValueError
        As `contingency_table`.

    Examples
    --------
    >>> import numpy as np
    >>> rand_index(np.array([[0, 0, 1, 1]]), np.array([[8, 8, 3, 3]]))
    1.0
    >>> round(rand_index(np.array([[0, 0, 1, 1]]), np.array([[0, 0, 0, 0]])), 3)
    0.333
    """
    return rand_index_of_table(contingency_table(annotation, prediction, void=void))


def probabilistic_rand_index(annotations: NDArray[Any], prediction: NDArray[Any], *, void: int | None = None) -> float:
    """Return the mean Rand index of a prediction with each of an image's annotations.

    Annotations that are all void are left out; NaN if none is left.

    Parameters
    ----------
    annotations : ndarray, (annotators, H, W), integer
        The annotations.
    prediction : ndarray, (H, W), integer
        The label map.
    void : int, optional
        Label of the annotations' pixels that aren't scored.

    Raises
    ------
    ValueError
        As `contingency_table`.

    Examples
    --------
    >>> import numpy as np
    >>> annotations = np.array([[[0, 0, 1, 1]], [[0, 0, 0, 0]]])
    >>> round(probabilistic_rand_index(annotations, np.array([[8, 8, 3, 3]])), 3)
    0.667
    """
    tables = [contingency_table(annotation, prediction, void=void) for annotation in annotations]
    indices = [rand_index_of_table(table) for table in tables if table.pixels]
    return float(np.mean(indices)) if indices else np.nan


def _squared(areas: NDArray[np.int64]) -> int:
    return int(areas @ areas)
