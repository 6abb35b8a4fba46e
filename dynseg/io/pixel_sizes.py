"""How large a picture's pixels are, as microscopes write it: OME-TIFF, ImageJ's TIFF and OME-Zarr."""

import logging
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from xml.etree import ElementTree

from dynseg.io.ome_zarr import is_ome_zarr, read_level_sizes

if TYPE_CHECKING:
    from tifffile import TiffFile

# The names of OME-Zarr and the symbols of OME-XML.
SYMBOLS = {
    "angstrom": "Å",
    "picometer": "pm",
    "nanometer": "nm",
    "micrometer": "µm",
    "millimeter": "mm",
    "centimeter": "cm",
    "meter": "m",
    "kilometer": "km",
    "inch": "in",
    "foot": "ft",
}
_NAMES = {symbol: name for name, symbol in SYMBOLS.items()} | {
    "um": "micrometer",
    "μm": "micrometer",
    "micron": "micrometer",
    "microns": "micrometer",
}


class PixelSize(NamedTuple):
    """How large a pixel is, and where the first one lies.

    Attributes
    ----------
    y, x : float
        Height and width.
    unit_y, unit_x : str
        Their units by the names of OME-Zarr, as "micrometer"; empty if the file says none.
    origin_y, origin_x : float
        The place of the first pixel's middle, in the same units.
    """

    y: float
    x: float
    unit_y: str = ""
    unit_x: str = ""
    origin_y: float = 0.0
    origin_x: float = 0.0


def read_pixel_size(source: Path, shape: tuple[int, int]) -> PixelSize | None:
    """Read how large the pixels of a picture are.

    Parameters
    ----------
    source : path
        A picture that could be read.
    shape : (int, int)
        Height and width in pixels of what was taken of it: that of a level, or of one image of several.

    Returns
    -------
    PixelSize or None
        None if the file doesn't say, or isn't of a kind that does.

    Examples
    --------
    >>> import tempfile, numpy as np, tifffile
    >>> size = {"axes": "YX", "PhysicalSizeY": 0.5, "PhysicalSizeX": 0.25}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     tifffile.imwrite(f"{folder}/a.ome.tif", np.zeros((3, 4), np.uint8), metadata=size)
    ...     read_pixel_size(Path(folder, "a.ome.tif"), (3, 4))[:4]
    (0.5, 0.25, 'micrometer', 'micrometer')
    """
    try:
        if is_ome_zarr(source):
            return _of_zarr(source, shape)
        return _of_tiff(source, shape) if source.suffix.lower() in (".tif", ".tiff") else None
    except Exception:
        # The pixels are what matters, and parsers raise almost anything.
        logging.getLogger(__name__).warning("%s: how large its pixels are can't be read", source)
        return None


def _of_zarr(source: Path, shape: tuple[int, int]) -> PixelSize | None:
    for level in read_level_sizes(source):
        if level.shape == shape:
            return _checked(PixelSize(*level.scale, *level.units, *level.translation))
    return None


def _of_tiff(source: Path, shape: tuple[int, int]) -> PixelSize | None:
    from tifffile import TiffFile

    logging.getLogger("tifffile").addHandler(logging.NullHandler())
    with TiffFile(source) as file:
        if file.ome_metadata:
            return _of_ome_xml(file.ome_metadata, shape)
        return _of_imagej(file, file.imagej_metadata) if file.imagej_metadata else None


def _of_ome_xml(text: str, shape: tuple[int, int]) -> PixelSize | None:
    for pixels in ElementTree.fromstring(text).iterfind(".//{*}Pixels"):
        named = pixels.attrib
        if (int(named.get("SizeY", 0)), int(named.get("SizeX", 0))) == shape and "PhysicalSizeX" in named:
            x = float(named["PhysicalSizeX"])
            # OME 2016-06: micrometres where no unit is given.
            units = [_unit(named.get(f"PhysicalSize{axis}Unit", "µm")) for axis in "YX"]
            return _checked(PixelSize(float(named.get("PhysicalSizeY", x)), x, units[0], units[1]))
    return None


def _of_imagej(file: "TiffFile", metadata: Mapping[str, Any]) -> PixelSize | None:
    page = file.pages[0].aspage()
    unit = _unit(str(metadata.get("unit", "")))
    tags = [page.tags.get(f"{axis}Resolution") for axis in "YX"]
    if not unit or None in tags:
        return None
    # So many pixels lie in so many units.
    lengths = [tag.value[1] / tag.value[0] for tag in tags if tag is not None]
    return _checked(PixelSize(lengths[0], lengths[1], unit, unit))


def _unit(text: str) -> str:
    text = text.replace("\\u00B5", "µ").strip()
    name = _NAMES.get(text, text)
    return name if name in SYMBOLS else ""


def _checked(size: PixelSize) -> PixelSize | None:
    is_sound = size.y > 0 and size.x > 0 and all(math.isfinite(value) for value in (*size[:2], *size[4:]))
    return size if is_sound else None
