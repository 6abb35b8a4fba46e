import numpy as np
import pytest
from hypothesis import given
from random_label_maps import label_map_pairs, quickly

from dynseg.metrics import best_overlaps, covering


@quickly
@given(label_map_pairs())
def test_covering_is_the_area_weighted_mean_of_best_overlaps(pair):
    annotation, prediction = pair
    areas = [np.sum(annotation == label) for label in np.unique(annotation)]
    expected = np.average(best_overlaps(annotation, prediction), weights=areas)
    assert covering(annotation, prediction) == pytest.approx(expected)


@quickly
@given(label_map_pairs())
def test_covering_is_bounded_and_one_for_the_annotation_itself(pair):
    annotation, prediction = pair
    assert 0 < covering(annotation, prediction) <= 1 + 1e-12
    assert covering(annotation, annotation) == pytest.approx(1)


def test_pixels_are_summed_over_annotators():
    annotations = np.array([[[1, 1, 2, 2]], [[0, 0, 0, 1]]])
    prediction = np.zeros((1, 4), dtype=int)
    assert covering(annotations, prediction) == pytest.approx((4 * 0.5 + 4 * (3 * 0.75 + 0.25) / 4) / 8)
    # With void, the second annotator has one pixel, and one predicted segment of one pixel covers it.
    assert covering(annotations, prediction, void=0) == pytest.approx((4 * 0.5 + 1) / 5)


def test_there_is_no_covering_of_nothing():
    assert np.isnan(covering(np.zeros((4, 4), dtype=int), np.ones((4, 4), dtype=int), void=0))
