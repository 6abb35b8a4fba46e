"""Variation of information in bits (Meilă 2005; Arbeláez et al. 2011)."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dynseg.metrics.contingency import ContingencyTable, contingency_table


def variation_of_information_of_table(table: ContingencyTable) -> float:
    """Return H(annotation) + H(prediction) − 2 I(annotation, prediction) in bits; 0 for an empty table.

    Examples
    --------
    >>> import numpy as np
    >>> table = contingency_table(np.array([[0, 0, 1, 1]]), np.array([[0, 0, 0, 0]]))
    >>> variation_of_information_of_table(table)
    1.0
    """
    pixels = table.pixels
    if pixels == 0:
        return 0.0
    # With I = H(annotation) + H(prediction) − H(both), the sum is 2 H(both) − H(annotation) − H(prediction).
    entropies = 2 * _entropy(table.counts, pixels) - _entropy(table.row_areas, pixels)
    return max(0.0, entropies - _entropy(table.column_areas, pixels))


def variation_of_information(annotation: NDArray[Any], prediction: NDArray[Any], *, void: int | None = None) -> float:
    """Return the information, in bits, that two label maps don't share: 0 if they are the same partition.

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
    >>> variation_of_information(np.array([[0, 0, 1, 1]]), np.array([[8, 8, 3, 3]]))
    0.0
    >>> variation_of_information(np.array([[0, 0, 1, 1]]), np.array([[0, 1, 0, 1]]))
    2.0
    """
    return variation_of_information_of_table(contingency_table(annotation, prediction, void=void))


def _entropy(areas: NDArray[np.int64], pixels: int) -> float:
    """Return the entropy in bits of a partition whose parts have these areas."""
    shares = areas / pixels
    return float(-(shares @ np.log2(shares)))
