"""From image layers to pixels, and from regions to labels layers that lie on them."""

from typing import TYPE_CHECKING, Any

import numpy as np

from dynseg.errors import UserError
from dynseg.napari_plugin.planes import Pixels, Plane, join_channels

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image

# The choice of channels that takes every visible image layer of the same shape as one.
ALL_LAYERS = "all visible images"


def channel_axes(image: "Image") -> list[tuple[int, int]]:
    """Return the axes of an image layer that may hold channels, with their sizes: of stacks all, else none."""
    sizes = _values(image).shape
    return list(enumerate(sizes)) if len(sizes) > 2 and not image.rgb else []


def shown_plane(viewer: "ViewerModel", image: "Image", channels: int | None) -> Plane:
    """Return the plane of an image layer that the viewer shows."""
    beyond = viewer.dims.ndim - image.ndim
    order = [axis - beyond for axis in viewer.dims.order if axis >= beyond]
    sizes = _values(image).shape[: image.ndim]
    at = np.rint(image.world_to_data(_point(viewer, image)))
    return Plane.shown(order, np.clip(at, 0, np.array(sizes) - 1).astype(int).tolist(), channels)


def read_pixels(viewer: "ViewerModel", image: "Image", plane: Plane, joins_layers: bool) -> Pixels:
    """Return a plane of an image layer as an image, (H, W, C), alone or with the other visible layers as channels.

    Raises
    ------
    UserError
        If values can't be used, or layers that are joined are RGB.
    """
    images = _visible_beside(viewer, image) if joins_layers else [image]
    if len(images) > 1 and image.rgb:
        raise UserError(f"the layer {image.name} is RGB and has its channels: choose this layer alone")
    return join_channels([plane.pixels(_values(each), each.rgb) for each in images])


def labels_shape(image: "Image", plane: Plane) -> tuple[int, ...]:
    """Return the shape of the array of a labels layer that holds one plane of an image layer."""
    sizes = _values(image).shape
    return tuple(sizes[axis] if axis in (plane.rows, plane.columns) else 1 for axis in _kept_axes(image, plane))


def labels_settings(image: "Image", plane: Plane) -> dict[str, Any]:
    """Return the settings of a labels layer that lies on one plane of an image layer.

    It has the image's scale, rotation, shear, affine transform, units and names of axes, is shown at the image's plane
    alone, and at every channel.
    """
    from napari.utils.transforms import CompositeAffine

    kept = _kept_axes(image, plane)
    stretch, offset = np.ones(image.ndim), np.array(plane.at, float)
    if plane.channels is not None and plane.channels in kept:
        # One pixel for all channels, since layers are lined up by their last axes.
        count = _values(image).shape[plane.channels]
        stretch[plane.channels], offset[plane.channels] = count, (count - 1) / 2
    corner = image.affine.inverse(image.data_to_world(offset))
    placed = CompositeAffine(
        scale=image.scale * stretch, translate=corner, rotate=image.rotate, shear=image.shear, ndim=image.ndim
    ).set_slice(kept)
    return {
        "scale": placed.scale,
        "translate": placed.translate,
        "rotate": placed.rotate,
        "shear": placed.shear,
        "affine": image.affine.set_slice(kept).affine_matrix,
        "units": [image.units[axis] for axis in kept],
        "axis_labels": [image.axis_labels[axis] for axis in kept],
    }


def _kept_axes(image: "Image", plane: Plane) -> list[int]:
    """Return the image's axes that its labels have, too: all but leading channels."""
    return [axis for axis in range(image.ndim) if axis != 0 or plane.channels != 0]


def _values(image: "Image") -> Any:
    return image.data[0] if image.multiscale else image.data


def _visible_beside(viewer: "ViewerModel", image: "Image") -> list["Image"]:
    from napari.layers import Image

    shape = _values(image).shape
    return [
        layer
        for layer in viewer.layers
        if isinstance(layer, Image) and (layer is image or (layer.visible and _values(layer).shape == shape))
    ]


def _point(viewer: "ViewerModel", image: "Image") -> list[float]:
    """Return where the viewer stands, on the layer's axes and in the layer's units."""
    point = viewer.dims.point[-image.ndim :]
    shared = viewer.dims.units
    if shared is None:
        return list(point)
    return [
        float((value * unit).to(own).magnitude) if unit.is_compatible_with(own) else value
        for value, unit, own in zip(point, shared[-image.ndim :], image.units, strict=True)
    ]
