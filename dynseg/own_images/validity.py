"""Masks of a user's own images: which file belongs to which, and the pixels that count."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dynseg.errors import UserError
from dynseg.io.images import Picture, read_mask


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
    """Return the mask of every image that has one; see `find_beside`."""
    return find_beside(path, images, "masks")


def read_counting(picture: Picture, source: Path, mask: Path | None, masked: bool) -> NDArray[np.bool_] | None:
    """Return which pixels of a picture count, (H, W): those that have data and lie in its mask.

    Parameters
    ----------
    picture : Picture
    source : path
        Its file.
    mask : path, optional
        The file of its mask.
    masked : bool
        Whether masks are given for the images: where there is none for this one, all of it counts.

    Returns
    -------
    ndarray or None
        None if neither the picture nor masks say that a pixel may not count.

    Raises
    ------
    UserError
        If the mask can't be read or has another size.
    """
    if mask is None:
        everything = np.ones(picture.pixels.shape[:2], dtype=np.bool_) if masked else None
        return everything if picture.valid is None else picture.valid
    inside = read_mask(mask)
    if inside.shape != picture.pixels.shape[:2]:
        (height, width), shape = inside.shape, picture.pixels.shape
        raise UserError(
            f"{mask} is {width} × {height} pixels and {source} {shape[1]} × {shape[0]}: give a mask of the image's size"
        )
    return inside if picture.valid is None else inside & picture.valid
