"""The sizes of an image on its way to a label map."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from dynseg.training.sizes import LEAST_TRAINING_SIDE, Sizes

sides = st.integers(1, 5000)


def test_a_large_image_is_reduced_before_the_network_sees_it_and_again_for_training() -> None:
    sizes = Sizes.within((4000, 6000), 512, 0.25)
    assert sizes == Sizes((4000, 6000), (341, 512), (85, 128))
    assert sizes.facts() == {"trained_height": 85, "trained_width": 128, "applied_height": 341, "applied_width": 512}
    assert Sizes.at_scale((30, 41), 0.5) == Sizes((30, 41), (30, 41), (15, 20))


@given(sides, sides, st.integers(1, 6000), st.floats(0.01, 1))
def test_no_stage_is_larger_than_the_one_before(height: int, width: int, max_size: int, scale: float) -> None:
    sizes = Sizes.within((height, width), max_size, scale)
    stages = (sizes.original, sizes.applied, sizes.trained)
    for larger, smaller in pairwise(stages):
        assert 1 <= smaller[0] <= larger[0]
        assert 1 <= smaller[1] <= larger[1]
    assert max(sizes.applied) == min(max_size, max(height, width))
    assert max(sizes.trained) >= min(LEAST_TRAINING_SIDE, max(sizes.applied))
