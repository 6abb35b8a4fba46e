"""Labels lie on the pixels that they are of."""

from typing import Any

import numpy as np
import pytest

pytest.importorskip("napari.components")

from napari.components import ViewerModel

from dynseg.errors import UserError
from dynseg.napari_plugin.layers import (
    ALL_LAYERS,
    channel_axes,
    labels_settings,
    labels_shape,
    read_pixels,
    shown_plane,
)
from dynseg.napari_plugin.planes import Plane


def add_labels(viewer: ViewerModel, image: Any, plane: Plane) -> Any:
    """A labels layer of one plane, its pixels numbered."""
    shape = labels_shape(image, plane)
    labels = np.arange(1, np.prod(shape) + 1).reshape(shape)
    return viewer.add_labels(labels, **labels_settings(image, plane))


def test_a_plain_image() -> None:
    viewer = ViewerModel()
    image = viewer.add_image(
        np.zeros((4, 5, 3), np.uint8),
        rgb=True,
        scale=(2, 3),
        translate=(7, 8),
        rotate=30,
        shear=[0.2],
        affine=[[1, 0.1, 5], [0, 1, 6], [0, 0, 1]],
        units=("um", "nm"),
        axis_labels=("down", "right"),
    )
    labels = add_labels(viewer, image, shown_plane(viewer, image, None))
    assert labels.data.shape == (4, 5)
    for name in ("scale", "translate", "rotate", "shear"):
        np.testing.assert_allclose(getattr(labels, name), getattr(image, name), err_msg=name)
    np.testing.assert_allclose(labels.affine.affine_matrix, image.affine.affine_matrix)
    assert (labels.units, labels.axis_labels) == (image.units, image.axis_labels)
    np.testing.assert_allclose(labels.data_to_world((1, 2)), image.data_to_world((1, 2)))


def test_the_shown_plane_of_a_stack_in_its_own_units() -> None:
    viewer = ViewerModel()
    stack = np.random.default_rng(0).integers(0, 256, (6, 4, 5), np.uint8)
    image = viewer.add_image(stack, scale=(5, 2, 2), translate=(100, 0, 0), units=("um", "um", "um"))
    viewer.dims.set_point(0, 115)
    plane = shown_plane(viewer, image, None)
    assert plane == Plane(1, 2, (3, 0, 0))
    np.testing.assert_array_equal(read_pixels(viewer, image, plane, joins_layers=False)[:, :, 1], stack[3])
    labels = add_labels(viewer, image, plane)
    assert labels.data.shape == (1, 4, 5)
    np.testing.assert_allclose(labels.data_to_world((0, 1, 2)), image.data_to_world((3, 1, 2)))
    # Shown there, and on no other plane.
    assert labels.get_value((115, 2, 4), world=True) == labels.data[0, 1, 2]
    viewer.dims.set_point(0, 120)
    assert not labels.get_value((120, 2, 4), world=True)


def test_a_stack_beyond_the_viewers_place_gives_its_nearest_plane() -> None:
    viewer = ViewerModel()
    viewer.add_image(np.zeros((9, 4, 5), np.uint8))
    image = viewer.add_image(np.zeros((2, 4, 5), np.uint8))
    viewer.dims.set_point(0, 8)
    assert shown_plane(viewer, image, None).at == (1, 0, 0)


def test_a_flat_image_in_a_viewer_of_stacks() -> None:
    viewer = ViewerModel()
    viewer.add_image(np.zeros((9, 4, 5), np.uint8))
    image = viewer.add_image(np.zeros((4, 5), np.uint8))
    assert shown_plane(viewer, image, None) == Plane(0, 1, (0, 0))


@pytest.mark.parametrize(("channels", "shape"), [(0, (5, 6)), (1, (4, 1, 6)), (2, (4, 5, 1))])
def test_labels_are_seen_on_every_channel(channels: int, shape: tuple[int, ...]) -> None:
    viewer = ViewerModel()
    image = viewer.add_image(np.zeros((4, 5, 6), np.uint8), scale=(2, 3, 4))
    plane = shown_plane(viewer, image, channels)
    labels = add_labels(viewer, image, plane)
    assert labels.data.shape == shape
    for channel in range(image.data.shape[channels]):
        place = np.array([1, 2, 3])
        place[channels] = channel
        # Layers are lined up by their last axes.
        expected = labels.data.ravel()[np.ravel_multi_index(np.delete(place, channels), np.delete((4, 5, 6), channels))]
        assert labels.get_value(image.data_to_world(place), world=True) == expected


def test_a_multiscale_image_is_read_at_its_largest() -> None:
    viewer = ViewerModel()
    pyramid = [np.full((8, 10), 9, np.uint8), np.full((4, 5), 9, np.uint8)]
    image = viewer.add_image(pyramid, multiscale=True)
    plane = shown_plane(viewer, image, None)
    assert read_pixels(viewer, image, plane, joins_layers=False).shape == (8, 10, 3)
    assert labels_shape(image, plane) == (8, 10)


def test_visible_layers_of_the_same_shape_are_channels() -> None:
    viewer = ViewerModel()
    first = viewer.add_image(np.full((4, 5), 1, np.uint8))
    viewer.add_image(np.full((4, 5), 2, np.uint8), visible=False)
    viewer.add_image(np.full((4, 6), 3, np.uint8))
    viewer.add_image(np.full((4, 5), 4, np.uint8))
    plane = shown_plane(viewer, first, None)
    assert read_pixels(viewer, first, plane, joins_layers=True)[0, 0].tolist() == [1, 4]


def test_colour_layers_are_not_joined() -> None:
    viewer = ViewerModel()
    image = viewer.add_image(np.zeros((4, 5, 3), np.uint8), rgb=True)
    viewer.add_image(np.zeros((4, 5, 3), np.uint8), rgb=True)
    with pytest.raises(UserError, match="RGB"):
        read_pixels(viewer, image, shown_plane(viewer, image, None), joins_layers=True)


def test_axes_that_may_hold_channels() -> None:
    viewer = ViewerModel()
    assert channel_axes(viewer.add_image(np.zeros((2, 4, 5), np.uint8))) == [(0, 2), (1, 4), (2, 5)]
    assert channel_axes(viewer.add_image(np.zeros((4, 5), np.uint8))) == []
    assert channel_axes(viewer.add_image(np.zeros((9, 4, 5, 3), np.uint8), rgb=True)) == []
    assert ALL_LAYERS
