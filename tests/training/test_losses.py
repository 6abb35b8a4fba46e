"""The two terms of the loss, against their definitions written out."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from dynseg.training.losses import continuity_loss, similarity_loss

shapes = st.tuples(st.integers(1, 5), st.integers(1, 6), st.integers(1, 6))
seeds = st.integers(0, 2**31)


def response_map(shape: tuple[int, int, int], seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


@given(shapes, seeds)
def test_similarity_is_the_mean_cross_entropy(shape: tuple[int, int, int], seed: int) -> None:
    response = response_map(shape, seed)
    target = np.random.default_rng(seed + 1).integers(shape[0], size=shape[1:])
    softmax = np.exp(response) / np.exp(response).sum(axis=0)
    expected = -np.mean([np.log(softmax[target[y, x], y, x]) for y, x in np.ndindex(*target.shape)])
    actual = similarity_loss(torch.from_numpy(response)[None], torch.from_numpy(target))
    np.testing.assert_allclose(actual.item(), expected, atol=1e-12)


@given(shapes, seeds)
def test_continuity_is_a_mean_over_pixels_and_channels(shape: tuple[int, int, int], seed: int) -> None:
    response = response_map(shape, seed)
    expected = 0.0
    if shape[1] > 1:
        expected += np.abs(response[:, 1:] - response[:, :-1]).mean()
    if shape[2] > 1:
        expected += np.abs(response[:, :, 1:] - response[:, :, :-1]).mean()
    np.testing.assert_allclose(continuity_loss(torch.from_numpy(response)[None]).item(), expected, atol=1e-12)


@given(shapes, seeds, st.sampled_from([0.1, 1.0, 10.0]))
def test_smooth_continuity_is_quadratic_below_1(shape: tuple[int, int, int], seed: int, size: float) -> None:
    response = size * response_map(shape, seed)

    def mean(differences: np.ndarray) -> float:
        size = np.abs(differences)
        return float(np.where(size < 1, size**2 / 2, size - 0.5).mean())

    expected = 0.0
    if shape[1] > 1:
        expected += mean(response[:, 1:] - response[:, :-1])
    if shape[2] > 1:
        expected += mean(response[:, :, 1:] - response[:, :, :-1])
    actual = continuity_loss(torch.from_numpy(response)[None], kind="smooth_l1").item()
    np.testing.assert_allclose(actual, expected, atol=1e-12)


def test_a_constant_response_map_is_continuous() -> None:
    assert continuity_loss(torch.full((1, 3, 4, 5), 2.5)).item() == 0
