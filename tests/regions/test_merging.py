"""Leaves and merges."""

from dataclasses import replace

import numpy as np

from dynseg.regions.boundaries import boundary_evidence
from dynseg.regions.merging import DETAILS, REGIONS, build_hierarchy


def quarters() -> np.ndarray:
    image = np.zeros((60, 80, 3), np.uint8)
    image[:30, 40:], image[30:, :40], image[30:, 40:] = (40, 40, 40), (200, 30, 30), (220, 60, 50)
    return image


def test_four_areas_are_four_regions_and_the_most_alike_merge_first() -> None:
    image = quarters()
    for parameters in (REGIONS, DETAILS):
        hierarchy = build_hierarchy(image, boundary_evidence(image, []), parameters)
        four, two = hierarchy.cut_at(0.1), hierarchy.cut_into(2)
        corners = [four[5, 5], four[5, 75], four[55, 5], four[55, 75]]
        assert len(set(corners)) == 4
        assert two[5, 5] == two[5, 75] != two[55, 5] == two[55, 75]


def test_the_same_evidence_makes_the_same_hierarchy() -> None:
    image = np.random.default_rng(3).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    first, second = (build_hierarchy(image, boundary_evidence(image, [])) for _ in range(2))
    assert np.array_equal(first.leaves, second.leaves)
    assert np.array_equal(first.children, second.children)
    assert np.array_equal(first.altitudes, second.altitudes)


def test_small_spots_outlive_large_regions_only_without_the_area_factor() -> None:
    image = np.full((100, 120, 3), 90, np.uint8)
    image[:, 60:] = 150
    image[48:52, 20:24] = (255, 0, 0)
    evidence = boundary_evidence(image, [])
    spot, ground, other = (50, 21), (50, 5), (50, 110)
    for power, apart in ((0.0, True), (1.0, False)):
        parameters = replace(REGIONS, area_share=0.02, area_power=power)
        two = build_hierarchy(image, evidence, parameters).cut_into(2)
        assert (two[spot] != two[ground]) == apart
        assert (two[ground] != two[other]) != apart


def test_a_uniform_image_is_one_leaf() -> None:
    image = np.full((30, 40, 3), 77, np.uint8)
    assert build_hierarchy(image, boundary_evidence(image, [])).leaf_count == 1
