"""Annotations in MATLAB files: BSD500's `groundTruth{i}.Segmentation`, or one array `Segmentation`."""

import io
import struct
import zlib

import numpy as np
from numpy.typing import NDArray

from dynseg.errors import UserError

_HEADER_BYTES = 128
_TAG_BYTES = 8
_ARRAY_FLAGS_BYTES = 16
_MATRIX, _COMPRESSED = 14, 15
_MAX_ARRAYS = 2_000
_MAX_BYTES = 1 << 28


def read_mat_annotations(content: bytes, name: str) -> list[NDArray]:
    """Read every annotator's label map from a MATLAB file of version 7 or older.

    Parameters
    ----------
    content : bytes
        The file.
    name : str
        What errors call it.

    Returns
    -------
    list of ndarray, (H, W)
        One an annotator, with the numbers that the file has.

    Raises
    ------
    UserError
        If the file is broken, is HDF5 (version 7.3), nests too deep, or has neither `groundTruth` nor `Segmentation`.
    """
    # scipy.io takes long to import.
    from scipy.io import loadmat

    if b"MATLAB 7.3" in content[:_HEADER_BYTES]:
        raise UserError(f'{name} is a MATLAB 7.3 file: save it with "-v7"')
    try:
        variables = loadmat(io.BytesIO(_bounded(content)), variable_names=["groundTruth", "Segmentation"])
        if "groundTruth" in variables:
            annotations = [cell["Segmentation"][0, 0] for cell in variables["groundTruth"].ravel()]
        elif "Segmentation" in variables:
            annotations = [variables["Segmentation"]]
        else:
            raise UserError(f"{name} has neither `groundTruth` nor `Segmentation`: save the label map as one of them")
    except UserError:
        raise
    except Exception as error:
        # The reader raises almost anything on broken input.
        raise UserError(f"{name} can't be read as a MATLAB file ({error}): give a whole one") from error
    if not annotations or any(np.ndim(annotation) != 2 or not np.size(annotation) for annotation in annotations):
        raise UserError(f"{name} must hold label maps of height x width: give a file with at least one")
    return annotations


def _bounded(content: bytes) -> bytes:
    """Inflate a file of version 5 to 7 and refuse one that would exhaust the memory or the stack of SciPy's reader."""
    order = {b"IM": "<", b"MI": ">"}.get(content[126:_HEADER_BYTES])
    if order is None:
        return content
    inflated = [content[:_HEADER_BYTES]]
    left = _MAX_BYTES
    position = _HEADER_BYTES
    while position + _TAG_BYTES <= len(content):
        kind, size = struct.unpack_from(f"{order}II", content, position)
        end = position + _TAG_BYTES + size
        if kind == _COMPRESSED:
            element = zlib.decompressobj().decompress(content[position + _TAG_BYTES : end], left)
        else:
            element = content[position:end]
        left -= len(element)
        if left <= 0:
            raise ValueError(f"it unpacks to more than {_MAX_BYTES:,} bytes")
        _check_nesting(element, order)
        inflated.append(element)
        position = end
    return b"".join(inflated)


def _check_nesting(element: bytes, order: str) -> None:
    # SciPy's reader recurses in C and crashes at a depth of some thousands. It ignores the size of an array that
    # holds others, so only the number of arrays bounds the depth.
    arrays = 0
    position = 0
    while position + _TAG_BYTES <= len(element):
        kind, size = struct.unpack_from(f"{order}II", element, position)
        position += _TAG_BYTES
        if kind == _MATRIX:
            arrays += 1
            position += _ARRAY_FLAGS_BYTES if size else 0
        elif kind <= 0xFFFF:
            position += size + -size % 8
    if arrays > _MAX_ARRAYS:
        raise ValueError(f"it holds more than {_MAX_ARRAYS:,} arrays")
