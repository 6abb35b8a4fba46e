"""Contour maps as hierarchies, against the benchmark's own way of cutting them."""

import numpy as np
import pytest
from hypothesis import given, settings
from numpy.typing import NDArray
from random_hierarchies import hierarchies

from dynseg.hierarchy import Hierarchy
from dynseg.io.contour_hierarchy import hierarchy_of_contour_map
from dynseg.io.contour_maps import CONTOUR_THRESHOLDS, cut_contour_map


def are_the_same_regions(one: NDArray, other: NDArray) -> bool:
    pairs = np.unique(np.stack([one.ravel(), other.ravel()]), axis=1)
    return pairs.shape[1] == np.unique(one).size == np.unique(other).size


@settings(max_examples=50, deadline=None)
@given(hierarchies())
def test_it_has_the_regions_of_the_contour_map_at_every_threshold(hierarchy: Hierarchy) -> None:
    contour_map = hierarchy.ucm()
    found = hierarchy_of_contour_map(contour_map)
    assert found is not None
    for threshold in (0, *CONTOUR_THRESHOLDS[::7], 1):
        regions = cut_contour_map(contour_map, threshold)
        assert are_the_same_regions(found.cut_at(threshold), regions)
        assert are_the_same_regions(hierarchy.cut_at(threshold), regions)
    np.testing.assert_array_equal(found.ucm(), contour_map)
    assert found.altitudes.dtype == np.float64


def cross() -> NDArray[np.float64]:
    """Four pixels with a contour of .5 around each."""
    contour_map = np.full((5, 5), 0.5)
    contour_map[1::2, 1::2] = 0
    return contour_map


@pytest.mark.parametrize("place", [(1, 1), (2, 2), (0, 2), (4, 2), (2, 0), (2, 4)])
def test_regions_that_are_joined_elsewhere_make_no_hierarchy(place: tuple[int, int]) -> None:
    assert hierarchy_of_contour_map(cross()) is not None
    contour_map = cross()
    contour_map[place] = 0.25
    assert hierarchy_of_contour_map(contour_map) is None
