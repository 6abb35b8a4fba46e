"""Annotations of an image: the files that belong to it, and what is in them as numbered segments."""

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from dynseg.errors import UserError
from dynseg.metrics.relabelling import relabel

File = TypeVar("File")

_ANNOTATOR = re.compile(r"(.+)\.(\d+)", re.DOTALL)


def group_annotators(named: Iterable[tuple[str, File]], images: Collection[str]) -> dict[str, list[File]]:
    """Map images to the files of their annotators, in the order of the annotators' numbers.

    "name.1" is the first annotator of the image "name", unless there is an image "name.1".

    Parameters
    ----------
    named : iterable of (str, file)
        Names without extension, and files.
    images : collection of str
        The images that are known, by name.

    Raises
    ------
    UserError
        If two files are the same annotator of an image.

    Examples
    --------
    >>> group_annotators([("a.2", "second"), ("a.1", "first"), ("b.1", "whole")], ["b.1"])
    {'a': ['first', 'second'], 'b.1': ['whole']}
    """
    annotators: dict[str, dict[int, File]] = defaultdict(dict)
    for name, file in named:
        image, number = name, 0
        if name not in images and (match := _ANNOTATOR.fullmatch(name)):
            image, number = match[1], int(match[2])
        if number in annotators[image]:
            earlier = annotators[image][number]
            raise UserError(f"{earlier} and {file} both annotate image {image}: rename or remove one of them")
        annotators[image][number] = file
    return {image: [files[number] for number in sorted(files)] for image, files in annotators.items()}


def numbered_segments(
    annotations: Sequence[NDArray[Any]], source: str, unscored: Collection[int] = ()
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

    Examples
    --------
    >>> import numpy as np
    >>> numbered_segments([np.array([[7, 7], [255, 9]])], "a.png", unscored=[255]).tolist()
    [[[1, 1], [0, 2]]]
    """
    if len({annotation.shape for annotation in annotations}) > 1:
        raise UserError(f"{source}: the annotators' label maps differ in size: give them all the size of the image")
    return np.stack([_numbered(annotation, source, unscored) for annotation in annotations])


def _numbered(annotation: NDArray[Any], source: str, unscored: Collection[int]) -> NDArray[np.uint16]:
    if annotation.dtype.kind not in "biuf" or not np.all(annotation == np.floor(annotation)):
        raise UserError(f"{source} has labels that aren't whole numbers: give one whole number a segment")
    if annotation.dtype.kind == "f" and abs(annotation).max() <= np.iinfo(np.int32).max:
        annotation = annotation.astype(np.intp)
    labels, places = relabel(annotation)
    scored = ~np.isin(labels, list(unscored))
    numbers = np.where(scored, np.cumsum(scored), 0)
    if numbers.max() > np.iinfo(np.uint16).max:
        raise UserError(f"{source} has {numbers.max():,} different labels: give a label map, not a picture")
    return numbers[places].astype(np.uint16)
