"""The store of annotations: one HDF5 file a dataset, one group an image."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from dynseg.errors import UserError
from dynseg.io.hdf5 import member, names, opened_hdf5, read_array, smallest_unsigned, written_hdf5

_ADVICE = "prepare the dataset again"


def store_annotations(
    path: str | Path, annotations: Iterable[tuple[str, NDArray[Any]]], attributes: Mapping[str, str]
) -> None:
    """Write the annotations of a dataset under their final name, for a caller who writes a whole folder aside.

    Parameters
    ----------
    path : path
        The file to write.
    annotations : iterable of (str, ndarray)
        Image ids, each with its segments, (annotators, height, width) of non-negative integers: 1..n for an
        annotator's segments, 0 for pixels that aren't scored.
    attributes : mapping of str to str
        What made the file: dataset, split, archive, archive_sha256, void.

    Raises
    ------
    OSError
        If the file can't be written.
    """
    with written_hdf5(path) as file:
        file.attrs.update(attributes)
        for image_id, segments in annotations:
            segments = smallest_unsigned(segments)
            file.create_group(image_id).create_dataset(
                "segments", data=segments, chunks=(1, *segments.shape[1:]), compression="gzip", shuffle=True
            )


def read_attributes(path: str | Path) -> dict[str, str]:
    """Read what made the file: dataset, split, archive, archive_sha256, void.

    Raises
    ------
    UserError
        If the file can't be read.
    """
    with _opened(path) as file:
        return {name: str(value) for name, value in file.attrs.items()}


def read_annotated_ids(path: str | Path) -> list[str]:
    """Read the ids of the images that have annotations, sorted; none in a picture-only dataset.

    Raises
    ------
    UserError
        If the file can't be read.
    """
    with _opened(path) as file:
        return names(file)


def read_segments(path: str | Path, image_id: str) -> NDArray[np.unsignedinteger]:
    """Read all annotations of one image.

    Returns
    -------
    ndarray, (annotators, H, W) unsigned integer
        Segments are numbered from 1 for each annotator; 0 isn't scored.

    Raises
    ------
    UserError
        If the file can't be read or has no annotation of this image.
    """
    return next(iterate_segments(path, [image_id]))[1]


def iterate_segments(path: str | Path, ids: Iterable[str]) -> Iterator[tuple[str, NDArray[np.unsignedinteger]]]:
    """Yield each image's id and its annotations as `read_segments` gives them, opening the file once.

    Raises
    ------
    UserError
        If the file can't be read or has no annotation of one of the images.
    """
    with _opened(path) as file:
        for image_id in ids:
            yield image_id, _segments(Path(path), file, image_id)


def _segments(path: Path, file: h5py.File, image_id: str) -> NDArray[np.unsignedinteger]:
    group = member(file, image_id, h5py.Group)
    segments = group and member(group, "segments", h5py.Dataset)
    if segments is None:
        raise UserError(f"{path} has no annotation of the image {image_id!r}: {_ADVICE}")
    return read_array(segments, "u", 3)


def _opened(path: str | Path) -> AbstractContextManager[h5py.File]:
    return opened_hdf5(path, "annotations", _ADVICE)
