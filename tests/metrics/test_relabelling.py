"""Labels without gaps."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray

from dynseg.metrics.relabelling import relabel

LABELS = st.one_of(
    st.sampled_from([np.uint8, np.int64, np.uint64, np.bool_]).flatmap(
        lambda dtype: arrays(dtype, array_shapes(min_dims=1, max_dims=2, min_side=0, max_side=6))
    )
)


@given(LABELS)
def test_places_among_the_labels_that_occur_give_the_labels_back(labels: NDArray) -> None:
    found, compact = relabel(labels)
    assert compact.shape == labels.shape
    np.testing.assert_array_equal(found[compact], labels)
    np.testing.assert_array_equal(found, np.unique(labels))
