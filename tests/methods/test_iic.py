import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dynseg.errors import UserError
from dynseg.methods import Context
from dynseg.methods.iic import IicParameters, correlate, jitter_colours, mutual_information_loss, segment

SMALL = {"components": 2, "channels": 8, "displacement": 2, "iterations": 15, "scale": 1.0}


def responses(clusters, height, width, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return 3 * torch.randn(clusters, height, width, generator=generator, dtype=torch.float64)


def cluster_maps(clusters, height, width, seed=0):
    return responses(clusters, height, width, seed).softmax(dim=0)


def direct_loss(first, second, displacement, marginal_weight):
    """The definition: one joint distribution after the other, from pairs of shifted windows."""
    _, height, width = first.shape
    losses = []
    for down in range(-displacement, displacement + 1):
        for right in range(-displacement, displacement + 1):
            rows, columns = height - abs(down), width - abs(right)
            a = first[:, max(down, 0) :, max(right, 0) :][:, :rows, :columns].flatten(1)
            b = second[:, max(-down, 0) :, max(-right, 0) :][:, :rows, :columns].flatten(1)
            joint = a @ b.T / (rows * columns)
            joint = (joint + joint.T) / 2
            of_first, of_second = joint.sum(1, keepdim=True), joint.sum(0, keepdim=True)
            information = joint.log() - marginal_weight * (of_first.log() + of_second.log())
            losses.append(-(joint * information).sum())
    return torch.stack(losses).mean()


@settings(max_examples=12, deadline=None)
@given(st.integers(2, 5), st.integers(4, 9), st.integers(4, 9), st.integers(0, 3), st.sampled_from([1.0, 1.5]))
def test_the_loss_and_its_gradient_follow_the_definition(clusters, height, width, displacement, marginal_weight):
    views = [responses(clusters, height, width, seed).requires_grad_() for seed in (1, 2)]
    first, second = (view.softmax(dim=0) for view in views)
    loss = mutual_information_loss(first, second, displacement, marginal_weight)
    expected = direct_loss(first, second, displacement, marginal_weight)
    torch.testing.assert_close(loss, expected)
    gradients, expected_gradients = (torch.autograd.grad(value, views, retain_graph=True) for value in (loss, expected))
    torch.testing.assert_close(gradients, expected_gradients)


@settings(max_examples=12, deadline=None)
@given(st.integers(2, 6), st.integers(0, 4))
def test_the_loss_is_bounded_by_the_entropy_and_symmetric_in_the_views(clusters, seed):
    first, second = cluster_maps(clusters, 8, 9, seed), cluster_maps(clusters, 8, 9, seed + 100)
    loss = mutual_information_loss(first, second, 2)
    assert -math.log(clusters) - 1e-9 <= loss <= 1e-9
    torch.testing.assert_close(mutual_information_loss(second, first, 2), loss)


def test_equal_clusters_of_equal_size_reach_the_bound():
    clusters = torch.eye(3, dtype=torch.float64).repeat_interleave(4, dim=1).view(3, 1, 12)
    assert mutual_information_loss(clusters, clusters, 0).item() == pytest.approx(-math.log(3))


@pytest.mark.parametrize("size", [(1, 1), (1, 6), (3, 2)])
def test_displacements_beyond_the_image_dont_count(size):
    maps = cluster_maps(3, *size)
    assert correlate(maps, maps, 10).shape == (3, 3, 2 * size[0] - 1, 2 * size[1] - 1)
    assert torch.isfinite(mutual_information_loss(maps, maps, 10))


def test_jitter_changes_brightness_contrast_and_saturation_within_bounds():
    image = torch.rand(3, 10, 12, generator=torch.Generator().manual_seed(0))
    generator = torch.Generator().manual_seed(1)
    views = torch.stack([jitter_colours(image, generator) for _ in range(20)])
    assert views.min() >= 0
    assert views.max() <= 1
    assert views.mean(dim=(1, 2, 3)).std() > 0.05
    assert (views.amax(dim=1) - views.amin(dim=1)).mean(dim=(1, 2)).std() > 0.02


@pytest.mark.parametrize("clusters", [2, 5])
def test_it_tells_areas_apart_and_repeats_itself(clusters):
    image = np.random.default_rng(0).integers(0, 40, (24, 32, 3))
    image[:, 16:] += 200
    image = image.astype(np.uint8)
    parameters = IicParameters(**SMALL, clusters=clusters)
    result = segment(image, Context(seed=1), parameters)
    assert result.labels.shape == (24, 32)
    assert result.labels.max() < clusters
    left, right = np.bincount(result.labels[:, :14].ravel()), np.bincount(result.labels[:, 18:].ravel())
    assert left.argmax() != right.argmax()
    loss = result.history["mutual_information_loss"]
    assert loss[-5:].mean() < loss[:5].mean()
    again = segment(image, Context(seed=1), parameters)
    np.testing.assert_array_equal(again.labels, result.labels)
    np.testing.assert_array_equal(again.history["mutual_information_loss"], loss)


def test_training_on_a_reduced_image_gives_labels_for_every_pixel():
    image = np.random.default_rng(0).integers(0, 256, (25, 33, 3), dtype=np.uint8)
    parameters = IicParameters(**{**SMALL, "scale": 0.25, "iterations": 2})
    assert segment(image, Context(), parameters).labels.shape == (25, 33)


def test_an_image_of_a_single_pixel_at_the_size_of_training_is_refused():
    with pytest.raises(UserError, match="scale"):
        segment(np.zeros((3, 3, 3), dtype=np.uint8), Context(), IicParameters(**{**SMALL, "scale": 0.25}))


def test_a_loss_that_isnt_finite_is_the_users_to_mend():
    image = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    with pytest.raises(UserError, match="learning rate"):
        segment(image, Context(), IicParameters(**{**SMALL, "iterations": 8}, learning_rate=1e38))


@pytest.mark.parametrize(
    ("name", "value"),
    [("clusters", 1), ("displacement", -1), ("marginal_weight", 0.5), ("iterations", 0), ("scale", 0.0)],
)
def test_parameters_that_make_no_sense_are_refused(name, value):
    with pytest.raises(UserError, match=name):
        IicParameters(**{name: value})
