"""An image of a dataset on its way from the archive, and its name on the way."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dynseg.errors import UserError


@dataclass(frozen=True)
class Example:
    """One image of a dataset on its way from the archive.

    Attributes
    ----------
    image_id : str
        Its id.
    source : str
        The name of its file, for errors.
    suffix : str
        The file's lower-case extension, with its dot.
    content : bytes or path
        The file, or the folder of an OME-Zarr.
    modified : float
        Time of the file's last change in seconds since 1970.
    segments : ndarray, (annotators, H, W) unsigned integer, or None
        Its annotations: segments numbered from 1, 0 isn't scored. None without annotations.
    """

    image_id: str
    source: str
    suffix: str
    content: bytes | Path
    modified: float
    segments: NDArray[np.unsignedinteger] | None


def unique_ids(named: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Map image ids to their files' names.

    Parameters
    ----------
    named : iterable of (str, str)
        Image ids and names.

    Raises
    ------
    UserError
        If two names make one id.
    """
    names: dict[str, str] = {}
    for image_id, name in named:
        if image_id in names:
            raise UserError(
                f"{names[image_id]!r} and {name!r} would both be the image {image_id!r}: rename one of them"
            )
        names[image_id] = name
    return names
