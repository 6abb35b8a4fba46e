"""The method `regions`: what it returns, and where it cuts."""

import numpy as np
import pytest

import dynseg
from dynseg.errors import UserError
from dynseg.methods import Context, Segmentation, find_method
from dynseg.methods.regions import RegionsParameters, total_iterations
from dynseg.metrics import connected_components

QUICK = {"networks": 2, "iterations": 4, "components": 1, "channels": 12}


def picture(size: tuple[int, int] = (60, 80)) -> np.ndarray:
    height, width = size
    image = np.random.default_rng(0).integers(0, 30, (height, width, 3)).astype(np.uint8)
    image[:, width // 2 :] += np.array([150, 60, 20], np.uint8)
    return image


def run(image: np.ndarray, **values: object) -> Segmentation:
    method = find_method("regions")
    return method.segment(image, Context(), method.make_parameters({**QUICK, **values}))


def test_the_label_map_is_a_cut_of_the_hierarchy_and_says_where() -> None:
    result = run(picture())
    assert result.hierarchy is not None
    assert np.array_equal(result.labels, result.hierarchy.cut_at(float(result.facts["threshold"])))
    assert result.facts["segments"] == np.unique(result.labels).size == connected_components(result.labels, 4).max()
    assert result.labels[30, 5] != result.labels[30, 75]


@pytest.mark.parametrize("segments", [1, 2, 5])
def test_a_number_of_regions_is_had_exactly(segments: int) -> None:
    assert np.unique(run(picture(), segments=segments).labels).size == segments


def test_another_seed_is_another_ensemble_and_none_is_colour_alone() -> None:
    method = find_method("regions")
    parameters = method.make_parameters({**QUICK, "networks": 1})
    first, second = (method.segment(picture(), Context(seed=seed), parameters) for seed in (0, 1))
    assert first.hierarchy is not None
    assert second.hierarchy is not None
    assert not np.array_equal(first.hierarchy.altitudes, second.hierarchy.altitudes)
    assert run(picture(), networks=0).labels[30, 5] != run(picture(), networks=0).labels[30, 75]


def test_the_ensembles_of_two_seeds_share_no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    from dynseg.regions import ensemble

    seeds: list[int] = []
    original = ensemble.initial_network

    def noted(components: int, channels: int, seed: int, *rest: object) -> object:
        seeds.append(seed)
        return original(components, channels, seed, *rest)

    monkeypatch.setattr(ensemble, "initial_network", noted)
    method = find_method("regions")
    for seed in (0, 1):
        method.segment(picture(), Context(seed=seed), method.make_parameters({**QUICK, "networks": 3}))
    assert seeds == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("image", [np.full((50, 60, 3), 90, np.uint8), np.zeros((1, 1, 3), np.uint8)])
def test_a_uniform_image_has_one_label(image: np.ndarray) -> None:
    assert np.unique(run(image).labels).tolist() == [0]


def test_a_faint_picture_is_not_one_region() -> None:
    image = np.full((60, 80, 3), 100, np.uint8)
    image[:, 40:] = 108
    assert np.unique(run(image).labels).size == 2


@pytest.mark.parametrize("bands", [1, 2, 5])
def test_any_number_of_bands(bands: int) -> None:
    image = np.concatenate([picture()] * 2, axis=2)[:, :, :bands] / np.float32(255)
    labels = run(image.astype(np.float32)).labels
    assert labels[30, 5] != labels[30, 75]


def test_two_ways_to_cut_are_refused() -> None:
    with pytest.raises(UserError, match="threshold and segments both"):
        RegionsParameters(threshold=0.3, segments=4)


def test_iterations_are_counted_over_all_networks() -> None:
    calls = []
    dynseg.segment_regions(picture(), device="cpu", on_iteration=lambda iteration, *_: calls.append(iteration))
    assert len(calls) == total_iterations(RegionsParameters())


def test_a_large_image_gets_whole_regions_at_its_own_size() -> None:
    result = dynseg.segment_regions(picture((300, 420)), segments=6, max_size=100, device="cpu")
    assert result.labels.shape == (300, 420)
    assert connected_components(result.labels, 4).max() == 6
    assert (result.facts["applied_height"], result.facts["applied_width"]) == (71, 100)


def test_scribbles_choose_the_cut_and_nothing_else_may() -> None:
    scribbles = np.full((60, 80), 255, np.uint8)
    scribbles[20:40, 10], scribbles[20:40, 70] = 2, 8
    result = dynseg.segment_regions(picture(), scribbles=scribbles, device="cpu")
    assert (result.labels[30, 5], result.labels[30, 75]) == (2, 8)
    with pytest.raises(UserError, match="scribbles choose the cut"):
        dynseg.segment_regions(picture(), segments=3, scribbles=scribbles)
    with pytest.raises(UserError, match="draw them at the image's size"):
        dynseg.segment_regions(picture(), scribbles=scribbles[:9])
