"""Write label maps as microscopes' programs read them: OME-TIFF, and OME-Zarr beside the image."""

import hashlib
import uuid
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dynseg.errors import UserError
from dynseg.io.files import folder_written_aside, written_aside
from dynseg.io.pixel_sizes import SYMBOLS, PixelSize
from dynseg.io.value_range import PERCENTILES

LABELS_NAME = "dynseg"
"""What the label map is called in an OME-Zarr: it lies in labels/dynseg."""

_CHUNK = 1024
_SMALLEST_LEVEL = 256
_WRITABLE_VERSIONS = ("0.4", "0.5")
_CHANNEL_COLOURS = ("FF0000", "00FF00", "0000FF", "FF00FF", "00FFFF", "FFFF00")


def write_ome_tiff(path: Path, labels: NDArray[np.integer], size: PixelSize | None, name: str) -> None:
    """Write a label map as OME-TIFF, with the size of its pixels.

    Parameters
    ----------
    path : path
    labels : ndarray, (H, W), integer
        Non-negative.
    size : PixelSize, optional
    name : str
        What the image is called in the metadata.

    Raises
    ------
    UserError
        If the file can't be written.
    """
    from tifffile import imwrite

    about: dict[str, Any] = {"axes": "YX", "Name": name}
    if size is not None:
        for axis, length, unit in (("X", size.x, size.unit_x), ("Y", size.y, size.unit_y)):
            about[f"PhysicalSize{axis}"] = length
            about[f"PhysicalSize{axis}Unit"] = SYMBOLS.get(unit, "pixel")
    values = labels.astype(np.min_scalar_type(int(labels.max())))
    # The same labels make the same file.
    about["UUID"] = str(uuid.uuid5(uuid.NAMESPACE_OID, f"{name} {hashlib.sha256(values.tobytes()).hexdigest()}"))
    with written_aside(path) as aside:
        imwrite(aside, values, ome=True, photometric="minisblack", compression="zlib", metadata=about)


def write_ome_zarr(
    path: Path,
    bands: NDArray[Any],
    labels: NDArray[np.integer],
    colours: NDArray[np.uint8],
    *,
    size: PixelSize | None = None,
    channel_names: Sequence[str] = (),
    name: str = "image",
    version: str = "",
) -> None:
    """Write an OME-Zarr of an image, with its label map in labels/dynseg; both have all resolution levels.

    Parameters
    ----------
    path : path
        The folder to write, which is replaced if it is there.
    bands : ndarray, (H, W, channels), integer or floating
    labels : ndarray, (H, W), integer
        Non-negative; 0 is what has no label.
    colours : ndarray, (largest label + 1, 3), uint8
    size : PixelSize, optional
    channel_names : sequence of str
        By default red, green and blue of three channels with 8 bits, and numbers of others.
    name : str
        What the image is called in the metadata.
    version : {"0.4", "0.5"}
        Of OME-Zarr; by default the one that ome-zarr writes.

    Raises
    ------
    UserError
        If ome-zarr isn't installed, or the folder can't be written.
    """
    with warnings.catch_warnings():
        # Of what ome-zarr, dask and zarr will do otherwise some day.
        warnings.simplefilter("ignore")
        try:
            import dask.array
            import zarr
            from ome_zarr.format import CurrentFormat, format_from_version
            from ome_zarr.writer import write_image, write_labels
        except ImportError as error:
            raise UserError(f"{path} is an OME-Zarr, which needs another package: pip install 'dynseg[ome]'") from error
        kind = format_from_version(version) if version in _WRITABLE_VERSIONS else CurrentFormat()
        values = dask.array.from_array(_without_bool(bands).transpose(2, 0, 1), chunks=(1, _CHUNK, _CHUNK))
        numbers = dask.array.from_array(labels.astype(np.min_scalar_type(int(labels.max()))), chunks=_CHUNK)
        scale = {"c": 1.0, "y": size.y if size else 1.0, "x": size.x if size else 1.0}
        shared = {"fmt": kind, "scale_factors": _scale_factors(labels.shape), "axes_units": _units(size)}
        with folder_written_aside(path) as aside:
            group = zarr.open_group(str(aside), mode="w", zarr_format=kind.zarr_format)
            omero = {"channels": _channels(bands, channel_names), "rdefs": {"model": "color"}}
            write_image(values, group, axes="cyx", name=name, omero=omero, scale=scale, **shared)
            del scale["c"]
            about = {"source": {"image": "../../"}, **_about_labels(labels, colours)}
            write_labels(
                numbers,
                group,
                name=LABELS_NAME,
                axes="yx",
                scaler=None,
                scale=scale,
                label_metadata=about,
                **shared,
            )
            if "ome" in group["labels"].attrs:
                # The specification wants the version in every group; ome-zarr 0.18 leaves it out of this one.
                group["labels"].attrs["ome"] = {**group["labels"].attrs["ome"], "version": kind.version}
            if size is not None and (size.origin_y or size.origin_x):
                for each in (group, group[f"labels/{LABELS_NAME}"]):
                    _move(each, size)


def _without_bool(bands: NDArray[Any]) -> NDArray[Any]:
    return bands.astype(np.uint8) if bands.dtype == np.bool_ else bands


def _scale_factors(shape: Sequence[int]) -> list[int]:
    """Return how much coarser each level is than the image: halves of halves, until one is small."""
    factors: list[int] = []
    while max(shape) > _SMALLEST_LEVEL << len(factors):
        factors.append(2 << len(factors))
    return factors


def _units(size: PixelSize | None) -> dict[str, str] | None:
    named = {"y": size.unit_y, "x": size.unit_x} if size else {}
    return {axis: unit for axis, unit in named.items() if unit} or None


def _channels(bands: NDArray[Any], names: Sequence[str]) -> list[dict[str, Any]]:
    """Return how viewers should show each channel, in the terms of OMERO."""
    count = bands.shape[2]
    if not names:
        is_colour = count == 3 and bands.dtype == np.uint8
        names = ("red", "green", "blue") if is_colour else [f"channel {number}" for number in range(1, count + 1)]
    channels = []
    for place, name in enumerate(names):
        values = bands[:, :, place]
        finite = values[np.isfinite(values)]
        low, high = (float(bound) for bound in np.percentile(finite, PERCENTILES)) if finite.size else (0.0, 1.0)
        if bands.dtype == np.uint8:
            low, high = 0.0, 255.0
        window = {"start": low, "end": high, "min": low, "max": high}
        if finite.size:
            window |= {"min": min(low, float(finite.min())), "max": max(high, float(finite.max()))}
        colour = "FFFFFF" if count == 1 else _CHANNEL_COLOURS[place % len(_CHANNEL_COLOURS)]
        channels.append({"label": name, "color": colour, "active": True, "window": window})
    return channels


def _about_labels(labels: NDArray[np.integer], colours: NDArray[np.uint8]) -> dict[str, list[dict[str, Any]]]:
    """Return a colour of every label, and its pixels."""
    found, areas = np.unique(labels, return_counts=True)
    kept = [(int(label), int(area)) for label, area in zip(found, areas, strict=True) if label > 0]
    return {
        "colors": [{"label-value": label, "rgba": [*colours[label].tolist(), 255]} for label, _ in kept],
        "properties": [{"label-value": label, "area": area} for label, area in kept],
    }


def _move(group: Any, size: PixelSize) -> None:
    """Add where the first pixel lies to the translations of all levels, which ome-zarr begins at 0."""
    attributes = dict(group.attrs)
    about = attributes.get("ome", attributes)["multiscales"][0]
    for level in about["datasets"]:
        steps = level["coordinateTransformations"]
        if len(steps) == 1:
            steps.append({"type": "translation", "translation": [0.0] * len(steps[0]["scale"])})
        steps[1]["translation"][-2] += size.origin_y
        steps[1]["translation"][-1] += size.origin_x
    group.attrs.update(attributes)
