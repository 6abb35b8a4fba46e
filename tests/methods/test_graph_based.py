import numpy as np
import pytest

from dynseg.datasets.preparing import prepare
from dynseg.datasets.reading import find_image
from dynseg.errors import UserError
from dynseg.io.ground_truth import read_segments
from dynseg.io.images import read_image
from dynseg.methods import Context
from dynseg.methods.graph_based import GraphBasedParameters, segment
from dynseg.scoring.pooling import pool
from dynseg.scoring.scores import score_image, score_table


def noisy_squares():
    rng = np.random.default_rng(0)
    image = rng.integers(0, 60, (64, 64, 3))
    image[16:48, 16:48] += 150
    return image.astype(np.uint8)


def test_areas_of_different_colour_are_told_apart():
    labels = segment(noisy_squares(), Context(), GraphBasedParameters(scale=300, sigma=0.5, minimum_size=100)).labels
    inside = np.unique(labels[18:46, 18:46])
    assert inside.size == 1
    assert inside[0] not in labels[:14]


def test_scale_is_for_colours_in_0_to_255():
    # A step of 10 grey levels: the threshold of two areas of 2048 pixels at scale 1000 is 1000 / 2048 / 255 and up.
    image = np.full((64, 64, 3), 100, dtype=np.uint8)
    image[:, 32:] = 110

    def count(scale):
        return np.unique(segment(image, Context(), GraphBasedParameters(scale, sigma=0, minimum_size=0)).labels).size

    assert count(1_000) == 2
    assert count(2048 * 30) == 1


@pytest.mark.parametrize("minimum_size", [10, 200])
def test_no_segment_is_smaller_than_the_minimum(minimum_size):
    labels = segment(noisy_squares(), Context(), GraphBasedParameters(10.0, 0.0, minimum_size)).labels
    assert np.unique(labels, return_counts=True)[1].min() >= minimum_size


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (5, 4)])
def test_a_flat_image_is_one_segment(shape):
    labels = segment(np.full((*shape, 3), 9, dtype=np.uint8), Context(), GraphBasedParameters()).labels
    np.testing.assert_array_equal(labels, np.zeros(shape))


@pytest.mark.parametrize(("name", "value"), [("scale", 0.0), ("sigma", -0.1), ("minimum_size", -1)])
def test_parameters_that_make_no_sense_are_refused(name, value):
    with pytest.raises(UserError, match=name):
        GraphBasedParameters(**{name: value})


@pytest.fixture(scope="module")
def bsd500(archives, tmp_path_factory):
    folder = tmp_path_factory.mktemp("bsd500")
    return folder, prepare("bsd500", archives / "BSR_bsds500.tgz", folder, "bsd500", split="test")


@pytest.mark.archives
@pytest.mark.slow
@pytest.mark.parametrize(
    ("parameters", "relabelled", "raw"),
    [
        (GraphBasedParameters(300.0, 0.5, 20), (0.3571, 0.3361, 0.3789), (0.3539, 0.3315, 0.3780)),
        (GraphBasedParameters(100.0, 0.8, 100), (0.3121, 0.2989, 0.3187), (0.3095, 0.2954, 0.3170)),
    ],
)
def test_known_scores_on_all_test_images_are_met(bsd500, parameters, relabelled, raw):
    folder, image_ids = bsd500
    rows = []
    for image_id in image_ids:
        labels = segment(read_image(find_image(folder, image_id)), Context(image_id), parameters).labels
        rows += score_image(image_id, read_segments(folder / "ground_truth.h5", image_id), labels)
    scores = pool(score_table(rows))
    selections = ("all", "fine", "coarse")
    assert [scores[name] for name in selections] == pytest.approx(relabelled, abs=0.0005)
    assert [scores[f"raw_{name}"] for name in selections] == pytest.approx(raw, abs=0.0005)
