"""Reading and writing HDF5 files that may be broken or hostile, or lie on a disk that is full."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from dynseg.errors import UserError
from dynseg.io.images import MAX_PIXELS

MAX_BYTES = 1 << 32

# What h5py raises on broken files.
_BROKEN = (OSError, RuntimeError, KeyError, ValueError)


@contextmanager
def written_hdf5(path: str | Path) -> Iterator[h5py.File]:
    """Yield a file in memory; write it to `path` when the block ends without an exception.

    HDF5 reports a full disk in many ways and at any time, a plain write in one.

    Raises
    ------
    OSError
        If the file can't be written.
    """
    with h5py.File(path, "w", driver="core", backing_store=False) as file:
        yield file
        file.flush()
        content = file.id.get_file_image()
    Path(path).write_bytes(content)


@contextmanager
def opened_hdf5(path: str | Path, kind: str, advice: str) -> Iterator[h5py.File]:
    """Open a file for reading.

    Parameters
    ----------
    path : path
    kind, advice : str
        What it should be, and what to do if it isn't there or isn't whole: parts of the sentence.

    Raises
    ------
    UserError
        If it can't be opened, or what is read in the block turns out to be broken.
    """
    try:
        with h5py.File(path, "r") as file:
            yield file
    except FileNotFoundError as error:
        raise UserError(f"{path} doesn't exist: {advice}") from error
    except IsADirectoryError as error:
        raise UserError(f"{path} is a folder and no HDF5 file of {kind}: name the files in it") from error
    except _BROKEN as error:
        raise UserError(f"{path} isn't a whole HDF5 file of {kind} ({error}): {advice}") from error


def names(group: h5py.Group) -> list[str]:
    """Return the names of a group's members, sorted, without those that aren't UTF-8."""
    return sorted(name for name in group if isinstance(name, str))


def member(parent: h5py.Group, name: str, kind: type) -> h5py.Group | h5py.Dataset | None:
    """Return a group or dataset that lies in the file itself; None if there is none of this kind.

    Links are not followed: a soft one may lead in circles, an external one to any file of the machine.
    """
    try:
        if not isinstance(parent.get(name, getlink=True), h5py.HardLink):
            return None
    except TypeError:
        # A kind of link that h5py doesn't know.
        return None
    found = parent[name]
    return found if isinstance(found, kind) else None


def read_array(dataset: h5py.Dataset, kinds: str = "biuf", dimensions: int | None = None) -> NDArray[Any]:
    """Read an array of numbers.

    Parameters
    ----------
    dataset : Dataset
    kinds : str
        The kinds of numbers that it may have, as `numpy.dtype.kind` has them.
    dimensions : int, optional

    Raises
    ------
    ValueError
        If it is of another kind, has another number of dimensions, more pixels than an image may have, or lies in
        another file.
    """
    if dataset.shape is None or dataset.dtype.kind not in kinds:
        raise ValueError(f"{dataset.name} doesn't hold such numbers")
    if dimensions is not None and dataset.ndim != dimensions:
        raise ValueError(f"{dataset.name} hasn't {dimensions} dimensions")
    # A small file may declare an array that no memory holds.
    if math.prod(dataset.shape[-2:]) > MAX_PIXELS or dataset.nbytes > MAX_BYTES:
        raise ValueError(f"{dataset.name} is larger than any image")
    if dataset.external or dataset.is_virtual:
        raise ValueError(f"{dataset.name} lies in another file")
    array: NDArray[Any] = dataset[()]
    return array


def smallest_unsigned(labels: NDArray[np.integer]) -> NDArray[np.unsignedinteger]:
    """Return the labels in the smallest unsigned integer type that holds them."""
    return labels.astype(np.min_scalar_type(int(labels.max(initial=0))))
