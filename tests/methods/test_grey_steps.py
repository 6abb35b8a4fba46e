import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from dynseg.errors import UserError
from dynseg.methods import Context
from dynseg.methods.grey_steps import GreyStepsParameters, segment


def grey(levels):
    return np.repeat(np.array(levels, dtype=np.uint8)[None, :, None], 3, axis=2)


def test_steps_are_equally_wide_from_black_to_white():
    labels = segment(grey(range(256)), Context(), GreyStepsParameters(steps=4)).labels
    np.testing.assert_array_equal(np.unique(labels, return_counts=True), [[0, 1, 2, 3], [64] * 4])
    assert (np.diff(labels[0].astype(int)) >= 0).all()


def test_every_grey_level_may_be_a_step_of_its_own():
    labels = segment(grey(range(256)), Context(), GreyStepsParameters(steps=256)).labels
    np.testing.assert_array_equal(labels[0], np.arange(256))


@given(arrays(np.uint8, (3, 4, 3)), st.integers(1, 256))
def test_the_channels_count_alike(image, steps):
    labels = segment(image, Context(), GreyStepsParameters(steps)).labels
    np.testing.assert_array_equal(segment(image[..., ::-1], Context(), GreyStepsParameters(steps)).labels, labels)
    assert labels.max() < steps


@pytest.mark.parametrize("steps", [0, 257])
def test_steps_that_make_no_sense_are_refused(steps):
    with pytest.raises(UserError, match="steps"):
        GreyStepsParameters(steps)
