"""What the formats of annotation tools share: names of labels, connected regions, and the runs of pixels of each."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dynseg.metrics.components import connected_components


class Runs(NamedTuple):
    """The runs of one number in a sequence.

    Attributes
    ----------
    number : int
    starts : ndarray, (runs,), int64
        Where each run starts, ascending.
    lengths : ndarray, (runs,), int64
    """

    number: int
    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]


def label_name(label: int) -> str:
    """Return what a label of a label map is called where a tool wants a name.

    Examples
    --------
    >>> label_name(3)
    'label 3'
    """
    return f"label {label}"


def runs_by_number(values: NDArray[Any]) -> Iterator[Runs]:
    """Yield the runs of equal values of each number in a sequence.

    Parameters
    ----------
    values : ndarray, (N,), integer
        At least one non-negative number.

    Yields
    ------
    Runs
        In the order of the numbers.

    Examples
    --------
    >>> import numpy as np
    >>> [(runs.number, runs.starts.tolist()) for runs in runs_by_number(np.array([5, 5, 2, 5]))]
    [(2, [2]), (5, [0, 3])]
    """
    starts = np.flatnonzero(np.append(True, values[1:] != values[:-1]))
    lengths, numbers = np.diff(starts, append=len(values)), values[starts]
    order = np.argsort(numbers, kind="stable")
    starts, lengths, numbers = starts[order], lengths[order], numbers[order]
    bounds = np.flatnonzero(np.concatenate([[True], numbers[1:] != numbers[:-1], [True]]))
    for first, last in pairwise(bounds):
        yield Runs(int(numbers[first]), starts[first:last], lengths[first:last])


def connected_regions(
    labels: NDArray[np.integer], valid: NDArray[np.bool_] | None = None
) -> NDArray[np.unsignedinteger]:
    """Number the connected regions of a label map from 1; pixels without data are 0.

    Parameters
    ----------
    labels : ndarray, (H, W), integer
        Label map, non-negative.
    valid : ndarray, (H, W), bool, optional
        Which pixels have data; by default all.

    Returns
    -------
    ndarray, (H, W), unsigned integer
        4-connected regions.

    Examples
    --------
    >>> import numpy as np
    >>> connected_regions(np.array([[3, 3, 0, 3]]), np.array([[True, True, True, False]])).tolist()
    [[1, 1, 2, 0]]
    """
    if valid is None or valid.all():
        return connected_components(labels)
    # A label of their own keeps them from joining two regions.
    apart = np.where(valid, labels.astype(np.int64) + 1, 0)
    regions = connected_components(apart)
    kept = np.zeros(int(regions.max()) + 1, dtype=np.bool_)
    kept[regions[valid]] = True
    numbers = np.cumsum(kept) * kept
    numbered: NDArray[np.unsignedinteger] = numbers.astype(regions.dtype)[regions]
    return numbered
