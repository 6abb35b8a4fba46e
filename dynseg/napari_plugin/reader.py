"""Read the regions of `dynseg segment --format h5` as labels layers, with the hierarchy that the slider cuts."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dynseg.errors import UserError
from dynseg.napari_plugin.cuts import StableCuts
from dynseg.napari_plugin.planes import Plane
from dynseg.napari_plugin.results import Regions

LayerData = tuple[Any, dict[str, Any], str]


def find_reader(path: str | Sequence[str]) -> Callable[[str], list[LayerData]] | None:
    """Return the function that reads a file's layers, or None if it isn't a label map file of dynseg.

    Examples
    --------
    >>> find_reader("missing.h5") is None
    True
    """
    from dynseg.io.label_maps import read_image_ids, read_labels

    if not isinstance(path, str):
        return None
    try:
        # Any program writes HDF5 files, and most of them are no label maps.
        for image_id in read_image_ids(path):
            read_labels(path, image_id)
            return read_layers
    except UserError:
        pass
    return None


def read_layers(path: str) -> list[LayerData]:
    """Return a labels layer for every image in a label map file; labels begin at 1, since 0 is napari's background."""
    from dynseg.io.label_maps import read_image_ids

    return [_layer(path, image_id) for image_id in read_image_ids(path)]


def _layer(path: str, image_id: str) -> LayerData:
    from dynseg.io.label_maps import read_segmentation

    result = read_segmentation(path, image_id)
    settings: dict[str, Any] = {"name": f"{image_id} regions"}
    if result.hierarchy is None:
        return result.labels.astype("int32") + 1, settings, "labels"
    cuts = StableCuts(result.hierarchy)
    labels = cuts.of_label_map(result.labels)
    count = int(np.unique(labels).size)
    settings["metadata"] = Regions(cuts, count, Plane.shown((0, 1), (0, 0))).metadata
    return labels, settings, "labels"
