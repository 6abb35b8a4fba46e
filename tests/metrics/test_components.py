import numpy as np
import pytest
from hypothesis import given
from random_label_maps import label_map_pairs, quickly
from skimage.measure import label

from dynseg.metrics import connected_components


def same_partition(one, other):
    pairs = np.unique(np.stack([one.ravel(), other.ravel()]), axis=1).shape[1]
    return pairs == np.unique(one).size == np.unique(other).size


@pytest.mark.parametrize("connectivity", [4, 8])
@quickly
@given(pair=label_map_pairs(labels=3))
def test_components_are_those_of_scikit_image(connectivity, pair):
    expected = label(pair[0].astype(int) + 1, connectivity=1 if connectivity == 4 else 2)
    assert same_partition(connected_components(pair[0], connectivity), expected)


@quickly
@given(label_map_pairs(labels=3))
def test_relabelling_twice_changes_nothing(pair):
    once = connected_components(pair[0])
    np.testing.assert_array_equal(connected_components(once), once)


def test_corners_connect_with_eight_neighbours_only():
    diagonal = np.array([[0, 1], [1, 0]])
    assert connected_components(diagonal, 4).max() == 4
    assert connected_components(diagonal, 8).max() == 2


def test_label_zero_is_a_label_like_any_other():
    np.testing.assert_array_equal(connected_components(np.array([[0, 5, 0]])), [[1, 2, 3]])


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.uint16, np.int16, np.uint32, np.int32, np.int64])
def test_every_whole_number_type_keeps_its_extremes_apart(dtype):
    highest = np.iinfo(dtype).max
    assert connected_components(np.array([[0, highest, highest - 1]], dtype=dtype)).max() == 3


def test_a_mask_is_a_label_map():
    assert connected_components(np.array([[True, False, True]])).max() == 3


def test_more_than_65535_components():
    checkerboard = np.indices((300, 300)).sum(axis=0) % 2
    assert connected_components(checkerboard).max() == 90_000


@pytest.mark.parametrize(
    ("labels", "connectivity", "message"),
    [
        (np.zeros((2, 2)), 4, "whole-number"),
        (np.array([[-1]]), 4, "negative label -1"),
        (np.zeros((2, 2, 2), dtype=int), 4, "two dimensions"),
        (np.zeros((2, 2), dtype=int), 6, "4 or 8, not 6"),
    ],
)
def test_unusable_arguments_are_refused(labels, connectivity, message):
    with pytest.raises(ValueError, match=message):
        connected_components(labels, connectivity)
