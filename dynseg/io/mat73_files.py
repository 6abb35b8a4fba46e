"""MATLAB files of version 7.3, which are HDF5 files whose arrays have their dimensions in the opposite order."""

import io
from collections.abc import Iterator
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from dynseg.io.hdf5 import member, read_array

_START = b"MATLAB 7.3"
_MAX_CELLS = 1000
_MARK = b"MATLAB_class"


def is_mat73(content: bytes) -> bool:
    """Tell whether a file is a MATLAB file of version 7.3."""
    return content.startswith(_START)


def is_of_matlab(dataset: h5py.Dataset) -> bool:
    """Tell whether MATLAB wrote an HDF5 dataset, so that its dimensions are to be turned round."""
    # Asked for by name: other attributes, which may be broken, aren't read.
    return bool(h5py.h5a.exists(dataset.id, _MARK))


def read_matlab_array(dataset: h5py.Dataset, kinds: str = "biuf") -> NDArray[Any]:
    """Read an array of numbers from an HDF5 file, the right way round if MATLAB wrote it.

    Raises
    ------
    ValueError
        If it isn't one, as `dynseg.io.hdf5.read_array` has it.
    """
    values = read_array(dataset, kinds)
    return np.ascontiguousarray(values.T) if is_of_matlab(dataset) else values


def read_mat73(content: bytes) -> dict[str, NDArray[Any] | list[NDArray[Any]]]:
    """Read `groundTruth`, `Segmentation`, `segs` and `ucm2` of a MATLAB file of version 7.3, as far as it has them.

    Returns
    -------
    dict of str to ndarray, (H, W), or list of them
        Lists are those of the annotators' segmentations in `groundTruth` and of the label maps in `segs`.

    Raises
    ------
    ValueError, OSError, RuntimeError, KeyError
        If it is broken.
    """
    variables: dict[str, NDArray[Any] | list[NDArray[Any]]] = {}
    with h5py.File(io.BytesIO(content), "r") as file:
        for name in ("Segmentation", "ucm2"):
            if (dataset := member(file, name, h5py.Dataset)) is not None:
                variables[name] = _turned(dataset)
        if (series := member(file, "segs", h5py.Dataset)) is not None:
            cells = _referred(file, series) if _has_references(series) else None
            variables["segs"] = _turned(series) if cells is None else [_turned(cell) for cell in cells]
        truth = file.get("groundTruth", getlink=True) and (
            member(file, "groundTruth", h5py.Dataset) or member(file, "groundTruth", h5py.Group)
        )
        if truth is not None:
            variables["groundTruth"] = [_turned(dataset) for dataset in _segmentations(file, truth)]
    return variables


def _segmentations(file: h5py.File, truth: h5py.Dataset | h5py.Group) -> Iterator[h5py.Dataset]:
    """Yield the field `Segmentation` of a structure, of an array of structures, or of the structures in cells."""
    groups = [truth] if isinstance(truth, h5py.Group) else list(_referred(file, truth))
    for group in groups:
        field = member(group, "Segmentation", h5py.Dataset) if isinstance(group, h5py.Group) else None
        if field is None:
            raise ValueError("its `groundTruth` isn't made of structures with a `Segmentation`")
        yield from _referred(file, field) if _has_references(field) else [field]


def _has_references(dataset: h5py.Dataset) -> bool:
    return h5py.check_ref_dtype(dataset.dtype) is h5py.Reference


def _referred(file: h5py.File, dataset: h5py.Dataset) -> Iterator[h5py.Dataset | h5py.Group]:
    if not _has_references(dataset) or dataset.size > _MAX_CELLS or dataset.external or dataset.is_virtual:
        raise ValueError(f"its {dataset.name} isn't an array of cells")
    for reference in dataset[()].T.ravel(order="F"):
        yield file[reference]


def _turned(dataset: h5py.Dataset | h5py.Group) -> NDArray[Any]:
    if not isinstance(dataset, h5py.Dataset):
        raise ValueError(f"its {dataset.name} isn't an array of numbers")
    return np.ascontiguousarray(read_array(dataset, dimensions=2).T)
