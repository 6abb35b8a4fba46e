"""The networks of an ensemble: one after the other on the CPU, side by side on a GPU."""

import numpy as np
import pytest
from numpy.typing import NDArray

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
