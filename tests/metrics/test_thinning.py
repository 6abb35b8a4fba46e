"""Thinning agrees with scikit-image's, pixel by pixel."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from skimage.data import binary_blobs
from skimage.morphology import thin as oracle

from dynseg.metrics.thinning import thin


@given(hnp.arrays(bool, st.tuples(st.integers(1, 12), st.integers(1, 12))))
def test_small_maps_are_thinned_as_by_scikit_image(boundaries):
    np.testing.assert_array_equal(thin(boundaries), oracle(boundaries))


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_thick_blobs_are_thinned_as_by_scikit_image(share):
    blobs = binary_blobs(100, blob_size_fraction=0.1, volume_fraction=share, rng=0)
    thinned = thin(blobs)
    np.testing.assert_array_equal(thinned, oracle(blobs))
    np.testing.assert_array_equal(thin(thinned), thinned)


def test_maps_in_columns_as_matlab_has_them_are_thinned_alike():
    blobs = binary_blobs(60, rng=0)
    np.testing.assert_array_equal(thin(np.asfortranarray(blobs)), thin(blobs))


def test_what_is_given_stays_as_it_is():
    boundaries = np.ones((4, 6), dtype=bool)
    thin(boundaries)
    assert boundaries.all()
