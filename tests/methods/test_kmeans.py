import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from threadpoolctl import threadpool_limits

from dynseg.errors import UserError
from dynseg.methods import Context
from dynseg.methods.kmeans import FITTED_PIXELS, KMeansParameters, colour_windows, segment


def noise(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_a_cluster_is_a_colour_even_in_unconnected_parts_of_a_large_image():
    image = np.zeros((260, 200, 3), dtype=np.uint8)
    image[:, 50:100] = 180
    image[100:120, 150:] = 180
    assert image.shape[0] * image.shape[1] > FITTED_PIXELS
    labels = segment(image, Context(), KMeansParameters(clusters=2, window=1)).labels
    assert np.unique(labels).size == 2
    np.testing.assert_array_equal(labels == labels[0, 60], image[:, :, 0] == 180)


def test_windows_tell_apart_textures_that_share_their_colours():
    image = np.zeros((40, 40, 3), dtype=np.uint8)
    image[::2, :20] = 255  # horizontal stripes on the left, vertical ones on the right
    image[:, 20::2] = 255
    labels = segment(image, Context(seed=1), KMeansParameters(clusters=4, window=3)).labels
    assert not set(np.unique(labels[:, :18])) & set(np.unique(labels[:, 22:]))


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 6), st.integers(1, 6), st.sampled_from([1, 3, 5]))
def test_windows_are_the_mirrored_neighbourhoods(height, width, window):
    image = noise(height, width)
    windows = colour_windows(image, window).reshape(height, width, 3, window, window)
    margin = window // 2

    def mirrored(position, length):
        position %= 2 * length
        return min(position, 2 * length - 1 - position)

    for (row, column, colour, down, right), value in np.ndenumerate(windows):
        source = mirrored(row + down - margin, height), mirrored(column + right - margin, width), colour
        assert value == pytest.approx(image[source] / 255)


def test_the_seed_and_not_the_number_of_threads_decides():
    image = noise(230, 200)
    parameters = KMeansParameters(clusters=5, window=3)
    first = segment(image, Context(seed=3), parameters).labels
    with threadpool_limits(limits=1):
        np.testing.assert_array_equal(segment(image, Context(seed=3), parameters).labels, first)
    assert (segment(image, Context(seed=4), parameters).labels != first).any()


@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (30, 20)])
def test_a_flat_image_is_one_cluster(shape):
    labels = segment(np.full((*shape, 3), 7, dtype=np.uint8), Context(), KMeansParameters()).labels
    assert labels.shape == shape
    assert np.unique(labels).size == 1


@pytest.mark.parametrize(("name", "value"), [("clusters", 0), ("window", 4), ("window", -1)])
def test_parameters_that_make_no_sense_are_refused(name, value):
    with pytest.raises(UserError, match=name):
        KMeansParameters(**{name: value})
