"""TIFF files of every depth, with planes and bands, as ImageJ, microscopes and satellites write them."""

import contextlib
import io
import logging
import math
import zlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree
from xml.sax.saxutils import unescape

import numpy as np
from numpy.typing import NDArray

from dynseg.io.planes import MAX_BYTES, Planes, Refusal, TooManyPixels, choose_planes, how_to_choose

if TYPE_CHECKING:
    from tifffile import TiffFile, TiffPage, TiffPageSeries

_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_CHANNEL_AXES, _PIXEL_AXES = "CS", "YX"
# Axes that the metadata don't name; pages are what a user sees of them.
_PAGE_AXES = "QI"
_MIN_IS_WHITE, _MIN_IS_BLACK, _RGB, _PALETTE = 0, 1, 2, 3
_PILLOW_READS = frozenset({_MIN_IS_WHITE, _MIN_IS_BLACK, _RGB, _PALETTE, 4, 5, 6, 8})
_PHOTOMETRIC = {_PALETTE: "a palette", 4: "a mask", 5: "CMYK colours", 6: "YCbCr colours", 8: "CIELAB colours"}
_CONTIGUOUS = 1
_ASSOCIATED_ALPHA = 1
_ALPHA = (_ASSOCIATED_ALPHA, 2)
# GeoTIFF 1.1: the size of pixels, tie points, a transform, the directory of keys.
_GEOREFERENCES = (33550, 33922, 34264, 34735)
_DEFLATE = frozenset({8, 32946})
_LOSSY = frozenset({6, 7, 33003, 33004, 33005, 34712, 34892, 34933, 50001})
_LABELS_ALONE = "save the one with the labels alone"
_GDAL_METADATA = 42112
_GDAL_NODATA = 42113
_ORIENTATION = 274


def is_tiff(content: bytes) -> bool:
    """Tell whether a file starts as TIFF and BigTIFF files do."""
    return content.startswith(_STARTS)


def read_tiff(
    content: bytes,
    largest_plane: int,
    channels: Sequence[int] | None = None,
    plane: Mapping[str, int] | None = None,
    *,
    raw: bool = False,
) -> Planes | None:
    """Read one plane of a TIFF with all its channels.

    Parameters
    ----------
    content : bytes
        The file.
    largest_plane : int
        The most pixels that it may have.
    channels : sequence of int, optional
        The channels to take, numbered from 1, in this order. Pages that the metadata don't name are channels then.
    plane : mapping of str to int, optional
        By axis ("t", "z", "page" or another one of the file, in lower case), which plane to take, numbered from 1.
    raw : bool
        Whether the values are labels: nothing is read as alpha, and lossy compression is refused.

    Returns
    -------
    Planes or None
        None if it is one picture with 8 bits a channel or fewer, which Pillow reads as it is meant, or no TIFF that
        can be parsed.

    Raises
    ------
    ValueError
        If it is broken, or has what isn't read; the text says what.
    """
    from tifffile import TiffFile

    logging.getLogger("tifffile").addHandler(logging.NullHandler())
    with contextlib.ExitStack() as stack:
        try:
            file = stack.enter_context(TiffFile(io.BytesIO(content)))
            series = pictures_of(file)
        except Exception:
            # The parser raises almost anything on broken input; Pillow then says what is wrong.
            return None
        if raw and any(page.compression in _LOSSY for page in file.pages[:1]):
            raise Refusal("is compressed with loss, which changes labels: save it without compression or with deflate")
        if raw and len(series) > 1:
            raise Refusal(f"has {len(file.pages)} pages of different kinds: {_LABELS_ALONE}")
        if len(series) > 1:
            series = [_page(file, plane)]
            note, plane = f"page {(plane or {}).get('page')} of {len(file.pages)}", None
        else:
            note = ""
        chosen = series[0]
        index, said = _chosen_planes(chosen, channels, plane, raw)
        page = chosen.keyframe
        if not (raw or channels or plane or note) and _is_plain(chosen):
            return None
        _check(content, file, chosen, page, largest_plane)
        values = _asarray(chosen, page, content)
        names = () if raw or note else _channel_names(file)
        return _planes(values, chosen, page, index, channels, raw, ", ".join(filter(None, (note, said))), names)


def read_no_data(content: bytes) -> tuple[float, ...]:
    """Return the value of pixels without data that GDAL wrote into a TIFF: one, or none where there is no such tag."""
    from tifffile import TiffFile

    try:
        with TiffFile(io.BytesIO(content)) as file:
            return no_data_of(file.pages.first)
    except Exception:
        # The parser raises almost anything on broken input; Pillow has read it all the same.
        return ()


def pictures_of(file: "TiffFile") -> "list[TiffPageSeries]":
    """Return the pictures of a file, without thumbnails and masks."""
    return [each for each in file.series if not (each.keyframe.is_reduced or each.keyframe.is_mask)] or file.series[:1]


def read_tiff_channels(content: bytes) -> tuple[str, ...]:
    """Return the names that channels of a file may be chosen by, one a channel, "" for none; see `names_of_channels`.

    None at all if it has several pictures, or can't be parsed.
    """
    from tifffile import TiffFile

    try:
        with TiffFile(io.BytesIO(content)) as file:
            series = pictures_of(file)
            return names_of_channels(file, series[0]) if len(series) == 1 else ()
    except Exception:
        # The parser raises almost anything on broken input; who reads the picture then says what is wrong.
        return ()


def names_of_channels(file: "TiffFile", series: "TiffPageSeries") -> tuple[str, ...]:
    """Return what OME's or ImageJ's metadata call the channels of a picture, or GDAL's its bands: one each, or none.

    Bands are described in GDAL's tag GDAL_METADATA, as items whose role is description.
    """
    sizes = dict(zip(series.axes, series.shape, strict=True))
    pages = [size for axis, size in sizes.items() if axis in _PAGE_AXES and size > 1]
    count = math.prod(sizes.get(axis, 1) for axis in _CHANNEL_AXES)
    # Pages that the metadata don't name are channels where channels are chosen.
    count = pages[0] if count == 1 and len(pages) == 1 else count
    for names in (_named_channels(file), _band_descriptions(series.keyframe)):
        if len(names) == count and any(names):
            return tuple(names)
    return ()


def _band_descriptions(page: "TiffPage") -> list[str]:
    tag = page.tags.get(_GDAL_METADATA)
    if tag is None:
        return []
    names = [""] * page.samplesperpixel
    try:
        for item in ElementTree.fromstring(str(tag.value).strip("\0")).iterfind("Item[@role='description']"):
            # GDAL escapes them once more than XML asks for.
            names[int(item.get("sample", "0"))] = unescape(item.text or "", {"&quot;": '"'})
    except (ElementTree.ParseError, ValueError, IndexError):
        # What isn't as GDAL writes it names nothing.
        return []
    return names


def _channel_names(file: "TiffFile") -> tuple[str, ...]:
    """Return what the metadata call the channels, all of them or none; GDAL's don't count."""
    names = _named_channels(file)
    return tuple(names) if all(names) else ()


def _named_channels(file: "TiffFile") -> list[str]:
    """Return what OME's metadata, or ImageJ's of a file of one plane a channel, call the channels."""
    if file.ome_metadata:
        found = ElementTree.fromstring(file.ome_metadata).find(".//{*}Pixels")
        return [each.get("Name", "") for each in found.iterfind("{*}Channel")] if found is not None else []
    labels = (file.imagej_metadata or {}).get("Labels") or []
    return [str(each) for each in labels] if isinstance(labels, list) else []


def _page(file: "TiffFile", plane: Mapping[str, int] | None) -> "Any":
    count = len(file.pages)
    number = (plane or {}).get("page")
    if number is None:
        raise Refusal(f"has {count} pages of different kinds: choose one with --plane page=1")
    if plane is None or set(plane) != {"page"} or not 1 <= number <= count:
        raise Refusal(f"has {count} pages and no other planes: give --plane page=N with N from 1 to {count}")
    return _SinglePage(file.pages[number - 1].aspage())


class _SinglePage:
    """A page of a file whose pages are of different kinds, in the terms of a series."""

    def __init__(self, page: "TiffPage") -> None:
        self.keyframe, self.pages = page, [page]
        self.axes, self.shape, self.nbytes, self.dataoffset = page.axes, page.shape, page.nbytes, None

    def asarray(self) -> NDArray[Any]:
        return self.keyframe.asarray()


def _is_plain(series: "TiffPageSeries") -> bool:
    """Tell whether Pillow reads the file as it is meant: one plane, 8 bits a channel, colour and alpha alone."""
    page = series.keyframe
    extra = [int(each) for each in page.extrasamples]
    axes = zip(series.axes, series.shape, strict=True)
    plane_axes = [axis for axis, length in axes if axis not in "YXS" and length > 1]
    return (
        page.dtype is not None
        and page.dtype.kind in "bu"
        and page.dtype.itemsize == 1
        and page.photometric in _PILLOW_READS
        and not plane_axes
        and page.samplesperpixel <= 4 + (page.photometric == 5)
        and (not extra or (extra[0] in _ALPHA and len(extra) == 1 and page.planarconfig == _CONTIGUOUS))
        and not (extra and is_georeferenced(page))
    )


def is_georeferenced(page: "TiffPage") -> bool:
    """Tell whether a page says where it lies on the earth."""
    return any(tag in page.tags for tag in _GEOREFERENCES)


def _chosen_planes(
    series: "TiffPageSeries", channels: Sequence[int] | None, plane: Mapping[str, int] | None, raw: bool
) -> tuple[dict[int, int], str]:
    """Return the index along every axis that is neither of pixels nor of channels, and what that is in words."""
    long = {place: axis for place, axis in enumerate(series.axes) if series.shape[place] > 1}
    pages = [place for place, axis in long.items() if axis in _PAGE_AXES]
    has_channels = any(axis in _CHANNEL_AXES for axis in long.values())
    if channels and len(pages) == 1 and not has_channels and "page" not in (plane or {}):
        del long[pages[0]]
    others = {place: axis for place, axis in long.items() if axis not in _CHANNEL_AXES + _PIXEL_AXES}
    names = {place: "page" if axis in _PAGE_AXES else axis.lower() for place, axis in others.items()}
    advice = ""
    if raw:
        advice = _LABELS_ALONE
    elif pages and not has_channels and len(names) == 1:
        advice = f"{how_to_choose(names.values())} or take pages as channels with --channels 1,2"
    return choose_planes(names, series.shape, plane, advice)


def _check(content: bytes, file: "TiffFile", series: "TiffPageSeries", page: "TiffPage", largest_plane: int) -> None:
    """Refuse what declares more than it has or than memory holds, before it is decoded."""
    if page.imagelength * page.imagewidth > largest_plane:
        raise TooManyPixels
    if series.nbytes > MAX_BYTES:
        raise Refusal(f"has planes of more than {MAX_BYTES >> 30} GiB: save fewer of them")
    if page.dtype is None or page.dtype.kind not in "biuf":
        raise Refusal(f"has values of the type {page.dtype or 'unknown'}: save whole or floating-point numbers")
    if series.dataoffset is not None and series.dataoffset + series.nbytes > len(content):
        raise ValueError("it ends too early")
    segment_bytes = math.prod(page.chunks) * page.dtype.itemsize
    for each in series.pages:
        if each is None:
            raise ValueError("a plane is missing")
        if len(each.dataoffsets) < math.prod(each.chunked):
            raise ValueError("parts of it are missing")
        for offset, count in zip(each.dataoffsets, each.databytecounts, strict=True):
            if count == 0 or offset + count > len(content):
                raise ValueError("it ends too early, or a part of it is missing")
            if page.compression in _DEFLATE:
                _check_deflated(content[offset : offset + count], segment_bytes)


def _check_deflated(data: bytes, size: int) -> None:
    stream = zlib.decompressobj()
    if len(stream.decompress(data, size + 1)) > size:
        raise ValueError("a part of it unpacks to more than it should")


def _asarray(series: "TiffPageSeries", page: "TiffPage", content: bytes) -> NDArray[Any]:
    try:
        return np.asarray(series.asarray())
    except ValueError as error:
        if "imagecodecs" not in str(error):
            raise
        compression = getattr(page.compression, "name", str(page.compression))
        values = _by_pillow(page, content) if len(series.pages) == 1 else None
        if values is None:
            raise Refusal(
                f"has {compression} compression, which needs another package: pip install 'dynseg[tiff]', or save it "
                "without compression"
            ) from error
        return values.reshape(series.shape)


def _by_pillow(page: "TiffPage", content: bytes) -> NDArray[Any] | None:
    """Decode what Pillow keeps every bit of; None for what it doesn't."""
    from PIL import Image

    kept = (np.uint8, np.uint16, np.int32, np.float32) if page.samplesperpixel == 1 else (np.uint8,)
    if page.dtype not in kept or page.photometric not in (_MIN_IS_BLACK, _RGB, _PALETTE):
        return None
    with Image.open(io.BytesIO(content), formats=("TIFF",)) as image:
        values = np.asarray(image)
    return values.astype(page.dtype) if values.shape == page.shape else None


def _planes(
    values: NDArray[Any],
    series: "TiffPageSeries",
    page: "TiffPage",
    index: Mapping[int, int],
    channels: Sequence[int] | None,
    raw: bool,
    note: str,
    names: tuple[str, ...] = (),
) -> Planes:
    axes = series.axes
    if page.photometric not in (_MIN_IS_WHITE, _MIN_IS_BLACK, _RGB) and not raw:
        kind = _PHOTOMETRIC.get(int(page.photometric), "colours of an unknown kind")
        raise Refusal(f"has {kind} with {values.dtype.itemsize * 8} bits a value: save it as RGB or grey")
    kept = [axis for place, axis in enumerate(axes) if place not in index]
    values = values[tuple(index.get(place, slice(None)) for place in range(len(axes)))]
    order = [kept.index("Y"), kept.index("X"), *(place for place, axis in enumerate(kept) if axis not in _PIXEL_AXES)]
    values = values.transpose(order).reshape(values.shape[order[0]], values.shape[order[1]], -1)
    samples = series.shape[axes.index("S")] if "S" in axes else 1
    extra = [int(each) for each in page.extrasamples]
    # With channels beside them, samples are no picture's colours.
    is_colour = values.shape[2] == samples and samples - len(extra) in (1, 3)
    alpha = next((samples - len(extra) + place for place, kind in enumerate(extra) if kind in _ALPHA), None)
    opacity, inside = None, None
    # Writers take four planes for colours with alpha, whatever they are.
    if raw or not is_colour or page.planarconfig != _CONTIGUOUS:
        alpha = None
    if not raw:
        values = _turned(values, page)
    if alpha is not None and is_georeferenced(page):
        # GDAL calls any fourth band of 8 bits opacity. Where it is one, it says which pixels have data.
        levels = np.unique(values[:, :, alpha])
        if levels.size == 2 and levels[0] == 0 and alpha + 1 not in (channels or ()):
            inside = values[:, :, alpha] != 0
        if not channels and (inside is not None or levels.size == 1):
            values = np.delete(values, alpha, axis=2)
        alpha = None
    if channels:
        alpha = None
    if alpha is not None:
        opacity = _opacity(values[:, :, alpha])
        values = np.delete(values, alpha, axis=2)
    return Planes(
        values=values,
        is_colour=is_colour and values.shape[2] in (1, 3),
        alpha=opacity,
        is_premultiplied=alpha is not None and _ASSOCIATED_ALPHA in extra,
        is_inverted=page.photometric == _MIN_IS_WHITE,
        no_data=no_data_of(page),
        inside=inside,
        note=note,
        channel_names=names if len(names) == values.shape[2] else (),
    )


def _opacity(values: NDArray[Any]) -> NDArray[np.float32]:
    full = np.iinfo(values.dtype).max if values.dtype.kind in "iu" else 1
    return np.clip(values / np.float32(full), 0, 1).astype(np.float32)


def _turned(values: NDArray[Any], page: "TiffPage") -> NDArray[Any]:
    """Apply the orientation (TIFF 6.0, tag 274)."""
    tag = page.tags.get(_ORIENTATION)
    orientation = int(tag.value) if tag is not None else 1
    if 5 <= orientation <= 8:
        values = values.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        values = values[::-1]
    if orientation in (2, 3, 6, 7):
        values = values[:, ::-1]
    return values


def no_data_of(page: "TiffPage") -> tuple[float, ...]:
    """Return the value of pixels without data that GDAL wrote into a page; see `read_no_data`."""
    tag = page.tags.get(_GDAL_NODATA)
    try:
        return (float(str(tag.value).strip("\0 ")),) if tag is not None else ()
    except ValueError:
        return ()
