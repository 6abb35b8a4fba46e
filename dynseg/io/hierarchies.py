"""The hierarchy of one image, from the HDF5 file of its results."""

from pathlib import Path

from dynseg.errors import UserError
from dynseg.hierarchy import Hierarchy
from dynseg.io import label_maps

NO_HIERARCHY = "has no hierarchy: make it again by `dynseg segment --method regions --format h5`"


def read_hierarchy(path: str | Path, image_id: str | None = None) -> Hierarchy:
    """Return the hierarchy that `dynseg segment --format h5` wrote.

    Parameters
    ----------
    path : path
        The HDF5 file.
    image_id : str, optional
        Which image, if the file has several.

    Raises
    ------
    UserError
        If the file can't be read, has no hierarchy, or has several images and none is named.

    Examples
    --------
    >>> import tempfile
    >>> import dynseg, numpy as np
    >>> from dynseg.io.label_maps import write_label_maps
    >>> image = np.zeros((12, 16, 3), np.uint8)
    >>> image[:, 8:] = 200
    >>> result = dynseg.segment_regions(image, segments=2, device="cpu")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_label_maps(f"{folder}/image.h5", [("image", result)], {})
    ...     hierarchy = read_hierarchy(f"{folder}/image.h5")
    >>> hierarchy.cut_into(2).shape
    (12, 16)
    """
    if image_id is None:
        image_ids = label_maps.read_image_ids(path)
        if len(image_ids) != 1:
            raise UserError(f"{path} has {len(image_ids)} images: name the one whose hierarchy you want by image_id")
        image_id = image_ids[0]
    hierarchy = label_maps.read_hierarchy(path, image_id)
    if hierarchy is None:
        raise UserError(f"{path} {NO_HIERARCHY}")
    return hierarchy
