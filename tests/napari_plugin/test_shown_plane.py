"""Which part of an array is segmented, and how its values become an image."""

import numpy as np
import pytest

from dynseg.errors import UserError
from dynseg.napari_plugin.planes import Plane, join_channels


def test_a_stack_gives_the_plane_that_is_shown() -> None:
    stack = np.random.default_rng(0).integers(0, 256, (4, 5, 6), np.uint8)
    np.testing.assert_array_equal(Plane.shown((0, 1, 2), (3, 0, 0)).pixels(stack)[:, :, 0], stack[3])
    # Rolled, so that the viewer shows other axes; rows and columns stay in the array's order.
    np.testing.assert_array_equal(Plane.shown((2, 1, 0), (0, 0, 5)).pixels(stack)[:, :, 0], stack[:, :, 5])


@pytest.mark.parametrize("channels", [0, 1, 2])
def test_channels_of_any_axis_come_last(channels: int) -> None:
    image = np.random.default_rng(0).integers(0, 256, (5, 6, 4), np.uint8)
    stored = np.moveaxis(image, 2, channels)
    plane = Plane.shown((0, 1, 2), (0, 0, 0), channels)
    np.testing.assert_array_equal(plane.pixels(stored), image)


def test_channels_of_a_plane_of_a_stack() -> None:
    stack = np.random.default_rng(0).integers(0, 256, (3, 4, 5, 6), np.uint8)
    plane = Plane.shown((0, 1, 2, 3), (2, 1, 0, 0), channels=1)
    np.testing.assert_array_equal(plane.pixels(stack), np.moveaxis(stack[2], 0, 2))


def test_two_axes_leave_none_for_channels() -> None:
    with pytest.raises(UserError, match="this layer alone"):
        Plane.shown((0, 1), (0, 0), channels=0)


def test_deep_values_are_scaled_as_those_of_files_are() -> None:
    values = np.arange(10_000, dtype=np.uint16).reshape(100, 100)
    values[0, 0] = 60_000
    pixels = Plane.shown((0, 1), (0, 0)).pixels(values)
    assert pixels.dtype == np.float32
    assert pixels[0, 0, 0] == 1
    assert pixels[99, 0, 0] == pytest.approx(0.99, abs=0.01)


def test_colours_are_taken_as_the_viewer_takes_them() -> None:
    plane = Plane.shown((0, 1), (0, 0))
    values = np.array([[[0.2, 0.4, 1.2]]])
    assert plane.pixels(values, is_rgb=True)[0, 0].tolist() == pytest.approx([0.2, 0.4, 1])
    with_alpha = np.array([[[10, 20, 30, 255], [10, 20, 30, 0]]], np.uint8)
    assert plane.pixels(with_alpha, is_rgb=True).tolist() == [[[10, 20, 30], [255, 255, 255]]]
    assert plane.pixels(with_alpha[:, :1], is_rgb=True).tolist() == [[[10, 20, 30]]]
    assert plane.pixels(values.astype(np.float32)[:, :, :1] > 0).tolist() == [[[255]]]


@pytest.mark.parametrize(
    ("values", "words"), [(np.full((2, 3), np.nan), "6 pixels"), (np.zeros((2, 3), complex), "complex128")]
)
def test_values_that_are_refused(values: np.ndarray, words: str) -> None:
    with pytest.raises(UserError, match=words):
        Plane.shown((0, 1), (0, 0)).pixels(values)


def test_channels_of_several_layers() -> None:
    grey, deep = np.full((2, 3, 1), 51, np.uint8), np.full((2, 3, 1), 0.5, np.float32)
    assert join_channels([grey]).shape == (2, 3, 3)
    assert join_channels([grey, grey]).dtype == np.uint8
    assert join_channels([grey, deep])[0, 0].tolist() == pytest.approx([0.2, 0.5])


def test_scribbles_of_a_layer_of_the_images_axes() -> None:
    stack = np.zeros((2, 3, 4, 5), int)
    stack[1, 0, 2, 3], stack[1, 2, 0, 0], stack[0, 0, 1, 1] = 7, 8, 9
    marks = Plane.shown((0, 1, 2, 3), (1, 0, 0, 0), channels=1).marks(stack)
    assert marks.shape == (4, 5)
    assert (marks[2, 3], marks[0, 0], marks[1, 1]) == (7, 8, 0)


def test_scribbles_of_the_plane_alone() -> None:
    plane = Plane.shown((0, 1, 2), (9, 0, 0))
    flat = np.arange(6).reshape(2, 3)
    np.testing.assert_array_equal(plane.marks(flat), flat)
    np.testing.assert_array_equal(plane.marks(flat[np.newaxis]), flat)
    with pytest.raises(UserError, match="4 axes"):
        plane.marks(np.zeros((1, 1, 2, 3), int))
