"""Scribbles at the size of training, and what becomes of them in a label map."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from dynseg.training.scribbles import put_back_missing, reduce_scribbles, share_kept

LABEL_MAPS = arrays(np.int64, (3, 4), elements=st.integers(0, 5))
SCRIBBLES = arrays(np.uint8, (3, 4), elements=st.sampled_from([0, 1, 2, 7, 255, 255]))


def test_reduced_scribbles_keep_thin_lines_and_take_the_most_frequent_label() -> None:
    scribbles = np.full((8, 8), -1)
    scribbles[3] = 4  # One row of eight.
    scribbles[6:, 6:] = [[1, 2], [2, 0]]
    reduced = reduce_scribbles(scribbles, 2, 4)
    assert reduced.tolist() == [[4, 4, 4, 4], [-1, -1, -1, 2]]
    assert np.array_equal(reduce_scribbles(scribbles, 8, 8), scribbles)
    assert reduce_scribbles(np.array([[1, 0]]), 1, 1).tolist() == [[0]]
    assert reduce_scribbles(np.full((3, 3), -1), 2, 1).tolist() == [[-1], [-1]]


@given(labels=LABEL_MAPS, scribbles=SCRIBBLES)
def test_every_scribbled_label_is_there_in_the_end_and_nothing_else_changes(
    labels: NDArray[np.int64], scribbles: NDArray[np.uint8]
) -> None:
    wanted = set(np.unique(scribbles).tolist()) - {255}
    lost = wanted - set(np.unique(labels).tolist())
    result, missing = put_back_missing(labels, scribbles)
    assert set(missing.tolist()) == lost
    assert wanted <= set(np.unique(result).tolist())
    changed = result != labels
    assert np.array_equal(result[changed], scribbles[changed])
    if not lost:
        assert not changed.any()
    assert share_kept(result, scribbles) >= share_kept(labels, scribbles)


def test_the_share_kept_is_of_scribbled_pixels() -> None:
    labels = np.array([[1, 1, 2, 2]])
    assert share_kept(labels, np.array([[1, 2, 255, 2]])) == 2 / 3
    assert share_kept(labels, np.full((1, 4), 255)) == 1.0
