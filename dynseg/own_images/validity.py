"""Masks of a user's own images: which file belongs to which, and the pixels that count."""

import logging
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from dynseg.errors import UserError
from dynseg.io.images import Picture, Reading, read_mask

_logger = logging.getLogger(__name__)


def find_beside(path: Path, images: Mapping[Path, Path], what: str) -> dict[Path, Path]:
    """Return the file that belongs to every image that has one, by the image's path.

    Parameters
    ----------
    path : path
        One file for the one image, or a folder with NAME.png for NAME.jpg.
    images : mapping of path to path
        From the image's path to that below the named folder, without extension.
    what : str
        What the files are, in the plural.

    Raises
    ------
    UserError
        If one file is given for several images, or a folder has none for any.
    """
    if not path.is_dir():
        if len(images) > 1:
            raise UserError(f"{path} is one file and there are {len(images)} images: give a folder of {what}")
        return dict.fromkeys(images, path)
    found = {source: path / relative.with_name(f"{relative.name}.png") for source, relative in images.items()}
    found = {source: file for source, file in found.items() if file.exists()}
    if not found:
        raise UserError(f"{path} has no {what} for these images: name them as the images, NAME.png for NAME.jpg")
    return found


def find_masks(path: Path, images: Mapping[Path, Path]) -> dict[Path, Path]:
    """Return the mask of every image that has one; see `find_beside`. A warning counts the images that have none."""
    found = find_beside(path, images, "masks")
    missing = [relative for source, relative in images.items() if source not in found]
    if missing:
        _logger.warning(
            "%s has no mask for %d of %d images, of which all is segmented: %s is the first",
            path,
            len(missing),
            len(images),
            missing[0],
        )
    return found


def read_masked(reading: Reading, source: Path, mask: Path | None, masked: bool) -> Picture:
    """Read a picture inside of its mask.

    Parameters
    ----------
    reading : Reading
    source : path
    mask : path, optional
        The file of its mask.
    masked : bool
        Whether masks are given for the images: where there is none for this one, all of it is inside.

    Raises
    ------
    UserError
        If one of them can't be read, or they have different sizes.
    """
    picture = reading.read(source, inside=None if mask is None else read_mask(mask))
    if masked and picture.valid is None:
        return picture._replace(valid=np.ones(picture.pixels.shape[:2], dtype=np.bool_))
    return picture
