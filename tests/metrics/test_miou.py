import numpy as np
import pytest
from hypothesis import given, strategies
from random_label_maps import label_map_pairs, quickly

from dynseg.metrics import best_overlaps, connected_components, miou


def best_overlaps_by_definition(annotation, prediction):
    overlaps = []
    for segment in np.unique(annotation):
        inside = annotation == segment
        predicted = [prediction == label for label in np.unique(prediction)]
        overlaps.append(max(np.sum(inside & each) / np.sum(inside | each) for each in predicted))
    return overlaps


@quickly
@given(label_map_pairs())
def test_best_overlaps_are_those_of_the_definition(pair):
    np.testing.assert_allclose(best_overlaps(*pair), best_overlaps_by_definition(*pair), rtol=1e-12)


@quickly
@given(label_map_pairs())
def test_overlaps_lie_in_bounds_and_are_one_for_the_annotation_itself(pair):
    annotation, prediction = pair
    overlaps = best_overlaps(annotation, prediction)
    assert np.all((overlaps > 0) & (overlaps <= 1))
    np.testing.assert_array_equal(best_overlaps(annotation, annotation), np.ones(np.unique(annotation).size))


@quickly
@given(label_map_pairs(), strategies.permutations(range(6)))
def test_numbers_of_the_prediction_do_not_matter(pair, numbers):
    annotation, prediction = pair
    np.testing.assert_array_equal(
        best_overlaps(annotation, prediction), best_overlaps(annotation, np.array(numbers)[prediction])
    )


@quickly
@given(label_map_pairs())
def test_void_pixels_count_for_nobody(pair):
    annotation, prediction = pair
    scored = annotation != 0
    if scored.any():
        np.testing.assert_allclose(
            best_overlaps(annotation, prediction, void=0),
            best_overlaps_by_definition(annotation[scored], prediction[scored]),
        )
    else:
        assert best_overlaps(annotation, prediction, void=0).size == 0


@pytest.mark.parametrize("connectivity", [4, 8, None])
def test_data_set_score_is_that_of_the_definition(connectivity):
    random = np.random.default_rng(0)
    shapes = [(7, 9), (9, 7), (5, 5), (1, 1)]
    annotations = [random.integers(1, 2 + 3 * number, (4, *shape)) for number, shape in enumerate(shapes)]
    predictions = [random.integers(0, 3, shape) for shape in shapes]
    pools = {"all": [], "fine": [], "coarse": []}
    for segments, labels in zip(annotations, predictions, strict=True):
        predicted = labels if connectivity is None else connected_components(labels, connectivity)
        overlaps = [best_overlaps_by_definition(annotation, predicted) for annotation in segments]
        counts = [len(each) for each in overlaps]
        pools["all"] += [overlap for each in overlaps for overlap in each]
        pools["fine"] += overlaps[counts.index(max(counts))]
        pools["coarse"] += overlaps[counts.index(min(counts))]
    expected = {name: np.mean(pool) for name, pool in pools.items()}
    expected["mean"] = (expected["all"] + expected["fine"] + expected["coarse"]) / 3
    assert miou(annotations, predictions, connectivity=connectivity) == pytest.approx(expected)


def test_segments_are_pooled_over_images_not_averaged_per_image():
    halves = np.repeat([[1, 2]], 2, axis=0)[None]
    whole = np.ones((1, 2, 2), dtype=int)
    blank = [np.zeros((2, 2), dtype=int)] * 2
    # One overlap of 1 and two of a half: 2/3; averaged per image first it would be 3/4.
    assert miou([whole, halves], blank)["all"] == pytest.approx(2 / 3)


def test_unconnected_parts_of_a_cluster_are_segments_unless_left_raw():
    stripes = np.array([[1, 2, 3]])
    cluster = np.array([[0, 1, 0]])
    assert miou([stripes[None]], [cluster])["all"] == 1
    assert miou([stripes[None]], [cluster], connectivity=None)["all"] == pytest.approx((0.5 + 1 + 0.5) / 3)


def test_coarse_is_the_first_annotation_on_a_tie():
    first, second = np.array([[1, 1, 2]]), np.array([[1, 2, 2]])
    scores = miou([np.stack([first, second])], [np.array([[0, 0, 1]])])
    assert scores["coarse"] == scores["fine"] == 1
    assert scores["all"] < 1


def test_an_image_too_few_is_refused():
    with pytest.raises(ValueError, match="shorter"):
        miou([np.ones((1, 2, 2), dtype=int)], [])
