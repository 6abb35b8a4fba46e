"""Annotations as numbered segments."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from dynseg.errors import UserError
from dynseg.io.annotations import numbered_segments


@given(arrays(np.int64, (4, 5), elements=st.integers(-3, 200_000) | st.integers(0, 4)), st.integers(0, 4))
def test_numbering_keeps_the_partition_and_its_order(labels: np.ndarray, unscored: int) -> None:
    (numbered,) = numbered_segments([labels], "a")
    known, expected = np.unique(labels, return_inverse=True)
    np.testing.assert_array_equal(numbered, expected.reshape(labels.shape) + 1)
    (scored,) = numbered_segments([labels], "a", [unscored])
    np.testing.assert_array_equal(scored == 0, labels == unscored)
    assert set(np.unique(scored[scored > 0])) == set(range(1, len(known[known != unscored]) + 1))


@given(
    arrays(np.int64, (4, 5), elements=st.integers(-3, 200_000) | st.integers(0, 4)),
    st.lists(st.integers(-3, 6), max_size=4),
)
def test_several_labels_may_be_unscored(labels: np.ndarray, unscored: list[int]) -> None:
    (scored,) = numbered_segments([labels], "a", unscored)
    np.testing.assert_array_equal(scored == 0, np.isin(labels, unscored))


def test_whole_numbers_may_be_stored_as_floats() -> None:
    assert numbered_segments([np.array([[1.0, 7.0]])], "a").tolist() == [[[1, 2]]]


@pytest.mark.parametrize("labels", [[[0.5, 1]], [[np.nan, 1]], [["a", "b"]], [[None, 1]]])
def test_other_labels_are_user_errors(labels: list) -> None:
    with pytest.raises(UserError, match=r"a\.mat has labels that aren't whole numbers"):
        numbered_segments([np.array(labels)], "a.mat")


def test_pictures_are_not_label_maps() -> None:
    with pytest.raises(UserError, match=r"a\.png has 66,000 different labels"):
        numbered_segments([np.arange(66_000).reshape(220, 300)], "a.png")


def test_annotators_of_different_size_are_a_user_error() -> None:
    with pytest.raises(UserError, match="differ in size"):
        numbered_segments([np.ones((2, 3)), np.ones((3, 2))], "a.mat")
