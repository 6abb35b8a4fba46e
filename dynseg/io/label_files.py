"""Files of label maps as many programs write them: PNG, TIFF, MATLAB and NumPy; told by their content."""

import io
import math
from collections.abc import Collection
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dynseg.errors import UserError
from dynseg.io.images import read_label_image
from dynseg.io.mat_files import is_mat, read_mat_annotations
from dynseg.metrics.contingency import check_labels

LABEL_SUFFIXES = frozenset({".mat", ".npy", ".png", ".tif", ".tiff"})

_NUMPY = b"\x93NUMPY"
_LARGEST_WHOLE = 1 << 53


def read_label_maps(content: bytes, name: str, void: Collection[int] = ()) -> list[NDArray[np.integer]]:
    """Read the label maps of a file: one, or one an annotator in a MATLAB file.

    Parameters
    ----------
    content : bytes
        The file.
    name : str
        What errors call it; its extension counts only where the content doesn't tell what it is.
    void : collection of int
        Labels that mean none, which may be negative.

    Returns
    -------
    list of ndarray, (H, W), integer
        The labels as they are, non-negative but for those of `void`.

    Raises
    ------
    UserError
        If it can't be read, has negative or fractional labels, or other than two dimensions (but for some of length 1).
    """
    lower = name.lower()
    if content.startswith(_NUMPY) or (lower.endswith(".npy") and content[:1] != b"\x89"):
        maps = [_read_npy(content, name)]
    elif is_mat(content) or lower.endswith(".mat"):
        maps = list(read_mat_annotations(content, name))
    else:
        maps = [read_label_image(content, name)]
    return [as_label_map(labels, name, void) for labels in maps]


def as_label_map(labels: NDArray[Any], name: str, void: Collection[int] = ()) -> NDArray[np.integer]:
    """Return an array as a label map, (H, W): without axes of length 1, and whole numbers as integers.

    Labels in `void` may be negative.

    Raises
    ------
    UserError
        If it isn't one: negative or fractional, empty, or of other than two dimensions.
    """
    while labels.ndim > 2 and 1 in (labels.shape[0], labels.shape[-1]):
        labels = labels[0] if labels.shape[0] == 1 else labels[..., 0]
    # Numbers are double in MATLAB unless one asks for something else.
    if labels.dtype.kind == "f" and labels.size and _is_whole(labels):
        labels = labels.astype(np.int64)
    negative = [label for label in void if label < 0]
    try:
        check_labels(np.where(np.isin(labels, negative), 0, labels) if negative else labels, "it")
    except ValueError as error:
        raise UserError(f"{name} can't be used as a label map: {error}") from error
    if labels.ndim != 2:
        raise UserError(f"{name} has {labels.ndim} dimensions: give a label map of height × width")
    return labels


def _is_whole(labels: NDArray[Any]) -> bool:
    return bool(np.isfinite(labels).all() and (labels == np.floor(labels)).all() and abs(labels).max() < _LARGEST_WHOLE)


def _read_npy(content: bytes, name: str) -> NDArray[Any]:
    try:
        stream = io.BytesIO(content)
        version = np.lib.format.read_magic(stream)
        read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, is_fortran, dtype = read_header(stream)
    except Exception as error:
        # The reader of headers raises almost anything on broken input.
        raise UserError(f"{name} can't be read as a NumPy array ({error!r}): save it with numpy.save") from error
    if dtype.hasobject:
        advice = "save its masks alone, with numpy.save or as TIFF"
        if name.lower().endswith("_seg.npy"):
            advice = "it seems to be Cellpose's, so save the masks with cellpose.io.save_masks and give its PNG or TIFF"
        raise UserError(f"{name} holds pickled Python objects, which may run code and aren't opened: {advice}")
    try:
        # A declared size costs no memory before it is found to be wrong.
        values = np.frombuffer(content, dtype, math.prod(shape), stream.tell())
        return values.reshape(shape, order="F" if is_fortran else "C")
    except (ValueError, OverflowError) as error:
        raise UserError(f"{name} can't be read as a NumPy array ({error!r}): save it with numpy.save") from error
