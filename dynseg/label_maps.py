"""The HDF5 store of results: one file a job, one group an image."""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from dynseg.errors import UserError
from dynseg.files import written_aside
from dynseg.methods.result import Segmentation


def write_label_maps(
    path: str | Path, segmentations: Iterable[tuple[str, Segmentation]], provenance: Mapping[str, Any]
) -> None:
    """Write the label maps of a job.

    Parameters
    ----------
    path : path
        The HDF5 file. It appears when all segmentations are in it.
    segmentations : iterable of (image id, Segmentation)
        May be a generator: each one is written as it comes.
    provenance : mapping
        What made all of them (method, parameters, seed, versions, device): attributes of the file. Values that
        HDF5 has no type for are written as JSON.

    Raises
    ------
    UserError
        If the file can't be written.
    """
    with written_aside(path) as aside, h5py.File(aside, "w") as file:
        _set_attributes(file, provenance)
        for image_id, segmentation in segmentations:
            group = file.create_group(image_id)
            labels = smallest_unsigned(segmentation.labels)
            group.create_dataset("labels", data=labels, compression="gzip", compression_opts=4, shuffle=True)
            history = group.create_group("history")
            for name, values in segmentation.history.items():
                history.create_dataset(name, data=values)
            _set_attributes(group, segmentation.facts)


def read_image_ids(path: str | Path) -> list[str]:
    """Return the ids of the images in a label map file, sorted."""
    with _opened(path) as file:
        return sorted(file)


def read_labels(path: str | Path, image_id: str) -> NDArray[np.unsignedinteger]:
    """Return one image's label map, (H, W), smallest unsigned integer type.

    Raises
    ------
    UserError
        If the file can't be read or has no such image.
    """
    with _opened(path) as file:
        return _group(file, image_id)["labels"][()]


def read_history(path: str | Path, image_id: str) -> dict[str, NDArray]:
    """Return one image's history: `iteration`, `label_count` (q′), `weight`, `similarity_loss`, `continuity_loss`.

    Each is an array (iterations,). Methods that don't iterate have none.
    """
    with _opened(path) as file:
        return {name: values[()] for name, values in _group(file, image_id)["history"].items()}


def read_attributes(path: str | Path, image_id: str) -> dict[str, Any]:
    """Return what made one image's label map: the attributes of the file and of the image's group."""
    with _opened(path) as file:
        attributes = {**file.attrs, **_group(file, image_id).attrs}
    return {name: value.item() if isinstance(value, np.generic) else value for name, value in attributes.items()}


def smallest_unsigned(labels: NDArray[np.integer]) -> NDArray[np.unsignedinteger]:
    """Return the labels in the smallest unsigned integer type that holds them."""
    return labels.astype(np.min_scalar_type(int(labels.max(initial=0))))


def _set_attributes(target: h5py.Group, attributes: Mapping[str, Any]) -> None:
    for name, value in attributes.items():
        plain = isinstance(value, str | int | float | bool)
        target.attrs[name] = value if plain else json.dumps(value, sort_keys=True)


@contextmanager
def _opened(path: str | Path) -> Iterator[h5py.File]:
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise UserError(f"{path} isn't a readable HDF5 file of label maps: delete it and run the job again") from error
    with file:
        yield file


def _group(file: h5py.File, image_id: str) -> h5py.Group:
    if image_id not in file:
        raise UserError(f"{file.filename} has no label map of image {image_id}: run the job that makes it again")
    return file[image_id]
