"""Regions at a larger size."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dynseg.metrics import connected_components
from dynseg.regions.enlarging import enlarge_regions


@given(st.integers(0, 100), st.integers(1, 14), st.integers(1, 14), st.floats(1, 6), st.floats(1, 6), st.integers(2, 5))
def test_every_region_is_there_and_connected(
    seed: int, height: int, width: int, down: float, across: float, labels: int
) -> None:
    drawn = np.random.default_rng(seed).integers(0, labels, (height, width))
    regions = (connected_components(drawn, 4) - 1).astype(np.int32)
    enlarged = enlarge_regions(regions, (round(height * down), round(width * across)))
    assert enlarged.shape == (round(height * down), round(width * across))
    assert np.unique(enlarged).tolist() == np.unique(regions).tolist()
    assert connected_components(enlarged, 4).max() == regions.max() + 1


def test_a_slanted_boundary_is_smooth() -> None:
    rows, columns = np.indices((40, 40))
    enlarged = enlarge_regions((columns > rows).astype(np.int32), (320, 320))
    rows, columns = np.indices((320, 320))
    # The boundary lies half a small pixel to the right; squares of 8 pixels would miss it by 2 a row on average.
    assert ((columns > rows + 4) != enlarged).sum() < 320


def test_the_same_size_is_the_same_label_map() -> None:
    regions = np.arange(12, dtype=np.int32).reshape(3, 4)
    assert np.array_equal(enlarge_regions(regions, (3, 4)), regions)
