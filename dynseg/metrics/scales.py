"""Measures of a method with a scale parameter: the best scale for a dataset (ODS) and for each image (OIS).

Every measure here is a ratio of two sums over images, or the mean of several such ratios, as in the region benchmarks
of Arbeláez et al. 2011 and the BSDS benchmark's own collecting of results.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray


def optimal_dataset_scale(
    numerators: ArrayLike, denominators: ArrayLike, *, smaller_is_better: bool = False
) -> tuple[float, int]:
    """Return the measure at the one scale that is best for the whole dataset, and that scale's index.

    Parameters
    ----------
    numerators, denominators : array_like, (terms, scales, images) or (scales, images)
        The measure at a scale is the mean over terms of sum of numerators / sum of denominators.
    smaller_is_better : bool
        For the variation of information.

    Examples
    --------
    >>> numerators, denominators = [[1, 4], [2, 2]], [[4, 4], [4, 4]]
    >>> optimal_dataset_scale(numerators, denominators)
    (0.625, 0)
    """
    above, below = _with_terms(numerators), _with_terms(denominators)
    values = _ratio(above.sum(axis=2), below.sum(axis=2)).mean(axis=0)
    best = int(np.argmin(values) if smaller_is_better else np.argmax(values))
    return float(values[best]), best


def optimal_image_scale(
    numerators: ArrayLike, denominators: ArrayLike, *, smaller_is_better: bool = False
) -> tuple[float, NDArray[np.intp]]:
    """Return the measure with the best scale chosen for each image, and the index of each image's scale.

    Parameters
    ----------
    numerators, denominators : array_like, (terms, scales, images) or (scales, images)
        As in `optimal_dataset_scale`.
    smaller_is_better : bool
        For the variation of information.

    Examples
    --------
    >>> numerators, denominators = [[1, 4], [2, 2]], [[4, 4], [4, 4]]
    >>> value, scales = optimal_image_scale(numerators, denominators)
    >>> value, scales.tolist()
    (0.75, [1, 0])
    """
    above, below = _with_terms(numerators), _with_terms(denominators)
    values = _ratio(above, below).mean(axis=0)
    best = np.argmin(values, axis=0) if smaller_is_better else np.argmax(values, axis=0)
    images = np.arange(best.size)
    chosen = _ratio(above[:, best, images].sum(axis=1), below[:, best, images].sum(axis=1))
    return float(chosen.mean()), best


def _with_terms(sums: ArrayLike) -> NDArray[np.float64]:
    array = np.asarray(sums, dtype=np.float64)
    return array[np.newaxis] if array.ndim == 2 else array


def _ratio(numerators: NDArray[np.float64], denominators: NDArray[np.float64]) -> NDArray[np.float64]:
    """Divide, with 0 where there is nothing to divide by."""
    return np.divide(numerators, denominators, out=np.zeros_like(numerators), where=denominators > 0)
