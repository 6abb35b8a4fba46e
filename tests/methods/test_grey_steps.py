import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from dynseg.datasets.preparing import prepare
from dynseg.datasets.reading import find_image
from dynseg.errors import UserError
from dynseg.io.ground_truth import read_segments
from dynseg.io.images import read_image
from dynseg.methods import Context
from dynseg.methods.grey_steps import GreyStepsParameters, segment
from dynseg.scoring.pooling import pool
from dynseg.scoring.scores import score_image, score_table


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


@pytest.mark.archives
@pytest.mark.slow
def test_the_floor_on_all_test_images(archives, tmp_path):
    rows = []
    for image_id in prepare("bsd500", archives / "BSR_bsds500.tgz", tmp_path, "bsd500", split="test"):
        labels = segment(read_image(find_image(tmp_path, image_id)), Context(image_id), GreyStepsParameters()).labels
        rows += score_image(image_id, read_segments(tmp_path / "ground_truth.h5", image_id), labels)
    scores = pool(score_table(rows))
    assert [scores[name] for name in ("all", "fine", "coarse")] == pytest.approx([0.300, 0.297, 0.311], abs=0.0005)


@pytest.mark.parametrize("steps", [0, 257])
def test_steps_that_make_no_sense_are_refused(steps):
    with pytest.raises(UserError, match="steps"):
        GreyStepsParameters(steps)
