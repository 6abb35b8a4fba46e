"""Deep image clustering: its two subnetworks against their definitions, and what training does."""

import numpy as np
import pytest
import torch

from dynseg.errors import UserError
from dynseg.methods import Context
from dynseg.methods.dic import DicParameters, cost, find_superpixels, reduced_labels, segment
from dynseg.methods.dic_network import DeepClustering, DicNetwork, FeatureTransformation, initial_dic_network

SMALL = {"channels": 8, "centres": 4, "iterations": 8, "minimum_labels": 1}


def two_colours(height: int = 24, width: int = 32) -> np.ndarray:
    image = np.random.default_rng(0).integers(0, 40, (height, width, 3))
    image[:, width // 2 :] += 200
    return image.astype(np.uint8)


def test_clustering_mixes_centres_by_the_shares_of_every_pixel() -> None:
    torch.manual_seed(0)
    clustering = DeepClustering(5, 3, rounds=2).double()
    responses = torch.randn(1, 5, 4, 6, dtype=torch.float64)
    features = clustering.before(responses)[0].flatten(1).detach().numpy()
    centres = clustering.get_buffer("start").numpy()
    for _ in range(2):
        shares = np.exp(features.T @ centres)
        shares /= shares.sum(axis=1, keepdims=True)
        centres = np.stack([(features * shares[:, k]).sum(axis=1) / shares[:, k].sum() for k in range(3)], axis=1)
        centres /= np.linalg.norm(centres, axis=0)
    mixture = np.maximum(centres @ shares.T, 0)
    added = clustering.after.weight[:, :, 0, 0].detach().numpy() @ mixture
    expected = np.maximum(added + responses[0].flatten(1).numpy(), 0).reshape(5, 4, 6)
    np.testing.assert_allclose(clustering(responses)[0].detach().numpy(), expected, atol=1e-5)


def test_no_gradient_passes_through_the_rounds() -> None:
    clustering = DeepClustering(5, 3, rounds=2)
    clustering(torch.randn(1, 5, 4, 6)).sum().backward()
    assert clustering.before.weight.grad is None
    assert clustering.after.weight.grad is not None


@pytest.mark.parametrize("size", [(1, 1), (2, 1), (5, 7), (16, 9)])
def test_responses_have_the_size_of_the_image(size: tuple[int, int]) -> None:
    responses = DicNetwork(6, 4, 3)(torch.rand(1, 3, *size))
    assert responses.shape == (1, 6, *size)
    assert (responses >= 0).all()


def test_a_pixel_sees_farther_than_with_convolutions_alone() -> None:
    torch.manual_seed(0)
    transformation = FeatureTransformation(4).eval()
    image = torch.rand(1, 3, 32, 32)
    changed = image.clone()
    changed[..., 16, 16] += 1
    with torch.no_grad():
        rows = (transformation(image) != transformation(changed)).any(dim=1)[0].any(dim=1).nonzero().flatten()
    # Four 3×3 convolutions in a row reach 4 pixels.
    assert rows.min() < 16 - 4
    assert rows.max() > 16 + 4


def test_weights_and_centres_depend_on_the_seed_alone() -> None:
    first, second, other = (initial_dic_network(6, 4, 3, seed).state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["clustering.start"], other["clustering.start"])


def test_two_colours_have_two_clusters_and_labels_keep_to_superpixels() -> None:
    image, parameters = two_colours(), DicParameters(**SMALL, superpixel_size=20)
    result = segment(image, Context(seed=2), parameters)
    assert set(np.unique(result.labels[:, :16])).isdisjoint(np.unique(result.labels[:, 16:]))
    superpixels = find_superpixels(image, parameters)
    assert all(len(np.unique(result.labels[superpixels == each])) == 1 for each in np.unique(superpixels))
    assert result.history["similarity_loss"][-1] < result.history["similarity_loss"][0]


def test_training_stops_with_fewer_labels_than_the_minimum() -> None:
    result = segment(two_colours(), Context(), DicParameters(**{**SMALL, "minimum_labels": 9}))
    assert result.facts["iterations_run"] == 1


def test_superpixels_are_those_of_the_image_when_training_is_reduced() -> None:
    labels = np.repeat(np.repeat(np.array([[3, 7], [9, 3]]), 6, axis=0), 8, axis=1)
    np.testing.assert_array_equal(reduced_labels(labels, 2, 4), [[0, 0, 1, 1], [2, 2, 0, 0]])


def test_a_larger_image_costs_more() -> None:
    small, large = (cost(DicParameters(), 100, width) for width in (100, 200))
    assert large.iteration_gflop == pytest.approx(2 * small.iteration_gflop)
    assert large.memory > small.memory
    assert cost(DicParameters(scale=0.5), 100, 100).iteration_gflop == pytest.approx(small.iteration_gflop / 4)


def test_a_learning_rate_that_diverges_is_an_error_of_one_sentence() -> None:
    with pytest.raises(UserError, match="lower the learning rate"):
        segment(two_colours(), Context(), DicParameters(**{**SMALL, "learning_rate": 1e30}))


@pytest.mark.parametrize(("name", "value"), [("channels", 1), ("rounds", 0), ("superpixel_size", 0), ("scale", 2.0)])
def test_parameters_that_make_no_sense_are_refused(name: str, value: float) -> None:
    with pytest.raises(UserError, match=name):
        DicParameters(**{name: value})
