"""The networks of an ensemble: one after the other on the CPU, side by side on a GPU."""

from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import dynseg
from dynseg.regions.ensemble import Ensemble, texton_maps
from dynseg.training.parameters import TrainingParameters

SMALL = TrainingParameters(components=2, channels=12, iterations=6, scale=0.5, stop="fixed", minimum_labels=1)


def picture(height: int = 48, width: int = 64) -> NDArray[np.uint8]:
    image = np.random.default_rng(0).integers(0, 60, (height, width, 3))
    image[:, width // 2 :] += 180
    return image.astype(np.uint8)


@pytest.mark.parametrize("networks", [0, 1, 3])
def test_side_by_side_they_are_as_one_after_the_other(monkeypatch: pytest.MonkeyPatch, networks: int) -> None:
    ensemble = Ensemble(networks, SMALL, 15.0, 0.5)
    expected = texton_maps(picture(), ensemble, seed=5)
    monkeypatch.setattr("dynseg.regions.ensemble.runs_in_group", lambda image, parameters: True)
    seen: list[int] = []
    found = texton_maps(picture(), ensemble, 5, "cpu", lambda iteration, *_: seen.append(iteration))
    assert len(found) == len(expected) == networks
    assert sorted(seen) == sorted([1, 2, 3, 4, 5, 6] * networks)
    for labels, other in zip(found, expected, strict=True):
        assert labels.shape == other.shape == (24, 32)
        assert (labels == other).mean() > 0.99


@settings(max_examples=20, deadline=None)
@example((1, 50), [120, 30, 200], np.uint8, False)
@example((3, 40), [0], np.uint8, True)
@example((4, 400), [255, 255, 255], np.float32, False)
@given(
    st.tuples(st.integers(1, 40), st.integers(1, 400)),
    st.lists(st.integers(0, 255), min_size=1, max_size=4),
    st.sampled_from([np.uint8, np.float32]),
    st.booleans(),
)
def test_a_picture_of_one_colour_is_one_region(
    size: tuple[int, int], colour: list[int], dtype: type[Any], with_mask: bool
) -> None:
    image = np.broadcast_to(np.array(colour, dtype), (*size, len(colour))).copy()
    if dtype is np.float32:
        image /= 255
    mask = None
    if with_mask:
        mask = np.ones(size, np.bool_)
        mask[:, size[1] // 2 + 1 :] = False
        image[~mask] = 255 - image[~mask] if dtype is np.uint8 else 1 - image[~mask]
    labels = dynseg.segment_regions(image, mask=mask, device="cpu").labels
    assert len(np.unique(labels if mask is None else labels[mask])) == 1


def test_two_colours_are_learned_from_however_thin_the_picture() -> None:
    image = np.zeros((3, 60, 3), np.uint8)
    image[:, 30:] = 200
    labels = dynseg.segment_regions(image, device="cpu").labels
    assert len(np.unique(labels)) > 1
