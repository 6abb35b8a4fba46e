"""Read pictures of any common kind as RGB, and label images as numbers."""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from dynseg.errors import UserError

IMAGE_SUFFIXES = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"})
MAX_PIXELS = 178_956_970  # Pillow's own bound against decompression bombs

# No other decoder of Pillow is let near the input: some of them start programs.
_FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
_SIXTEEN_BITS = 257  # 65535 / 255


def read_image(source: Path | str | bytes, name: str | None = None) -> NDArray[np.uint8]:
    """Read a picture as RGB.

    EXIF orientation is applied, transparency is laid on white (a transparent shade of 16-bit grey isn't), 16 bits a
    channel are scaled to 8, and of several frames the first counts.

    Parameters
    ----------
    source : path or bytes
        The file, or its content.
    name : str, optional
        What errors call it; by default the path.

    Returns
    -------
    ndarray, (H, W, 3) uint8

    Raises
    ------
    UserError
        If it can't be read, is truncated or has more than `MAX_PIXELS` pixels.
    """
    with _opened(source, name) as image:
        image = ImageOps.exif_transpose(image)
        if image.mode.startswith("I"):
            return np.repeat(_scaled_to_8_bits(np.asarray(image))[:, :, np.newaxis], 3, axis=2)
        if image.mode == "F":
            raise ValueError("it has floating-point values: save it with 8 or 16 bits a channel")
        if image.has_transparency_data:
            image = image.convert("RGBA")
            white = Image.new("RGBA", image.size, "white")
            image = Image.alpha_composite(white, image)
        return np.array(image.convert("RGB"))


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
        that black is 0. Of a picture with alpha the colours alone count, grey ones too.

    Raises
    ------
    UserError
        If it can't be read, is truncated or has more than `MAX_PIXELS` pixels.
    """
    with _opened(source, name) as image:
        if image.mode in ("P", "L", "1") or image.mode.startswith("I"):
            return np.array(image, dtype=np.int32)
        # Alpha carries no label; what it hides does.
        colours = np.array(image.convert("RGB"), dtype=np.int32)
        return colours[:, :, 0] << 16 | colours[:, :, 1] << 8 | colours[:, :, 2]


def has_palette(source: Path | str | bytes, name: str | None = None) -> bool:
    """Tell whether the pixels of a picture are indices into a palette; arguments and errors as in `read_image`."""
    with _opened(source, name) as image:
        return image.mode == "P"


def _scaled_to_8_bits(values: NDArray) -> NDArray[np.uint8]:
    if values.min() < 0 or values.max() > np.iinfo(np.uint16).max:
        raise ValueError("it has 32 bits a pixel: save it with 8 or 16")
    return (np.rint(values.astype(np.float64) / _SIXTEEN_BITS)).astype(np.uint8)


@contextmanager
def _opened(source: Path | str | bytes, name: str | None) -> Iterator[Image.Image]:
    name = name if name is not None else ("an image" if isinstance(source, bytes) else str(source))
    try:
        # Pillow warns of much that does no harm here, and of large images before it refuses them.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source, formats=_FORMATS) as image:
                image.load()
                yield image
    except FileNotFoundError as error:
        raise UserError(f"{name} doesn't exist: give the path of an image") from error
    except Image.DecompressionBombError as error:
        raise UserError(f"{name} has more than {MAX_PIXELS:,} pixels: scale it down") from error
    except Image.UnidentifiedImageError as error:
        raise UserError(f"{name} isn't an image that can be read: give a whole JPEG, PNG, TIFF, BMP or WebP") from error
    except Exception as error:
        # Decoders raise almost anything on broken input.
        raise UserError(f"{name} can't be read as an image ({error}): give a whole one or leave it out") from error
