"""Regions by windows are those of the image in one piece, and end at windows no more than anywhere."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from large_scene import scene_truth, write_scene
from numpy.typing import NDArray
from sklearn.metrics import rand_score

from dynseg.hierarchy import Hierarchy
from dynseg.methods.regions import RegionsParameters, cut, find_hierarchy, make_ensemble
from dynseg.regions.boundaries import boundary_evidence
from dynseg.regions.windows import MARGIN, windowed_hierarchy

ENSEMBLE = make_ensemble(RegionsParameters(iterations=5))
COLOUR_ALONE = make_ensemble(RegionsParameters(networks=0))


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> NDArray[np.uint8]:
    import tifffile

    path = tmp_path_factory.mktemp("scene") / "scene.tif"
    write_scene(path, 400, field=110)
    image: NDArray[np.uint8] = tifffile.imread(path)[:300]
    return image


def share_on(labels: NDArray[np.integer], window: int) -> tuple[float, float]:
    """Return the share of sides of regions that lie between windows, and that of such sides among all."""
    found = lines = sides = 0
    on_seams = 0
    for each in (labels, labels.T):
        differ = each[1:] != each[:-1]
        found += int(differ.sum())
        on_seams += int(differ[window - 1 :: window].sum())
        sides += differ.size
        lines += differ[window - 1 :: window].size
    return on_seams / found, lines / sides


def test_evidence_of_a_window_with_its_margin_is_that_of_the_whole(scene: NDArray[np.uint8]) -> None:
    whole = boundary_evidence(scene, [])
    inner = slice(96, 200)
    outer = slice(inner.start - MARGIN, inner.stop + MARGIN)
    part = boundary_evidence(scene[outer, outer], [])
    cropped = part.strength[MARGIN:-MARGIN, MARGIN:-MARGIN]
    assert np.abs(cropped - whole.strength[inner, inner]).max() < 1e-4


@pytest.mark.parametrize("window", [64, 128])
def test_small_windows_give_the_regions_of_one(scene: NDArray[np.uint8], window: int) -> None:
    whole = windowed_hierarchy(scene, ENSEMBLE, 0, window=1024)
    pieces = windowed_hierarchy(scene, ENSEMBLE, 0, window=window)
    for regions in (2, 5, 10):
        assert rand_score(whole.cut_into(regions).ravel(), pieces.cut_into(regions).ravel()) > 0.99


def test_one_window_gives_what_the_image_in_one_piece_does(scene: NDArray[np.uint8]) -> None:
    parameters = RegionsParameters(segments=9)
    whole = cut(find_hierarchy(scene, 0, "cpu", parameters), parameters).labels
    window = cut(windowed_hierarchy(scene, make_ensemble(parameters), 0), parameters).labels
    assert rand_score(whole.ravel(), window.ravel()) > 0.99


def test_without_networks_one_window_is_the_same_to_the_bit(scene: NDArray[np.uint8]) -> None:
    whole = find_hierarchy(scene, 0, "cpu", RegionsParameters(networks=0))
    window = windowed_hierarchy(scene, COLOUR_ALONE, 0)
    assert np.array_equal(whole.leaves, window.leaves)
    assert np.array_equal(whole.cut_into(9), window.cut_into(9))


@pytest.mark.parametrize("window", [64, 128])
def test_regions_end_at_windows_no_more_than_anywhere(scene: NDArray[np.uint8], window: int) -> None:
    hierarchy = windowed_hierarchy(scene, ENSEMBLE, 0, window=window)
    for labels in (hierarchy.leaves, hierarchy.cut_into(40)):
        found, chance = share_on(labels, window)
        assert found < 1.5 * chance


def test_a_uniform_image_is_one_region_over_all_windows() -> None:
    hierarchy = windowed_hierarchy(np.full((200, 260, 3), 90, np.uint8), COLOUR_ALONE, 0, window=64)
    assert hierarchy.leaf_count == 1
    assert not hierarchy.leaves.any()


@settings(max_examples=8)
@given(
    height=st.integers(1, 150),
    width=st.integers(1, 150),
    bands=st.sampled_from([1, 3, 4]),
    hole=st.floats(0, 1),
    seed=st.integers(0, 99),
)
def test_every_pixel_with_data_is_of_a_leaf_and_no_other(
    height: int, width: int, bands: int, hole: float, seed: int
) -> None:
    random = np.random.default_rng(seed)
    image = np.repeat(np.repeat(random.random((10, 10, bands), np.float32), 15, axis=0), 15, axis=1)[:height, :width]
    valid = np.ones((height, width), np.bool_)
    valid[int(hole * height) :, : width // 2] = False
    valid[0, -1] = True
    hierarchy = windowed_hierarchy(image, COLOUR_ALONE, 0, valid=valid, window=64)
    assert np.array_equal(hierarchy.leaves >= 0, valid)
    assert np.array_equal(np.unique(hierarchy.leaves[valid]), np.arange(hierarchy.leaf_count))
    assert isinstance(hierarchy, Hierarchy)
    assert hierarchy.children.shape == (hierarchy.leaf_count - 1, 2)


@pytest.mark.slow
def test_fields_of_a_scene_of_many_windows_are_found(tmp_path: Path) -> None:
    import tifffile

    write_scene(tmp_path / "scene.tif", 1200, field=150)
    image = tifffile.imread(tmp_path / "scene.tif")
    hierarchy = windowed_hierarchy(image, make_ensemble(RegionsParameters()), 0, window=256)
    truth = scene_truth(1200, 1, field=150)
    assert rand_score(truth.ravel(), hierarchy.cut_at(0.42).ravel()) > 0.98
