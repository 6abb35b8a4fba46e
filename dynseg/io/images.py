"""Read pictures of any common kind, with every bit that they have, and pictures of labels as numbers."""

import dataclasses
import io
import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from dynseg.errors import UserError
from dynseg.io.ome_zarr import is_ome_zarr, read_ome_zarr, read_ome_zarr_channels
from dynseg.io.planes import Planes, Refusal, TooManyPixels, channel_numbers
from dynseg.io.png16 import has_16_bit_colours, read_png16, read_size
from dynseg.io.pnm import has_16_bits, read_pnm
from dynseg.io.smoothing import is_smoothed
from dynseg.io.tiff import is_tiff, read_no_data, read_tiff, read_tiff_channels
from dynseg.io.value_range import ValueRange, parse_value_range, say_ranges, scale_values
from dynseg.result import UNLABELLED

IMAGE_SUFFIXES = frozenset(
    {".avif", ".bmp", ".gif", ".heic", ".heif", ".jfif", ".jpe", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".pnm"}
    | {".ppm", ".tif", ".tiff", ".webp"}
)
MAX_PIXELS = 178_956_970  # Pillow's own bound against decompression bombs
# A channel's name has more in it than what numbers are written with.
CHANNEL_NAME = r"[^,]*[^,\d\s.+-][^,]*"

# No other decoder of Pillow is let near the input: some of them start programs.
_FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
_CHANNEL = re.compile(rf"(?P<number>[1-9]\d{{0,5}})|{CHANNEL_NAME}")
_PLANE = re.compile(r"([A-Za-z]+)=([1-9]\d{0,8})")
_LOSSLESS = frozenset({"BMP", "GIF", "PNG", "PPM", "TIFF"})
_ANIMATED = frozenset({"AVIF", "GIF", "PNG", "WEBP"})
_AVIF_BRANDS = frozenset({b"avif", b"avis"})
_HEIF_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"})


class Picture(NamedTuple):
    """A picture and how it was read.

    Attributes
    ----------
    pixels : ndarray, (H, W, 3) uint8 or (H, W, C) float32 from 0 to 1
        8 bits a channel as the file has them; everything else scaled.
    ranges : tuple of (float, float)
        The values of the file that became 0 and 1: one pair, or one for each channel; none where 8 bits were left as
        they are.
    note : str
        The planes, channels and range that were taken, for people; empty where there was nothing to choose.
    values : ndarray, (H, W, channels), integer or floating
        The channels that were taken in the numbers of the file, where those aren't `pixels` themselves.
    valid : ndarray, (H, W), bool, optional
        Which pixels have data; None where neither the file nor the caller says that any value means none.
    channel_names : tuple of str
        What the file calls the channels that were taken, all of them or none.
    """

    pixels: NDArray[np.uint8] | NDArray[np.float32]
    ranges: tuple[tuple[float, float], ...] = ()
    note: str = ""
    values: NDArray[Any] | None = None
    valid: NDArray[np.bool_] | None = None
    channel_names: tuple[str, ...] = ()

    @property
    def bands(self) -> NDArray[Any]:
        """The channels that were taken in the numbers of the file, (H, W, channels)."""
        return self.pixels if self.values is None else self.values


@dataclass(frozen=True)
class Reading:
    """What to take of pictures; see `read_picture`.

    Attributes
    ----------
    channels : tuple of int or str, optional
        Numbers from 1, and names.
    value_range : "auto", "type", "percentile", "minmax" or (float, float)
    plane : mapping of str to int, optional
    no_data : float, optional
    """

    channels: tuple[int | str, ...] | None = None
    value_range: ValueRange = "auto"
    plane: Mapping[str, int] | None = None
    no_data: float | None = None

    @classmethod
    def from_texts(
        cls, channels: str | None = None, range: str | None = None, plane: str | None = None, nodata: str | None = None
    ) -> "Reading":
        """Return what a user says of it, by the names of the command's options.

        Raises
        ------
        UserError
            If one of the texts isn't known.

        Examples
        --------
        >>> Reading.from_texts(channels="4,3,2", nodata="0")
        Reading(channels=(4, 3, 2), value_range='auto', plane=None, no_data=0.0)
        """
        return cls(
            parse_channels(channels) if channels is not None else None,
            parse_value_range(range) if range is not None else "auto",
            parse_plane(plane) if plane is not None else None,
            parse_no_data(nodata) if nodata is not None else None,
        )

    def read(self, source: Path | bytes, name: str | None = None, inside: NDArray[np.bool_] | None = None) -> Picture:
        """Read a picture this way, inside of a mask, (H, W)."""
        return read_picture(
            source,
            name,
            channels=self.channels,
            value_range=self.value_range,
            plane=self.plane,
            no_data=self.no_data,
            inside=inside,
        )

    @property
    def settings(self) -> dict[str, Any]:
        """What differs from the defaults, by the names of the command's options."""
        # NaN, which no_data may be, is no JSON.
        no_data = None if self.no_data is None else str(self.no_data)
        named = {"channels": self.channels, "range": self.value_range, "plane": self.plane, "nodata": no_data}
        return {name: value for name, value in named.items() if value not in (None, "auto")}


def parse_plane(text: str) -> dict[str, int]:
    """Read which plane a user chooses: `z=3`, or several with commas between.

    Raises
    ------
    UserError
        If it is something else.

    Examples
    --------
    >>> parse_plane("t=1,z=3")
    {'t': 1, 'z': 3}
    """
    matches = [_PLANE.fullmatch(part.strip()) for part in text.split(",")]
    planes = {match[1].lower(): int(match[2]) for match in matches if match}
    if len(planes) < len(matches):
        raise UserError(f"the plane {text!r} isn't known: give an axis and a number, as z=3, t=1,z=3 or page=2")
    return planes


def parse_channels(text: str) -> tuple[int | str, ...]:
    """Read which channels a user chooses: numbers from 1, and names, with commas between.

    What is written as a number is one: a channel whose name is a number is chosen by its place alone.

    Raises
    ------
    UserError
        If it is something else.

    Examples
    --------
    >>> parse_channels("3,1"), parse_channels("DAPI,2")
    ((3, 1), ('DAPI', 2))
    """
    matches = [_CHANNEL.fullmatch(part.strip()) for part in text.split(",")]
    known = [match for match in matches if match]
    if len(known) < len(matches):
        raise UserError(
            f"the channels {text!r} aren't known: give numbers from 1 or names with commas between, as 1,3 or DAPI,GFP"
        )
    return tuple(int(match[0]) if match["number"] else match[0] for match in known)


def read_image(source: Path | str | bytes, name: str | None = None) -> NDArray[np.uint8] | NDArray[np.float32]:
    """Read a picture as `read_picture` does with nothing chosen.

    Parameters
    ----------
    source : path or bytes
        The file, or its content.
    name : str, optional
        What errors call it; by default the path.

    Returns
    -------
    ndarray, (H, W, 3) uint8 or (H, W, C) float32 from 0 to 1

    Raises
    ------
    UserError
        If it can't be read, is truncated or has more than `MAX_PIXELS` pixels.

    Examples
    --------
    >>> import tempfile
    >>> from PIL import Image
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     Image.new("RGB", (4, 3), (10, 20, 30)).save(f"{folder}/image.png")
    ...     pixels = read_image(f"{folder}/image.png")
    >>> pixels.shape, pixels[0, 0].tolist()
    ((3, 4, 3), [10, 20, 30])
    """
    return read_picture(source, name).pixels


def read_picture(
    source: Path | str | bytes,
    name: str | None = None,
    *,
    channels: Sequence[int | str] | None = None,
    value_range: ValueRange = "auto",
    plane: Mapping[str, int] | None = None,
    no_data: float | None = None,
    inside: NDArray[np.bool_] | None = None,
) -> Picture:
    """Read a picture with all its channels and bits.

    The camera's orientation is applied and transparency is laid on white. One channel is repeated, so that grey
    pictures have three.

    Parameters
    ----------
    source : path or bytes
        The file, or its content.
    name : str, optional
        What errors call it; by default the path.
    channels : sequence of int or str, optional
        The channels to take, numbered from 1 or by the names that the file has for them, in this order; by default all.
    value_range : "auto", "type", "percentile", "minmax" or (float, float)
        Which values become 0 and 1, as `dynseg.io.value_range.scale_values` has it. Red, green and blue have one range,
        other channels each their own.
    plane : mapping of str to int, optional
        Which plane of several to take, numbered from 1, by axis: "t" (time), "z" (depth), or "page", also for the
        frames of an animation.
    no_data : float, optional
        The value of pixels that have no data, NaN too, beside the one that GDAL's tag in a TIFF names. A pixel has none
        where any of the channels taken has it; in a picture of 8 bits, whose dark colours have zeros, where all have.
    inside : ndarray, (H, W), bool, optional
        The pixels inside of a mask: the others are as those without data.

    Raises
    ------
    UserError
        If it can't be read, is truncated, has more than `MAX_PIXELS` pixels, several planes of which none is chosen, or
        values that are no numbers, or if the mask has another size.
    """
    if is_ome_zarr(source):
        with _sentences(source, name):
            numbers, names = _numbered(channels, lambda: read_ome_zarr_channels(Path(str(source))))
            image = _named(read_ome_zarr(Path(str(source)), MAX_PIXELS, plane), names)
            return _scaled(_chosen(image, channels, no_data, inside), value_range, numbers)
    with _read(source, name) as content:
        numbers, names = _numbered(channels, lambda: read_tiff_channels(content) if is_tiff(content) else ())
        planes = _planes(content, numbers, plane)
        is_plain = planes is None
        if planes is None:
            pixels, note = _by_pillow(content, plane)
            tagged = read_no_data(content) if is_tiff(content) else ()
            planes = Planes(values=pixels, is_colour=True, note=note, no_data=tagged)
        planes = _chosen(_named(planes, names), channels, no_data, inside)
        if numbers is None and is_plain and planes.values.dtype == np.uint8 and value_range in ("auto", "type"):
            return _as_it_is(planes)
        return _scaled(planes, value_range, numbers)


def shown_as_rgb(pixels: NDArray[np.uint8] | NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return a picture as a screen can show it: the first three channels, of two channels red and green.

    Parameters
    ----------
    pixels : ndarray, (H, W, 3) uint8 or (H, W, C) float32 from 0 to 1
        As `read_image` gives it.

    Returns
    -------
    ndarray, (H, W, 3) uint8

    Examples
    --------
    >>> import numpy as np
    >>> shown_as_rgb(np.array([[[1, 0.5]]], np.float32)).tolist()
    [[[255, 128, 0]]]
    """
    shown: NDArray[np.uint8] = (pixels if pixels.dtype == np.uint8 else np.rint(pixels * 255)).astype(
        np.uint8, copy=False
    )
    if shown.shape[2] == 1:
        return np.repeat(shown, 3, axis=2)
    if shown.shape[2] == 2:
        return np.dstack([shown, np.zeros_like(shown[:, :, 0])])
    return shown[:, :, :3]


def read_label_image(source: Path | str | bytes, name: str | None = None) -> NDArray[np.integer]:
    """Read a picture whose values are labels: palette indices, grey values, or one label for each distinct colour.

    Parameters
    ----------
    source : path or bytes
        The file, or its content.
    name : str, optional
        What errors call it; by default the path.

    Returns
    -------
    ndarray, (H, W) integer
        Palette indices and grey values as they are; a colour's label is its red, green and blue bytes as one number, so
        that black is 0, with 16 bits a channel twice as many. Alpha counts only where it has two values and the colours
        are one and the same.

    Raises
    ------
    UserError
        If it can't be read, is truncated, has more than `MAX_PIXELS` pixels or several planes, is stored with loss, or
        has fractions or colours that smoothing mixed.
    """
    with _read(source, name) as content:
        if has_16_bit_colours(content):
            labels = _labels_of_samples(_read_png16(content))
        elif is_tiff(content) and (planes := read_tiff(content, MAX_PIXELS, raw=True)) is not None:
            labels = _labels_of_planes(planes)
        else:
            labels = _labels_by_pillow(content)
        return labels


def has_palette(content: bytes) -> bool:
    """Tell whether the pixels of a picture that can be read are indices into a palette."""
    with _opened(content) as image:
        return image.mode == "P"


def read_mask(path: Path | str) -> NDArray[np.bool_]:
    """Read a label image as a mask: which pixels aren't 0, which is black in grey pictures.

    Returns
    -------
    ndarray, (H, W), bool

    Raises
    ------
    UserError
        As `read_label_image` does.
    """
    return np.asarray(read_label_image(path) != 0)


def parse_no_data(text: str) -> float:
    """Read the value of pixels without data: a number, or nan.

    Raises
    ------
    UserError
        If it is something else.

    Examples
    --------
    >>> parse_no_data("-9999"), parse_no_data("nan")
    (-9999.0, nan)
    """
    try:
        return float(text)
    except ValueError as error:
        raise UserError(f"the value {text!r} of no data isn't known: give a number, or nan") from error


def read_scribbles(path: Path | str) -> NDArray[np.integer]:
    """Read a label image in which 255, which is white in grey pictures, marks the pixels without a label.

    Returns
    -------
    ndarray, (H, W), uint8
        Palette indices or grey values.

    Raises
    ------
    UserError
        If it can't be read, is stored with loss, transparent anywhere, drawn with a soft brush, has colours, other than
        8 bits a pixel, or a palette of whose index 255 no pixel is.
    """
    with _read(path, None) as content, _opened(content) as image:
        if image.format not in _LOSSLESS:
            raise Refusal(f"is a {image.format} inside, which changes labels when it is saved: save it as PNG")
        is_opaque = not image.has_transparency_data or image.convert("RGBA").getchannel("A").getextrema() == (255, 255)
        # Programs for painting save an alpha channel that hides nothing.
        image = image.convert(image.mode[:-1]) if is_opaque and image.mode in ("LA", "RGBA") else image
        mode, values = image.mode, np.array(image)
    if not is_opaque:
        raise UserError(f"{path} is transparent in places: lay the scribbles on white and save them again")
    if mode == "1" or mode.startswith(("I", "F")):
        bits = "1 bit" if mode == "1" else "more than 8 bits"
        raise UserError(f"{path} has {bits} a pixel: save scribbles with 8 bits, 255 where there is none")
    if mode == "P" and not (values == UNLABELLED).any():
        raise UserError(
            f"{path} has a palette and no pixel of index {UNLABELLED}, which means no label: save scribbles as grey "
            "values, white where there is none"
        )
    # They save grey as three equal channels, too.
    if mode not in ("L", "P") and not (mode == "RGB" and (values == values[:, :, :1]).all()):
        raise UserError(f"{path} has colours: save scribbles as palette or grey values, 255 where there is none")
    values = values if values.ndim == 2 else values[:, :, 0]
    if mode != "P" and is_smoothed(values, regions=1):
        raise UserError(
            f"{path} was drawn with a soft brush, whose edges would be labels of their own: draw with a hard pencil, "
            "without anti-aliasing"
        )
    return values


def _planes(content: bytes, channels: Sequence[int] | None, plane: Mapping[str, int] | None) -> Planes | None:
    """Read what Pillow doesn't read whole; None for everything else."""
    if is_tiff(content):
        return read_tiff(content, MAX_PIXELS, channels, plane)
    if plane is None and has_16_bit_colours(content):
        samples = _read_png16(content)
        if samples.shape[2] % 2 == 0 and channels is None:
            alpha = (samples[:, :, -1] / np.float32(65535)).astype(np.float32)
            return Planes(values=samples[:, :, :-1], is_colour=True, alpha=alpha)
        return Planes(values=samples, is_colour=samples.shape[2] == 3)
    if plane is None and has_16_bits(content):
        return read_pnm(content, MAX_PIXELS)
    return None


def _read_png16(content: bytes) -> NDArray[np.uint16]:
    height, width = read_size(content)
    if height * width > MAX_PIXELS:
        raise TooManyPixels
    return read_png16(content)


def _by_pillow(content: bytes, plane: Mapping[str, int] | None) -> tuple[NDArray[Any], str]:
    """Return a picture as (H, W, 3) uint8, or as (H, W, 1) with more bits."""
    with _opened(content, plane) as image:
        frames = getattr(image, "n_frames", 1)
        note = f"page {image.tell() + 1} of {frames}" if plane else ""
        is_tiff_picture = image.format == "TIFF"
        image = ImageOps.exif_transpose(image)
        if image.mode.startswith(("I", "F")):
            return np.array(image)[:, :, np.newaxis], note
        if image.has_transparency_data:
            image = image.convert("RGBA")
            if not image.getchannel("A").getbbox():
                # Programs that leave alpha empty mean the colours.
                return np.array(image.convert("RGB")), ", ".join(filter(None, (note, "transparent all over: opaque")))
            if is_tiff_picture and image.getchannel("A").getextrema() != (255, 255):
                note = ", ".join(filter(None, (note, _LAID_ON_WHITE)))
            white = Image.new("RGBA", image.size, "white")
            image = Image.alpha_composite(white, image)
        return np.array(image.convert("RGB")), note


def _numbered(
    channels: Sequence[int | str] | None, read_names: Callable[[], tuple[str, ...]]
) -> tuple[tuple[int, ...] | None, tuple[str, ...]]:
    """Return channels as numbers, and what the file calls all that it has; no names where none is chosen by one."""
    if channels is None:
        return None, ()
    names = read_names() if any(isinstance(channel, str) for channel in channels) else ()
    return channel_numbers(channels, names), names


def _named(planes: Planes, names: tuple[str, ...]) -> Planes:
    """Return planes with the names that channels are chosen by, where there are any."""
    if not names:
        return planes
    return dataclasses.replace(planes, channel_names=names if len(names) == planes.values.shape[2] else ())


def _chosen(
    planes: Planes, channels: Sequence[int | str] | None, no_data: float | None, inside: NDArray[np.bool_] | None
) -> Planes:
    if no_data is not None:
        planes = dataclasses.replace(planes, no_data=(*planes.no_data, no_data))
    if inside is not None:
        planes = _inside(planes, inside)
    return planes if channels is None else channels_of(planes, channels)


def _inside(planes: Planes, inside: NDArray[np.bool_]) -> Planes:
    (height, width), mask = planes.values.shape[:2], inside.shape
    if mask != (height, width):
        raise Refusal(
            f"is {width} × {height} pixels and its mask {mask[1]} × {mask[0]}: give a mask of the image's size"
        )
    return dataclasses.replace(planes, inside=inside if planes.inside is None else inside & planes.inside)


def channels_of(planes: Planes, channels: Sequence[int | str]) -> Planes:
    """Return some channels, numbered from 1 or named, in this order; raise a Refusal where there is no such one."""
    channels = channel_numbers(channels, planes.channel_names)
    count = planes.values.shape[2]
    beyond = [channel for channel in channels if not 1 <= channel <= count]
    if beyond or not channels:
        raise Refusal(f"has {count} channel{'s' * (count != 1)}: choose from 1 to {count} with --channels")
    values = planes.values[:, :, [channel - 1 for channel in channels]]
    names = tuple(planes.channel_names[channel - 1] for channel in channels) if planes.channel_names else ()
    names = names if all(names) else ()
    said = f"channels {', '.join(map(str, channels))} of {count}{_in_brackets(names)}"
    note = ", ".join(filter(None, (planes.note, said)))
    return dataclasses.replace(
        planes, values=values, alpha=None, is_premultiplied=False, note=note, channel_names=names
    )


def _in_brackets(names: Sequence[str]) -> str:
    return f" ({', '.join(names)})" if names else ""


def _scaled(planes: Planes, value_range: ValueRange, channels: Sequence[int] | None) -> Picture:
    values = planes.values
    valid = valid_pixels(planes)
    scaled, ranges = scale_values(
        values, value_range, of_type=planes.of_type, together=planes.is_colour, valid=None if valid.all() else valid
    )
    if planes.is_inverted:
        scaled = 1 - scaled
    if planes.alpha is not None:
        white = (1 - planes.alpha)[:, :, np.newaxis]
        scaled = np.minimum((scaled if planes.is_premultiplied else scaled * (1 - white)) + white, np.float32(1))
    scaled[~valid] = 0
    if scaled.shape[2] == 1:
        scaled = np.repeat(scaled, 3, axis=2)
    count = values.shape[2]
    is_told = channels is None and (count not in (1, 3) or planes.channel_names)
    notes = [
        planes.note,
        f"{count} channel{'s' * (count != 1)}{_in_brackets(planes.channel_names)}" if is_told else "",
        say_ranges(ranges),
        _say_beyond(values[valid], value_range),
        _say_missing(planes, valid),
    ]
    note = ", ".join(filter(None, notes))
    return Picture(scaled, ranges, note, values, _unless_undeclared(planes, valid), planes.channel_names)


def _as_it_is(planes: Planes) -> Picture:
    """Return a picture of 8 bits a channel with the values that the file has."""
    valid = valid_pixels(planes)
    note = ", ".join(filter(None, (planes.note, _say_missing(planes, valid))))
    return Picture(planes.values, (), note, None, _unless_undeclared(planes, valid))


def _unless_undeclared(planes: Planes, valid: NDArray[np.bool_]) -> NDArray[np.bool_] | None:
    return valid if planes.no_data or planes.inside is not None else None


def _say_beyond(values: NDArray[Any], value_range: ValueRange) -> str:
    # A black or white frame of a series is no error; of a photograph the range may be a slip.
    if not isinstance(value_range, tuple) or values.size == 0:
        return ""
    low, high = value_range
    return "all pixels below" if values.max() <= low else "all pixels above" if values.min() >= high else ""


def _say_missing(planes: Planes, valid: NDArray[np.bool_]) -> str:
    # That no pixel has the value may be a slip.
    return f"{np.count_nonzero(~valid):,} pixels without data" if planes.no_data or not valid.all() else ""


def valid_pixels(planes: Planes) -> NDArray[np.bool_]:
    """Return the pixels that have data, (H, W); raise a ValueError where values are no numbers."""
    values = planes.values
    valid = np.ones(values.shape[:2], dtype=np.bool_) if planes.inside is None else planes.inside.copy()
    for no_data in planes.no_data:
        without = _equals(values, no_data)
        is_picture = planes.is_colour and values.dtype == np.uint8
        valid &= ~(without.all(axis=2) if is_picture else without.any(axis=2))
    if values.dtype.kind == "f" and not np.isfinite(values[valid]).all():
        count = np.count_nonzero(~np.isfinite(values).all(axis=2) & valid)
        raise Refusal(
            f"has {count:,} pixels that are infinite or no numbers (NaN): give them values, or say --nodata nan"
        )
    return valid


def _equals(values: NDArray[Any], number: float) -> NDArray[np.bool_]:
    """Tell which values are a number, that of no data, as their type has it; infinite ones are NaN, too."""
    if np.isnan(number):
        missing: NDArray[np.bool_] = ~np.isfinite(values)
        return missing
    if values.dtype.kind == "f":
        # Beyond the type's range it becomes infinite, which a file may mean.
        with np.errstate(over="ignore"):
            same: NDArray[np.bool_] = np.equal(values, values.dtype.type(number))
            return same
    # A number that whole ones of this type can't be is none of them.
    bounds = np.iinfo(np.uint8 if values.dtype.kind == "b" else values.dtype)
    if not (float(number).is_integer() and bounds.min <= number <= bounds.max):
        return np.zeros(values.shape, dtype=np.bool_)
    return np.asarray(values == int(number))


def _labels_of_planes(planes: Planes) -> NDArray[np.integer]:
    values = planes.values
    if values.dtype.kind == "f":
        if not (np.isfinite(values).all() and (values == np.floor(values)).all() and abs(values).max() <= 1 << 53):
            raise Refusal("has values that aren't whole numbers: save a label map, not probabilities or flows")
        values = values.astype(np.int64)
    if values.shape[2] == 1:
        return _as_signed(values[:, :, 0])
    if values.shape[2] not in (3, 4) or not planes.is_colour:
        raise Refusal(f"has {values.shape[2]} channels: save a label map with one number a pixel")
    return _labels_of_samples(values)


def _labels_of_samples(samples: NDArray[Any]) -> NDArray[np.integer]:
    """Return one number a pixel of (H, W, 2) grey with alpha, (H, W, 3) colours, or (H, W, 4) with alpha."""
    has_alpha = samples.shape[2] % 2 == 0
    colours = samples[:, :, :-1] if has_alpha else samples
    if has_alpha and (colours == colours[0, 0]).all() and len(levels := np.unique(samples[:, :, -1])) > 1:
        if len(levels) > 2:
            raise Refusal("has one colour, and transparency of more than two levels: save the labels as grey values")
        is_opaque: NDArray[np.bool_] = samples[:, :, -1] == levels[1]
        return is_opaque.astype(np.int32)
    if is_smoothed(colours if colours.shape[2] > 1 else colours[:, :, 0]):
        raise Refusal(_SMOOTHED)
    if colours.shape[2] == 1:
        return _as_signed(colours[:, :, 0])
    bits = 8 * samples.dtype.itemsize
    wide: NDArray[np.integer] = colours.astype(np.int32 if bits == 8 else np.int64)
    return wide[:, :, 0] << 2 * bits | wide[:, :, 1] << bits | wide[:, :, 2]


# Writers take any fourth band for opacity.
_LAID_ON_WHITE = "transparency laid on white (--channels 1,2,3,4 takes it for a fourth band)"
_SMOOTHED = (
    "has regions with soft edges, whose mixed colours would be labels of their own: save it without anti-aliasing, and "
    "scale it by nearest neighbour"
)


def _as_signed(labels: NDArray[Any]) -> NDArray[np.integer]:
    return labels.astype(np.int32 if labels.dtype.itemsize < 4 else np.int64)


def _labels_by_pillow(content: bytes) -> NDArray[np.integer]:
    with _opened(content) as image:
        if image.format not in _LOSSLESS:
            raise Refusal(f"is a {image.format} inside, which changes labels when it is saved: save it as PNG or TIFF")
        if image.mode in ("P", "1") or image.mode.startswith("I"):
            return np.array(image, dtype=np.int32)
        if image.mode == "F":
            return _labels_of_planes(Planes(values=np.array(image)[:, :, np.newaxis], is_colour=True))
        if image.mode not in ("L", "LA", "RGB", "RGBA"):
            # Palettes with alpha and the like.
            image = image.convert("RGBA" if image.has_transparency_data else "RGB")
        samples = np.array(image)
        if samples.ndim == 2:
            if is_smoothed(samples):
                raise Refusal(_SMOOTHED)
            return samples.astype(np.int32)
        return _labels_of_samples(samples)


@contextmanager
def _read(source: Path | str | bytes, name: str | None) -> Iterator[bytes]:
    """Yield a file's content; what goes wrong with it in the block becomes a sentence."""
    with _sentences(source, name):
        yield source if isinstance(source, bytes) else Path(source).read_bytes()


@contextmanager
def _sentences(source: Path | str | bytes, name: str | None) -> Iterator[None]:
    """Make a sentence of what goes wrong with a picture in the block."""
    name = name if name is not None else ("an image" if isinstance(source, bytes) else str(source))
    try:
        yield
    except UserError:
        raise
    except Refusal as error:
        raise UserError(f"{name} {error}") from error
    except FileNotFoundError as error:
        raise UserError(f"{name} doesn't exist: give the path of an image") from error
    except (Image.DecompressionBombError, TooManyPixels) as error:
        tiff = not isinstance(source, bytes) and Path(source).suffix.lower() in (".tif", ".tiff")
        otherwise = ", or make regions of it with dynseg.segment_large" if tiff else ""
        raise UserError(f"{name} has more than {MAX_PIXELS:,} pixels: scale it down{otherwise}") from error
    except UnidentifiedImageError as error:
        raise UserError(
            f"{name} isn't an image that can be read: give a whole JPEG, PNG, TIFF, BMP, WebP or AVIF"
        ) from error
    except Exception as error:
        # Decoders raise almost anything on broken input.
        raise UserError(f"{name} can't be read as an image ({error}): give a whole one or leave it out") from error


@contextmanager
def _opened(content: bytes, plane: Mapping[str, int] | None = None) -> Iterator[Image.Image]:
    # Pillow warns of much that does no harm here, and of large images before it refuses them.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with Image.open(io.BytesIO(content), formats=_formats(content)) as image:
            _seek(image, plane)
            image.load()
            yield image


def _seek(image: Image.Image, plane: Mapping[str, int] | None) -> None:
    frames = getattr(image, "n_frames", 1) if image.format in _ANIMATED else 1
    if plane is None:
        if frames > 1:
            raise Refusal(f"is an animation of {frames} pages: choose one with --plane page=1")
        return
    number = plane.get("page")
    if set(plane) != {"page"} or not isinstance(number, int) or not 1 <= number <= frames:
        raise Refusal(f"has {frames} page{'s' * (frames != 1)} and no other planes: correct --plane")
    image.seek(number - 1)


def _formats(content: bytes) -> tuple[str, ...]:
    """Return the decoders of Pillow that a file may be given to."""
    brand = content[8:12] if content[4:8] == b"ftyp" else b""
    if brand in _AVIF_BRANDS:
        from PIL import features

        if not features.check("avif"):
            raise Refusal("is an AVIF, which this Pillow can't read: install Pillow 11.3 or newer")
        return ("AVIF",)
    if brand in _HEIF_BRANDS:
        try:
            from pillow_heif import register_heif_opener
        except ImportError as error:
            raise Refusal("is a HEIC, which needs another package: pip install 'dynseg[heif]'") from error
        register_heif_opener()
        return ("HEIF",)
    return _FORMATS
