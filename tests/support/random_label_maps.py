"""Random label maps for property tests."""

import numpy as np
from hypothesis import settings, strategies
from hypothesis.extra import numpy as arrays

# A machine may be busy with other things than these tests.
quickly = settings(max_examples=50, deadline=None)


@strategies.composite
def label_map_pairs(draw, dtype=np.uint8, labels=6):
    """Two label maps of one shape."""
    shape = draw(arrays.array_shapes(min_dims=2, max_dims=2, max_side=9))
    elements = strategies.integers(0, labels - 1)
    return tuple(draw(arrays.arrays(dtype, shape, elements=elements)) for _ in range(2))
