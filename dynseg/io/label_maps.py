"""The HDF5 store of results: one file a job, one group an image."""

import json
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from dynseg.errors import UserError
from dynseg.hierarchy import Hierarchy
from dynseg.io.files import written_aside
from dynseg.io.hdf5 import member, names, opened_hdf5, read_array, smallest_unsigned, written_hdf5
from dynseg.result import LabelMapSeries, Segmentation

_ADVICE = "give one that the workflow or `dynseg segment --format h5` made, or run the job that makes it again"


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
    with written_aside(path) as aside, written_hdf5(aside) as file:
        _set_attributes(file, provenance)
        for image_id, segmentation in segmentations:
            group = file.create_group(image_id)
            _create(group, "labels", smallest_unsigned(segmentation.labels))
            history = group.create_group("history")
            for name, values in segmentation.history.items():
                history.create_dataset(name, data=values)
            if segmentation.hierarchy is not None:
                _write_hierarchy(group.create_group("hierarchy"), segmentation.hierarchy)
            if segmentation.series is not None:
                _write_series(group.create_group("series"), segmentation.series)
            _set_attributes(group, segmentation.facts)


def read_image_ids(path: str | Path) -> list[str]:
    """Return the ids of the images in a label map file, sorted."""
    with _opened(path) as file:
        return names(file)


def files_by_image(files: Iterable[str | Path]) -> dict[str, Path]:
    """Return the label map file of every image in some files.

    Raises
    ------
    UserError
        If a file can't be read, or two of them have the same image.
    """
    return join_files_by_image(dict.fromkeys(read_image_ids(file), Path(file)) for file in files)


def join_files_by_image(parts: Iterable[Mapping[str, Path]]) -> dict[str, Path]:
    """Join mappings from image ids to label map files.

    Raises
    ------
    UserError
        If two of them have the same image.
    """
    joined: dict[str, Path] = {}
    for part in parts:
        for image_id, file in part.items():
            if image_id in joined:
                raise UserError(
                    f"{file} and {joined[image_id]} both have a label map of image {image_id}: give each image once"
                )
            joined[image_id] = file
    return joined


def read_labels(path: str | Path, image_id: str) -> NDArray[np.unsignedinteger]:
    """Return one image's label map, (H, W), smallest unsigned integer type.

    Raises
    ------
    UserError
        If the file can't be read or has no such image.
    """
    with _opened(path) as file:
        return _labels(_group(file, image_id))


def read_history(path: str | Path, image_id: str) -> dict[str, NDArray[Any]]:
    """Return one image's history: `iteration`, `label_count` (q′), `weight`, `similarity_loss`, `continuity_loss`.

    Each is an array (iterations,). Methods that don't iterate have none.
    """
    with _opened(path) as file:
        return _history(_group(file, image_id))


def read_hierarchy(path: str | Path, image_id: str) -> Hierarchy | None:
    """Return one image's hierarchy; None if its method gives none.

    Raises
    ------
    UserError
        If the file can't be read, has no such image, or holds no whole hierarchy.
    """
    with _opened(path) as file:
        return _hierarchy(_group(file, image_id))


def read_series(path: str | Path, image_id: str) -> LabelMapSeries | None:
    """Return one image's label maps at other values of the scale parameter; None if none were made.

    Raises
    ------
    UserError
        If the file can't be read, has no such image, or holds no whole series.
    """
    with _opened(path) as file:
        return _series(_group(file, image_id))


def read_attributes(path: str | Path, image_id: str) -> dict[str, Any]:
    """Return what made one image's label map: the attributes of the file and of the image's group."""
    with _opened(path) as file:
        return {**_attributes(file), **_attributes(_group(file, image_id))}


def read_segmentation(path: str | Path, image_id: str) -> Segmentation:
    """Return all that was written of one image.

    Raises
    ------
    UserError
        If the file can't be read or has no such image.
    """
    with _opened(path) as file:
        group = _group(file, image_id)
        return Segmentation(_labels(group), _history(group), _attributes(group), _hierarchy(group), _series(group))


def _create(group: h5py.Group, name: str, values: NDArray[Any]) -> None:
    group.create_dataset(name, data=values, compression="gzip", compression_opts=4, shuffle=True)


def _write_hierarchy(group: h5py.Group, hierarchy: Hierarchy) -> None:
    leaves = hierarchy.leaves
    # Pixels without data have a number beyond those of leaves.
    _create(group, "leaves", smallest_unsigned(np.where(leaves < 0, hierarchy.leaf_count, leaves)))
    _create(group, "children", smallest_unsigned(hierarchy.children))
    _create(group, "altitudes", hierarchy.altitudes)


def _write_series(group: h5py.Group, series: LabelMapSeries) -> None:
    _create(group, "labels", smallest_unsigned(series.label_maps))
    _create(group, "scales", series.scales)


def _set_attributes(target: h5py.Group, attributes: Mapping[str, Any]) -> None:
    for name, value in attributes.items():
        plain = isinstance(value, str | int | float | bool)
        target.attrs[name] = value if plain else json.dumps(value, sort_keys=True)


def _attributes(target: h5py.Group) -> dict[str, Any]:
    return {name: value.item() if isinstance(value, np.generic) else value for name, value in target.attrs.items()}


def _opened(path: str | Path) -> AbstractContextManager[h5py.File]:
    return opened_hdf5(path, "label maps", _ADVICE)


def _group(file: h5py.File, image_id: str) -> h5py.Group:
    group = member(file, image_id, h5py.Group)
    if group is None:
        raise UserError(f"{file.filename} has no label map of image {image_id}: {_ADVICE}")
    return group


def _labels(group: h5py.Group) -> NDArray[np.unsignedinteger]:
    return _array(group, "labels", "u", 2)


def _history(group: h5py.Group) -> dict[str, NDArray[Any]]:
    history = member(group, "history", h5py.Group)
    if history is None:
        raise ValueError(f"{group.name} has no history")
    found = {name: member(history, name, h5py.Dataset) for name in names(history)}
    return {name: read_array(values, dimensions=1) for name, values in found.items() if values is not None}


def _hierarchy(group: h5py.Group) -> Hierarchy | None:
    stored = member(group, "hierarchy", h5py.Group)
    if stored is None:
        return None
    leaves = _array(stored, "leaves", "u", 2).astype(np.int32)
    children = _array(stored, "children", "u", 2).astype(np.int32)
    altitudes = _array(stored, "altitudes", "f", 1)
    _check_tree(stored.name, leaves, children, altitudes)
    leaves[leaves > altitudes.size] = -1
    return Hierarchy(leaves, children, altitudes)


def _check_tree(
    name: str, leaves: NDArray[np.int32], children: NDArray[np.int32], altitudes: NDArray[np.floating]
) -> None:
    """Raise a ValueError unless each merge joins two nodes that are there, every node once, in ascending order."""
    merges = altitudes.size
    nodes = np.sort(children.ravel())
    whole = (
        children.shape == (merges, 2)
        and leaves.size > 0
        and leaves.min() >= 0
        and leaves.max() in (merges, merges + 1)
        and np.array_equal(nodes, np.arange(2 * merges))
        and bool((children.max(axis=1, initial=0) < merges + 1 + np.arange(merges)).all())
        and bool((altitudes[1:] >= altitudes[:-1]).all())
        and not bool((np.isnan(altitudes) | np.isneginf(altitudes)).any())
    )
    if not whole:
        raise ValueError(f"{name} isn't a tree of merges")


def _series(group: h5py.Group) -> LabelMapSeries | None:
    stored = member(group, "series", h5py.Group)
    if stored is None:
        return None
    label_maps = _array(stored, "labels", "u", 3)
    scales = _array(stored, "scales", "f", 1).astype(np.float64)
    if len(scales) != len(label_maps):
        raise ValueError(f"{stored.name} has {len(label_maps)} label maps at {len(scales)} scales")
    return LabelMapSeries(scales, label_maps)


def _array(group: h5py.Group, name: str, kinds: str, dimensions: int) -> NDArray[Any]:
    """Read an array that must be there."""
    values = member(group, name, h5py.Dataset)
    if values is None:
        raise ValueError(f"{group.name} has no {name}")
    return read_array(values, kinds, dimensions)
