"""Images in OME-Zarr, the Next-Generation File Format of microscopy, up to version 0.5."""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from dynseg.io.planes import MAX_BYTES, Planes, Refusal, choose_planes

ZARR_SUFFIX = ".zarr"

_METADATA = (".zgroup", ".zattrs", "zarr.json")
_AXES_BEFORE_0_3 = "tczyx"
_COLOURS = ({"red", "green", "blue"}, {"r", "g", "b"})
# Others of numcodecs unpickle what they are given, which starts programs.
_CODECS = frozenset(
    {"adler32", "astype", "bitround", "blosc", "bytes", "bz2", "crc32", "crc32c", "delta", "fixedscaleoffset"}
    | {"fletcher32", "gzip", "lz4", "lzma", "packbits", "quantize", "sharding_indexed", "shuffle", "transpose", "zlib"}
    | {"zstd"}
)


class LevelSize(NamedTuple):
    """A resolution level of an image.

    Attributes
    ----------
    shape : (int, int)
        Height and width in pixels.
    scale, translation : (float, float)
        Height and width of a pixel, and where the first one lies, by y and x.
    units : (str, str)
        By y and x, as "micrometer"; empty if the file says none.
    """

    shape: tuple[int, int]
    scale: tuple[float, float]
    translation: tuple[float, float]
    units: tuple[str, str]


class _Image(NamedTuple):
    """The metadata of an image, of whatever version."""

    group: Any
    axes: list[dict[str, Any]]
    levels: list[dict[str, Any]]
    about: Mapping[str, Any]
    attributes: Mapping[str, Any]

    def place(self, name: str) -> int:
        return [axis["name"] for axis in self.axes].index(name)

    @property
    def channel_places(self) -> list[int]:
        return [place for place, axis in enumerate(self.axes) if axis.get("type") == "channel" or axis["name"] == "c"]


def is_ome_zarr(source: Path | str | bytes) -> bool:
    """Tell whether a path is a folder as Zarr makes them: by its name, NAME.zarr, or what lies in it.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory(suffix=".ome.zarr") as folder:
    ...     is_ome_zarr(folder), is_ome_zarr("photo.jpg")
    (True, False)
    """
    if isinstance(source, bytes):
        return False
    path = Path(source)
    return path.is_dir() and (path.suffix.lower() == ZARR_SUFFIX or any((path / name).is_file() for name in _METADATA))


def read_ome_zarr(path: Path, largest_plane: int, plane: Mapping[str, int] | None = None) -> Planes:
    """Read one plane of an image with all its channels.

    Parameters
    ----------
    path : path
        The folder of an image, or one that holds a single image as bioformats2raw makes them.
    largest_plane : int
        The most pixels that it may have.
    plane : mapping of str to int, optional
        Which plane to take, numbered from 1, by axis: "t", "z" or another one of the image; "level" is the resolution,
        of which 1, the finest, is taken by default.

    Raises
    ------
    Refusal
        If zarr isn't installed, there is no single image, no plane is chosen of several, or it is too large.
    """
    image = _open(path)
    wanted = dict(plane or {})
    level = wanted.pop("level", 1)
    if not 1 <= level <= len(image.levels):
        raise Refusal(f"has no resolution level {level}: choose one from 1 to {len(image.levels)}")
    array = image.group[image.levels[level - 1]["path"]]
    rows, columns = image.place("y"), image.place("x")
    channels = image.channel_places
    others = {
        place: str(axis["name"]).lower()
        for place, axis in enumerate(image.axes)
        if place not in (rows, columns, *channels) and array.shape[place] > 1
    }
    index, said = choose_planes(others, array.shape, wanted)
    _check(array, (rows, columns), largest_plane, level, len(image.levels))
    values = np.asarray(array[tuple(_taken(place, index, (rows, columns, *channels)) for place in range(array.ndim))])
    kept = sorted((rows, columns, *channels))
    values = values.transpose([kept.index(place) for place in (rows, columns, *channels)])
    values = values.reshape(*values.shape[:2], -1)
    names = _channel_names(image.attributes, values.shape[2])
    names = names if all(names) else ()
    note = f"level {level} of {len(image.levels)}" if level > 1 else ""
    return Planes(
        values=values,
        is_colour=values.shape[2] == 1 or {name.lower() for name in names} in _COLOURS,
        note=", ".join(filter(None, (note, said))),
        channel_names=names,
    )


def read_ome_zarr_channels(path: Path) -> tuple[str, ...]:
    """Return the names that channels of an image may be chosen by, one a channel, "" for none; none at all without.

    Raises
    ------
    Refusal
        If zarr isn't installed, or there is no single image.
    """
    image = _open(path)
    shape = image.group[image.levels[0]["path"]].shape
    return _channel_names(image.attributes, math.prod(shape[place] for place in image.channel_places))


def read_level_sizes(path: Path) -> list[LevelSize]:
    """Read how large the pixels of an image are, level by level, the finest first.

    Raises
    ------
    Refusal
        If zarr isn't installed, or there is no single image.
    """
    image = _open(path)
    places = image.place("y"), image.place("x")
    units = [str(image.axes[place].get("unit") or "") for place in places]
    sizes = []
    for level in image.levels:
        shape = image.group[level["path"]].shape
        scale, translation = [1.0, 1.0], [0.0, 0.0]
        for step in (*level.get("coordinateTransformations", ()), *image.about.get("coordinateTransformations", ())):
            if step["type"] == "scale":
                factors = [float(step["scale"][place]) for place in places]
                scale = [one * other for one, other in zip(scale, factors, strict=True)]
                translation = [one * other for one, other in zip(translation, factors, strict=True)]
            elif step["type"] == "translation":
                shifts = [float(step["translation"][place]) for place in places]
                translation = [one + other for one, other in zip(translation, shifts, strict=True)]
        sizes.append(
            LevelSize(
                (shape[places[0]], shape[places[1]]),
                (scale[0], scale[1]),
                (translation[0], translation[1]),
                (units[0], units[1]),
            )
        )
    return sizes


def read_version(path: Path) -> str:
    """Return an image's version of OME-Zarr, as "0.4".

    Raises
    ------
    Refusal
        If zarr isn't installed, or there is no single image.
    """
    image = _open(path)
    return str(image.attributes.get("version") or image.about.get("version") or "")


def _open(path: Path) -> _Image:
    try:
        import zarr
    except ImportError as error:
        raise Refusal("is an OME-Zarr, which needs another package: pip install 'dynseg[ome]'") from error
    try:
        group = zarr.open_group(str(path), mode="r")
    except (FileNotFoundError, zarr.errors.GroupNotFoundError, zarr.errors.ContainsArrayError) as error:
        raise Refusal("isn't the folder of an OME-Zarr image: name that, or leave it out") from error
    attributes = _attributes(group)
    if "bioformats2raw.layout" in attributes and "multiscales" not in attributes:
        numbers = sorted((name for name, _ in group.groups() if re.fullmatch(r"\d+", name)), key=int)
        if len(numbers) != 1:
            raise Refusal(f"holds {len(numbers)} images: name one of them, as {path}/0")
        group = group[numbers[0]]
        attributes = _attributes(group)
    if "plate" in attributes:
        raise Refusal(f"is a plate of many images: name one of them, as {path}/A/1/0")
    if not attributes.get("multiscales"):
        raise Refusal("isn't an OME-Zarr image, since it has no multiscales: name the folder of an image")
    about = attributes["multiscales"][0]
    levels = list(about["datasets"])
    count = group[levels[0]["path"]].ndim
    axes = [axis if isinstance(axis, dict) else {"name": axis} for axis in about.get("axes", _AXES_BEFORE_0_3)]
    names = [str(axis["name"]) for axis in axes]
    if len(axes) != count or not {"y", "x"} <= set(names):
        raise Refusal(f"has the axes {', '.join(names)} of {count}: save an image with the axes y and x")
    return _Image(group, axes, levels, about, attributes)


def _attributes(group: Any) -> Mapping[str, Any]:
    attributes: dict[str, Any] = dict(group.attrs)
    # Since 0.5 all is below one key.
    found: Mapping[str, Any] = attributes.get("ome", attributes)
    return found


def _taken(place: int, index: Mapping[int, int], whole: Sequence[int]) -> int | slice:
    return slice(None) if place in whole else index.get(place, 0)


def _channel_names(attributes: Mapping[str, Any], count: int) -> tuple[str, ...]:
    channels = (attributes.get("omero") or {}).get("channels") or []
    names = tuple(str(channel.get("label") or "") for channel in channels)
    return names if len(names) == count else ()


def _check(array: Any, places: tuple[int, int], largest_plane: int, level: int, levels: int) -> None:
    """Refuse what is larger than memory, or decoded by what isn't known to be harmless, before it is read."""
    height, width = (array.shape[place] for place in places)
    if height * width > largest_plane:
        advice = f"choose a coarser one with --plane level={level + 1}" if level < levels else "save a smaller one"
        raise Refusal(f"has {width:,} × {height:,} pixels at resolution level {level}, which are too many: {advice}")
    if array.dtype.kind not in "biuf":
        raise Refusal(f"has values of the type {array.dtype}: save whole or floating-point numbers")
    if math.prod(array.chunks) * array.dtype.itemsize > MAX_BYTES:
        raise Refusal(f"has chunks of more than {MAX_BYTES >> 30} GiB: save smaller ones")
    unknown = sorted({name.removeprefix("numcodecs.") for name in _codecs(array.metadata.to_dict())} - _CODECS)
    if unknown:
        raise Refusal(f"is compressed by {', '.join(unknown)}, which isn't read: save it with zstd or blosc")


def _codecs(metadata: Mapping[str, Any]) -> Iterator[str]:
    """Return the names of all codecs of an array's metadata, also of those within shards."""
    listed = [*(metadata.get("codecs") or ()), *(metadata.get("index_codecs") or ()), *(metadata.get("filters") or ())]
    for codec in (*listed, metadata.get("compressor")):
        if codec:
            about: Mapping[str, Any] = codec if isinstance(codec, Mapping) else codec.to_dict()
            yield str(about.get("id") or about.get("name"))
            yield from _codecs(about.get("configuration") or {})
