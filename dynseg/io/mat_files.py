"""MATLAB files: BSD500's `groundTruth{i}.Segmentation`, an array `Segmentation`, contours `ucm2`, label maps `segs{i}`.

The format is described in "MAT-File Format" (MathWorks, level 5). SciPy's reader isn't used, since a broken or hostile
file crashes the whole process in it: it trusts declared sizes and recurses without a bound.
"""

import math
import struct
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dynseg.errors import UserError
from dynseg.io.mat73_files import is_mat73, read_mat73

_HEADER_BYTES = 128
_ORDERS = {b"IM": "<", b"MI": ">"}
_TAG = 8
_MAX_BYTES = 1 << 28
_MAX_DEPTH = 8
# Types of elements and classes of arrays, by their names in the format's description.
_MI_MATRIX, _MI_COMPRESSED = 14, 15
_MI_NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_MX_CELL, _MX_STRUCT = 1, 2
_MX_NUMBERS = range(6, 16)


def is_mat(content: bytes) -> bool:
    """Tell whether a file starts as MATLAB files of version 5 to 7.3 do."""
    return content[126:_HEADER_BYTES] in _ORDERS


def read_mat_annotations(content: bytes, name: str) -> list[NDArray[Any]]:
    """Read every annotator's label map from a MATLAB file of version 5 to 7.3.

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
        If the file is broken, is of an older version, or has neither `groundTruth` nor `Segmentation`.
    """
    variables = _read(content, name)
    if "groundTruth" in variables:
        try:
            truth = variables["groundTruth"]
            annotations = truth if is_mat73(content) else [each["Segmentation"] for each in _contents(truth)]
        except ValueError as error:
            raise _unreadable(name, error) from error
    elif "Segmentation" in variables:
        annotations = [variables["Segmentation"]]
    else:
        raise UserError(f"{name} has neither `groundTruth` nor `Segmentation`: save the label map as one of them")
    if not annotations or not all(isinstance(labels, np.ndarray) and labels.size for labels in annotations):
        raise UserError(f"{name} must hold label maps of height x width: give a file with at least one")
    if any(labels.ndim != 2 for labels in annotations):
        raise UserError(f"{name} has a label map that isn't height x width: give one number a pixel")
    return annotations


def read_mat_contour_map(content: bytes, name: str) -> NDArray[Any] | None:
    """Read `ucm2`, the ultrametric contour map of the BSDS, from a MATLAB file of version 5 to 7.

    Parameters
    ----------
    content : bytes
        The file.
    name : str
        What errors call it.

    Returns
    -------
    ndarray, (2 H + 1, 2 W + 1), or None
        The numbers that the file has; None if it has no such array.

    Raises
    ------
    UserError
        If the file is broken or of an older version.
    """
    contour_map = _read(content, name).get("ucm2")
    return contour_map if isinstance(contour_map, np.ndarray) and contour_map.ndim == 2 else None


def read_mat_label_map_series(content: bytes, name: str) -> list[NDArray[Any]] | None:
    """Read `segs`, label maps of one image at several scales in the BSDS benchmark's format, from a MATLAB file.

    Parameters
    ----------
    content : bytes
        The file, of version 5 to 7.
    name : str
        What errors call it.

    Returns
    -------
    list of ndarray, (H, W), or None
        One a scale, in the order of the file, with the numbers that it has; None if it has no `segs`.

    Raises
    ------
    UserError
        If the file is broken or of another version, or `segs` isn't a cell array of label maps of one size.
    """
    variables = _read(content, name)
    if "segs" not in variables:
        return None
    series = variables["segs"]
    if not isinstance(series, list) or not series:
        raise UserError(f"{name} has a `segs` that isn't a cell array of label maps: give at least one cell")
    if not all(isinstance(labels, np.ndarray) and labels.size and labels.ndim == 2 for labels in series):
        raise UserError(f"{name} has a cell of `segs` that isn't a label map: give one of height x width in each")
    if len({labels.shape for labels in series}) > 1:
        raise UserError(f"{name} has label maps of different sizes in `segs`: give those of one image")
    return series


def _read(content: bytes, name: str) -> dict[str, Any]:
    try:
        if is_mat73(content):
            return read_mat73(content)
    except (OSError, RuntimeError, KeyError, ValueError) as error:
        raise _unreadable(name, error) from error
    if not is_mat(content):
        raise UserError(f'{name} isn\'t a MATLAB file of version 5 to 7: save it in MATLAB with "-v7"')
    try:
        return dict(_variables(content, _ORDERS[content[126:_HEADER_BYTES]]))
    except (ValueError, IndexError, OverflowError, struct.error, zlib.error) as error:
        raise _unreadable(name, error) from error


def _unreadable(name: str, error: Exception) -> UserError:
    return UserError(f"{name} can't be read as a MATLAB file ({error}): give a whole one")


def _contents(cells: Any) -> Iterator[dict[str, Any]]:
    """Yield the annotators' structures, be they in a cell array or an array of structures."""
    for cell in cells if isinstance(cells, list) else [cells]:
        for annotator in cell if isinstance(cell, list) else [cell]:
            if not isinstance(annotator, dict) or "Segmentation" not in annotator:
                raise ValueError("its `groundTruth` isn't made of structures with a `Segmentation`")
            yield annotator


def _variables(content: bytes, order: str) -> Iterator[tuple[str, Any]]:
    left = _MAX_BYTES
    for kind, data in _elements(content[_HEADER_BYTES:], order):
        if kind == _MI_COMPRESSED:
            inflated = zlib.decompressobj().decompress(data, left + 1)
            left -= len(inflated)
            if left < 0:
                raise ValueError(f"it unpacks to more than {_MAX_BYTES:,} bytes")
            kind, data = next(_elements(inflated, order), (0, data[:0]))
        if kind == _MI_MATRIX and data:
            yield _array(data, order, 0)


def _elements(data: bytes | memoryview, order: str) -> Iterator[tuple[int, memoryview]]:
    """Yield the type and content of elements that follow one another."""
    view = memoryview(data)
    position = 0
    while position + _TAG <= len(view):
        kind, size = struct.unpack_from(f"{order}II", view, position)
        start = position + _TAG
        if kind >> 16:
            # Up to four bytes are packed into the tag itself.
            kind, size, start = kind & 0xFFFF, kind >> 16, position + 4
            end = position + _TAG
        else:
            end = start + size + (-size % 8 if kind != _MI_COMPRESSED else 0)
        if start + size > min(end, len(view)):
            raise ValueError("it ends too early")
        yield kind, view[start : start + size]
        position = end


def _array(data: memoryview, order: str, depth: int) -> tuple[str, Any]:
    """Read an array's name and its content: an ndarray, a list of cells, a list of structures, or None for others."""
    if depth > _MAX_DEPTH:
        raise ValueError(f"it nests deeper than {_MAX_DEPTH} arrays")
    if not data:
        return "", None
    elements = _elements(data, order)
    flags, dimensions, name = (_next(elements) for _ in range(3))
    array_class = int(_numbers(flags, order)[0]) & 0xFF
    shape = tuple(int(length) for length in _numbers(dimensions, order))
    if min(shape, default=-1) < 0:
        raise ValueError("it has an array of negative size")
    content: Any = None
    if array_class in _MX_NUMBERS:
        content = _numbers(_next(elements), order).reshape(shape, order="F")
    elif array_class == _MX_CELL:
        content = [_array(_matrix(elements), order, depth + 1)[1] for _ in range(math.prod(shape))]
    elif array_class == _MX_STRUCT:
        fields = _field_names(_numbers(_next(elements), order), bytes(_next(elements)[1]))
        content = [
            {field: _array(_matrix(elements), order, depth + 1)[1] for field in fields}
            for _ in range(math.prod(shape) if fields else 0)
        ]
    return bytes(name[1]).decode("ascii", "replace"), content


def _next(elements: Iterator[tuple[int, memoryview]]) -> tuple[int, memoryview]:
    element = next(elements, None)
    if element is None:
        raise ValueError("it ends too early")
    return element


def _matrix(elements: Iterator[tuple[int, memoryview]]) -> memoryview:
    kind, data = _next(elements)
    if kind != _MI_MATRIX:
        raise ValueError(f"it has an element of type {kind} in the place of an array")
    return data


def _numbers(element: tuple[int, memoryview], order: str) -> NDArray[Any]:
    kind, data = element
    if kind not in _MI_NUMBERS:
        raise ValueError(f"it has an element of type {kind} in the place of numbers")
    return np.frombuffer(data, dtype=f"{order}{_MI_NUMBERS[kind]}")


def _field_names(length: NDArray[Any], names: bytes) -> list[str]:
    step = int(length[0]) if len(length) else 0
    if step < 1:
        raise ValueError("it has a structure without field names")
    return [
        names[start : start + step].split(b"\0")[0].decode("ascii", "replace") for start in range(0, len(names), step)
    ]
