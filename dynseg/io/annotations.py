"""Annotations of an image as numbered segments."""

from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from dynseg.errors import UserError

_LARGEST_TABLE = 1 << 16


def numbered_segments(
    annotations: Sequence[NDArray], source: str, unscored: Collection[int] = ()
) -> NDArray[np.unsignedinteger]:
    """Number every annotator's segments 1..n, in the order of their labels, and stack the annotators.

    Parameters
    ----------
    annotations : sequence of ndarray, (H, W)
        One an annotator, with any integral labels.
    source : str
        What errors call the annotation.
    unscored : collection of int
        Labels of pixels that aren't scored; they become 0.

    Returns
    -------
    ndarray, (annotators, H, W) unsigned integer

    Raises
    ------
    UserError
        If the annotators' sizes differ, labels aren't integral or there are more than 65,535 segments.
    """
    if len({annotation.shape for annotation in annotations}) > 1:
        raise UserError(f"{source}: the annotators' label maps differ in size: give them all the size of the image")
    return np.stack([_numbered(annotation, source, unscored) for annotation in annotations])


def _numbered(annotation: NDArray, source: str, unscored: Collection[int]) -> NDArray[np.uint16]:
    if annotation.dtype.kind not in "biuf" or not np.all(annotation == np.floor(annotation)):
        raise UserError(f"{source} has labels that aren't whole numbers: give one whole number a segment")
    if annotation.min() < 0 or annotation.max() > _LARGEST_TABLE:
        labels, numbers = np.unique(annotation, return_inverse=True)
        annotation = numbers.reshape(annotation.shape)
        unscored = [number for number, label in enumerate(labels.tolist()) if label in unscored]
    annotation = annotation.astype(np.intp)
    # A table over all labels costs a fraction of sorting all pixels.
    occurs = np.bincount(annotation.ravel()) > 0
    occurs[[label for label in unscored if 0 <= label < len(occurs)]] = False
    numbers = np.where(occurs, np.cumsum(occurs), 0)
    if numbers.max() > np.iinfo(np.uint16).max:
        raise UserError(f"{source} has {numbers.max():,} different labels: give a label map, not a picture")
    return numbers[annotation].astype(np.uint16)
