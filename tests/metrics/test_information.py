import numpy as np
import pytest
from hypothesis import given
from random_label_maps import label_map_pairs, quickly
from skimage.metrics import variation_of_information as split_and_merge

from dynseg.metrics import variation_of_information


@quickly
@given(label_map_pairs())
def test_information_is_that_of_scikit_image(pair):
    annotation, prediction = (labels.astype(int) for labels in pair)
    expected = sum(split_and_merge(annotation, prediction))
    assert variation_of_information(annotation, prediction) == pytest.approx(expected, abs=1e-9)


@quickly
@given(label_map_pairs())
def test_information_is_symmetric_bounded_and_zero_for_identity(pair):
    annotation, prediction = pair
    there, back = variation_of_information(annotation, prediction), variation_of_information(prediction, annotation)
    assert there == pytest.approx(back, abs=1e-12)
    assert 0 <= there <= np.log2(annotation.size) + 1e-9
    assert variation_of_information(annotation, annotation + 3) == pytest.approx(0, abs=1e-12)


@quickly
@given(label_map_pairs(), label_map_pairs())
def test_triangle_inequality(pair, other):
    height, width = (min(sizes) for sizes in zip(pair[0].shape, other[0].shape, strict=True))
    one, two, three = (labels[:height, :width] for labels in (*pair, other[0]))
    detour = variation_of_information(one, two) + variation_of_information(two, three)
    assert variation_of_information(one, three) <= detour + 1e-9


def test_unit_is_the_bit():
    quarters = np.array([[1, 2], [3, 4]])
    assert variation_of_information(quarters, np.zeros((2, 2), dtype=int)) == pytest.approx(2)


def test_nothing_scored_is_no_information():
    assert variation_of_information(np.zeros((2, 2), dtype=int), np.ones((2, 2), dtype=int), void=0) == 0
