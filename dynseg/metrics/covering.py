"""Segmentation covering (Arbeláez et al. 2011, region benchmarks).

The covering of an annotation S by a prediction S′ is 1/N Σ |R| max IoU(R, R′): a sum over the segments R of S, the
maximum over the segments R′ of S′, N the number of pixels.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dynseg.metrics.contingency import contingency_table
from dynseg.metrics.miou import best_overlaps_of_table


def covering(annotations: NDArray[Any], prediction: NDArray[Any], *, void: int | None = None) -> float:
    """Return how well a prediction covers the annotated segments, weighted by their area.

    Covered pixels and pixels are summed over the annotators before dividing, as in the BSDS benchmark; a dataset's
    covering sums them over its images too. NaN if all pixels are void.

    Parameters
    ----------
    annotations : ndarray, (annotators, H, W) or (H, W), integer
        One or several annotations of an image.
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
    >>> covering(np.array([[0, 0, 1, 1]]), np.array([[8, 8, 3, 3]]))
    1.0
    >>> covering(np.array([[0, 0, 1, 1]]), np.array([[0, 0, 0, 0]]))
    0.5
    """
    tables = [contingency_table(each, prediction, void=void) for each in _stacked(annotations)]
    covered = sum(float(table.row_areas @ best_overlaps_of_table(table)) for table in tables)
    pixels = sum(table.pixels for table in tables)
    return covered / pixels if pixels else np.nan


def _stacked(annotations: NDArray[Any]) -> NDArray[Any]:
    return annotations[np.newaxis] if annotations.ndim == 2 else annotations
