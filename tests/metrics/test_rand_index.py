import numpy as np
import pytest
from hypothesis import assume, given
from random_label_maps import label_map_pairs, quickly
from skimage.metrics import adapted_rand_error
from sklearn.metrics import rand_score

from dynseg.metrics import probabilistic_rand_index, rand_index


@quickly
@given(label_map_pairs())
def test_rand_index_counts_the_pairs_on_which_both_agree(pair):
    annotation, prediction = (labels.ravel() for labels in pair)
    assume(annotation.size > 1)
    first, second = np.triu_indices(annotation.size, k=1)
    agree = (annotation[first] == annotation[second]) == (prediction[first] == prediction[second])
    assert rand_index(*pair) == pytest.approx(agree.mean())
    assert rand_index(*pair) == pytest.approx(rand_score(annotation, prediction))


@quickly
@given(label_map_pairs())
def test_rand_index_is_symmetric_bounded_and_one_for_identity(pair):
    annotation, prediction = pair
    assert rand_index(annotation, prediction) == rand_index(prediction, annotation)
    assert 0 <= rand_index(annotation, prediction) <= 1
    assert rand_index(annotation, annotation + 7) == 1


def test_joined_pairs_are_those_of_scikit_image():
    random = np.random.default_rng(1)
    annotation, prediction = random.integers(1, 9, (2, 40, 50))
    # scikit-image gives pairs joined in both, as shares of those joined in each.
    _, precision, recall = adapted_rand_error(annotation, prediction, ignore_labels=())
    joined = [sum(area * (area - 1) for area in np.bincount(labels.ravel())) for labels in (annotation, prediction)]
    both = recall * joined[1]
    assert both == pytest.approx(precision * joined[0])
    pairs = annotation.size * (annotation.size - 1)
    assert rand_index(annotation, prediction) == pytest.approx(1 - (sum(joined) - 2 * both) / pairs)


def test_probabilistic_rand_index_is_the_mean_over_annotators():
    annotations = np.random.default_rng(2).integers(0, 4, (3, 6, 6))
    prediction = annotations[0]
    expected = np.mean([1, rand_index(annotations[1], prediction), rand_index(annotations[2], prediction)])
    assert probabilistic_rand_index(annotations, prediction) == pytest.approx(expected)


def test_a_single_pixel_has_no_pair_to_disagree_on():
    assert rand_index(np.zeros((1, 1), dtype=int), np.ones((1, 1), dtype=int)) == 1


def test_opposite_extremes_share_no_pair():
    assert rand_index(np.zeros((4, 4), dtype=int), np.arange(16).reshape(4, 4)) == 0


def test_void_pixels_make_no_pairs():
    assert rand_index(np.array([[1, 1, 0, 0]]), np.array([[3, 3, 3, 4]]), void=0) == 1


def test_annotations_that_are_all_void_are_left_out():
    annotations = np.array([np.zeros((4, 4)), np.ones((4, 4))], dtype=int)
    prediction = np.arange(16).reshape(4, 4)
    assert probabilistic_rand_index(annotations, prediction, void=0) == 0
    assert np.isnan(probabilistic_rand_index(annotations[:1], prediction, void=0))
