"""Cuts of a hierarchy, and its contour map."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynseg.hierarchy import Hierarchy
from dynseg.io.contour_maps import cut_contour_map
from dynseg.metrics import connected_components
from dynseg.regions.boundaries import boundary_evidence
from dynseg.regions.merging import build_hierarchy

SIZES = [(1, 1), (1, 7), (9, 1), (2, 2), (12, 17), (33, 20)]


def noise(size: tuple[int, int], seed: int, bands: int = 3) -> np.ndarray:
    """Blocks of random colours with some noise."""
    generator = np.random.default_rng(seed)
    height, width = size
    blocks = generator.integers(0, 200, (-(-height // 4), -(-width // 4), bands))
    image = blocks.repeat(4, axis=0).repeat(4, axis=1)[:height, :width] + generator.integers(0, 40, (*size, bands))
    return image.astype(np.uint8)


def hierarchy_of(size: tuple[int, int], seed: int, bands: int = 3) -> Hierarchy:
    image = noise(size, seed, bands)
    textons = np.random.default_rng(seed).integers(0, 4, size)
    return build_hierarchy(image, boundary_evidence(image, [textons]))


hierarchies = st.builds(hierarchy_of, st.sampled_from(SIZES), st.integers(0, 50), st.sampled_from([1, 3, 5]))


@given(hierarchies)
def test_every_number_of_regions_is_had_exactly_and_each_is_connected(hierarchy: Hierarchy) -> None:
    for regions in range(1, hierarchy.leaf_count + 1):
        cut = hierarchy.cut_into(regions)
        assert np.unique(cut).tolist() == list(range(regions))
        assert connected_components(cut, 4).max() == regions


@given(hierarchies)
def test_cuts_into_one_more_region_differ_by_one_merge(hierarchy: Hierarchy) -> None:
    for regions in range(1, hierarchy.leaf_count):
        coarse, fine = hierarchy.cut_into(regions), hierarchy.cut_into(regions + 1)
        pairs = np.unique(np.stack([fine.ravel(), coarse.ravel()]), axis=1)
        assert pairs.shape[1] == regions + 1


@given(hierarchies, st.floats(0, 1))
def test_the_contour_map_cut_as_the_benchmark_does_is_the_cut(hierarchy: Hierarchy, threshold: float) -> None:
    contours = hierarchy.ucm()
    height, width = hierarchy.leaves.shape
    assert contours.shape == (2 * height + 1, 2 * width + 1)
    for each in (threshold, *hierarchy.altitudes[:3].tolist()):
        regions = cut_contour_map(contours.astype(np.float64), each).astype(np.int64)
        cut = hierarchy.cut_at(each)
        pairs = np.unique(regions * (cut.max() + 1) + cut)
        assert len(pairs) == len(np.unique(regions)) == len(np.unique(cut))


@given(hierarchies)
def test_altitudes_never_fall_and_say_where_a_number_of_regions_is_reached(hierarchy: Hierarchy) -> None:
    assert (np.diff(hierarchy.altitudes) >= 0).all()
    assert ((hierarchy.altitudes >= 0) & (hierarchy.altitudes <= 1)).all()
    for regions in range(1, hierarchy.leaf_count + 1):
        assert hierarchy.cut_at(hierarchy.threshold_of(regions)).max() + 1 <= regions


def test_regions_are_numbered_by_their_first_pixels() -> None:
    cut = hierarchy_of((33, 20), 1).cut_into(9).ravel()
    firsts = [int(np.argmax(cut == region)) for region in range(9)]
    assert firsts == sorted(firsts)


def test_more_regions_than_leaves_are_the_leaves_and_less_than_one_is_refused() -> None:
    hierarchy = hierarchy_of((12, 17), 0)
    assert hierarchy.cut_into(10**6).max() + 1 == hierarchy.leaf_count
    with pytest.raises(ValueError, match="at least 1 region"):
        hierarchy.cut_into(0)
