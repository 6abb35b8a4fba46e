import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from dynseg.errors import UserError
from dynseg.methods import Context
from dynseg.methods.superpixel_cnn import SuperpixelCnnParameters, find_superpixels, majority_vote, segment

SMALL = {"components": 1, "channels": 8, "iterations": 12, "minimum_labels": 1, "stop": "fixed", "step": "plain"}


def two_colours(height=24, width=32):
    image = np.random.default_rng(0).integers(0, 40, (height, width, 3))
    image[:, width // 2 :] += 200
    return image.astype(np.uint8)


def test_a_pixel_takes_the_label_most_frequent_in_its_superpixel_and_the_smallest_on_a_tie():
    superpixels = np.array([[0, 0, 0, 1], [2, 2, 2, 2]])
    labels = torch.tensor([[5, 5, 1, 1], [3, 0, 3, 0]])
    voted = majority_vote(superpixels, 6, "cpu")(labels)
    assert voted.tolist() == [[5, 5, 5, 1], [0, 0, 0, 0]]


@settings(max_examples=30, deadline=None)
@given(
    arrays(np.int64, (4, 5), elements=st.integers(0, 3)),
    arrays(np.int64, (4, 5), elements=st.integers(0, 6)),
)
def test_the_vote_follows_its_definition(superpixels, labels):
    vote = majority_vote(superpixels, 7, "cpu")
    expected = np.empty_like(labels)
    for superpixel in np.unique(superpixels):
        members = superpixels == superpixel
        expected[members] = np.bincount(labels[members]).argmax()
    voted = vote(torch.from_numpy(labels))
    np.testing.assert_array_equal(voted.numpy(), expected)
    assert torch.equal(vote(voted), voted)


def test_superpixels_number_about_as_many_as_asked_for_and_keep_to_edges():
    image = np.zeros((60, 80, 3), dtype=np.uint8)
    image[:, 37:] = (200, 100, 0)
    superpixels = find_superpixels(image, 48, compactness=10.0)
    assert 40 <= superpixels.max() + 1 <= 56
    assert set(np.unique(superpixels[:, :37])).isdisjoint(np.unique(superpixels[:, 37:]))


def test_it_segments_without_a_continuity_loss():
    parameters = SuperpixelCnnParameters(**SMALL, superpixels=30)
    result = segment(two_colours(), Context(seed=2), parameters)
    assert result.labels.shape == (24, 32)
    assert set(np.unique(result.labels[:, :15])).isdisjoint(np.unique(result.labels[:, 17:]))
    assert (result.history["weight"] == 0).all()
    again = segment(two_colours(), Context(seed=2), parameters)
    np.testing.assert_array_equal(again.labels, result.labels)


def test_one_superpixel_pulls_every_pixel_to_one_label():
    parameters = SuperpixelCnnParameters(**{**SMALL, "iterations": 60}, superpixels=1)
    result = segment(two_colours(), Context(), parameters)
    assert result.history["label_count"][0] > 1  # counted before the vote
    assert result.facts["stopped_by"] == "labels"


def test_superpixels_keep_their_size_when_training_on_a_reduced_image(monkeypatch):
    counts = []
    monkeypatch.setattr(
        "dynseg.methods.superpixel_cnn.find_superpixels",
        lambda image, count, compactness: counts.append(count) or np.zeros(image.shape[:2], dtype=np.int64),
    )
    for scale in (1.0, 0.5):
        parameters = SuperpixelCnnParameters(**{**SMALL, "iterations": 1}, superpixels=48, scale=scale)
        assert segment(two_colours(), Context(), parameters).labels.shape == (24, 32)
    assert counts == [48, 12]


@pytest.mark.parametrize(("name", "value"), [("superpixels", 0), ("compactness", 0.0), ("scale", 2.0)])
def test_parameters_that_make_no_sense_are_refused(name, value):
    with pytest.raises(UserError, match=name):
        SuperpixelCnnParameters(**{name: value})
