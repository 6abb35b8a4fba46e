"""Scribbles at the size of training."""

import numpy as np

from dynseg.training.scribbles import reduce_scribbles


def test_reduced_scribbles_keep_thin_lines_and_take_the_most_frequent_label() -> None:
    scribbles = np.full((8, 8), -1)
    scribbles[3] = 4  # One row of eight.
    scribbles[6:, 6:] = [[1, 2], [2, 0]]
    reduced = reduce_scribbles(scribbles, 2, 4)
    assert reduced.tolist() == [[4, 4, 4, 4], [-1, -1, -1, 2]]
    assert np.array_equal(reduce_scribbles(scribbles, 8, 8), scribbles)
    assert reduce_scribbles(np.array([[1, 0]]), 1, 1).tolist() == [[0]]
    assert reduce_scribbles(np.full((3, 3), -1), 2, 1).tolist() == [[-1], [-1]]
