"""A prepared dataset: `images/`, their lists and `ground_truth.h5`, written whole or not at all."""

import os
import random
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dynseg.errors import UserError
from dynseg.io.files import force_to_disk
from dynseg.io.ground_truth import store_annotations
from dynseg.io.images import read_image
from dynseg.io.locks import one_at_a_time

IMAGES = "images"
IMAGE_LIST = "images.txt"
IMAGE_SIZES = "sizes.csv"
GROUND_TRUTH = "ground_truth.h5"

_LARGEST_TABLE = 1 << 16

Select = Callable[[Sequence[str]], list[str]]


@dataclass(frozen=True)
class Example:
    """One image of a dataset on its way from the archive.

    Attributes
    ----------
    image_id : str
        Its id.
    source : str
        The name of its file, for errors.
    suffix : str
        The file's lower-case extension, with its dot.
    content : bytes
        The file.
    modified : float
        Time of the file's last change in seconds since 1970.
    segments : ndarray, (annotators, H, W) unsigned integer, or None
        Its annotations: segments numbered from 1, 0 isn't scored. None without annotations.
    """

    image_id: str
    source: str
    suffix: str
    content: bytes
    modified: float
    segments: NDArray[np.unsignedinteger] | None


def numbered_segments(
    annotations: Sequence[NDArray], source: str, unscored: int | None = None
) -> NDArray[np.unsignedinteger]:
    """Number every annotator's segments 1..n, in the order of their labels, and stack the annotators.

    Parameters
    ----------
    annotations : sequence of ndarray, (H, W)
        One an annotator, with any integral labels.
    source : str
        What errors call the annotation.
    unscored : int, optional
        The label of pixels that aren't scored; it becomes 0.

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


def _numbered(annotation: NDArray, source: str, unscored: int | None) -> NDArray[np.uint16]:
    if annotation.dtype.kind not in "biuf" or not np.all(annotation == np.floor(annotation)):
        raise UserError(f"{source} has labels that aren't whole numbers: give one whole number a segment")
    if annotation.min() < 0 or annotation.max() > _LARGEST_TABLE:
        labels, numbers = np.unique(annotation, return_inverse=True)
        annotation = numbers.reshape(annotation.shape)
        unscored = labels.tolist().index(unscored) if unscored in labels else None
    annotation = annotation.astype(np.intp)
    # A table over all labels costs a fraction of sorting all pixels.
    occurs = np.bincount(annotation.ravel()) > 0
    if unscored is not None and unscored < len(occurs):
        occurs[unscored] = False
    numbers = np.where(occurs, np.cumsum(occurs), 0)
    if numbers.max() > np.iinfo(np.uint16).max:
        raise UserError(f"{source} has {numbers.max():,} different labels: give a label map, not a picture")
    return numbers[annotation].astype(np.uint16)


def all_images(ids: Sequence[str]) -> list[str]:
    """Select every image."""
    return list(ids)


def sampled(size: int, seed: int, warn: Callable[[str], None]) -> Select:
    """Make a selection of `size` images at random, the same on every machine for the same ids and seed.

    Parameters
    ----------
    size : int
        Number of images; where there are fewer, all are taken and `warn` is called.
    seed : int
        Seed of the choice.
    warn : callable
        Takes a sentence for the user.
    """

    def select(ids: Sequence[str]) -> list[str]:
        if size > len(ids):
            warn(f"a sample of {size} images was asked for and there are {len(ids)}: all are taken")
        return random.Random(seed).sample(sorted(ids), min(size, len(ids)))

    return select


def listed(file: str | Path) -> Select:
    """Make a selection of the ids that a text file lists, one a line.

    Raises
    ------
    UserError
        If the file can't be read, lists no id or, when the selection is made, an id that isn't there.
    """
    try:
        lines = Path(file).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{file} can't be read as a list of image ids: give a text file, one id a line") from error
    wanted = list(dict.fromkeys(line.strip() for line in lines if line.strip()))
    if not wanted:
        raise UserError(f"{file} lists no image id: write one a line")

    def select(ids: Sequence[str]) -> list[str]:
        unknown = sorted(set(wanted) - set(ids))
        if unknown:
            raise UserError(
                f"{file} lists {unknown[0]!r}, which isn't an image of the dataset: take it out of the list"
            )
        return wanted

    return select


def unique_ids(named: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Map image ids to their files' names.

    Parameters
    ----------
    named : iterable of (str, str)
        Image ids and names.

    Raises
    ------
    UserError
        If two names make one id.
    """
    names: dict[str, str] = {}
    for image_id, name in named:
        if image_id in names:
            raise UserError(
                f"{names[image_id]!r} and {name!r} would both be the image {image_id!r}: rename one of them"
            )
        names[image_id] = name
    return names


def write_dataset(output: str | Path, examples: Iterable[Example], attributes: Mapping[str, str]) -> list[str]:
    """Write a prepared dataset, replacing an earlier one when all is written.

    Parameters
    ----------
    output : path
        The dataset's folder.
    examples : iterable of Example
        Its images, read one by one.
    attributes : mapping of str to str
        Attributes of its ground_truth.h5.

    Returns
    -------
    list of str
        The ids of its images, sorted.

    Raises
    ------
    UserError
        If an image can't be read or its annotation has another size, two images have one id, there is no image, the
        folder can't be written, or it holds pictures that dynseg didn't put there.
    """
    output = Path(output)
    if not (output / GROUND_TRUTH).exists() and _holds_files(output / IMAGES):
        raise UserError(f"{output / IMAGES} wasn't prepared by dynseg and would be lost: choose another output folder")
    aside = output.parent / f".{output.name}.part"
    sizes: dict[str, tuple[int, int]] = {}
    try:
        with one_at_a_time(aside):
            try:
                shutil.rmtree(aside, ignore_errors=True)
                (aside / IMAGES).mkdir(parents=True)
                store_annotations(aside / GROUND_TRUTH, _annotations(aside / IMAGES, examples, sizes), attributes)
                if not sizes:
                    raise UserError(f"{attributes.get('archive', output)} has no image to prepare: give one that has")
                _write_lists(aside, sizes)
                _replace(output, aside)
            finally:
                shutil.rmtree(aside, ignore_errors=True)
    except OSError as error:
        raise UserError(
            f"{output} can't be written ({error.strerror or error}): make room or choose a writable folder"
        ) from error
    return sorted(sizes)


def _write_lists(folder: Path, sizes: Mapping[str, tuple[int, int]]) -> None:
    ids = sorted(sizes)
    (folder / IMAGE_LIST).write_text("".join(f"{image_id}\n" for image_id in ids), encoding="utf-8")
    rows = "".join(f"{image_id},{sizes[image_id][0]},{sizes[image_id][1]}\n" for image_id in ids)
    (folder / IMAGE_SIZES).write_text(f"image,height,width\n{rows}", encoding="utf-8")


def _holds_files(folder: Path) -> bool:
    return folder.is_dir() and any(not path.name.startswith(".") for path in folder.iterdir())


def _annotations(
    images: Path, examples: Iterable[Example], sizes: dict[str, tuple[int, int]]
) -> Iterator[tuple[str, NDArray]]:
    for example in examples:
        height, width = read_image(example.content, example.source).shape[:2]
        if example.segments is not None and example.segments.shape[1:] != (height, width):
            annotated_height, annotated_width = example.segments.shape[1:]
            raise UserError(
                f"{example.source} has {width}x{height} pixels and its annotation {annotated_width}x{annotated_height}:"
                " give an annotation of the image's size"
            )
        _store(images / f"{example.image_id}{example.suffix}", example)
        sizes[example.image_id] = height, width
        if example.segments is not None:
            yield example.image_id, example.segments


def _store(path: Path, example: Example) -> None:
    try:
        with path.open("xb") as file:
            file.write(example.content)
    except FileExistsError as error:
        # Not on Linux, where upper and lower case are different names.
        raise UserError(f"{example.source} has the name of another image on this file system: rename it") from error
    # Later steps rerun by the time of change, and an unchanged image mustn't make them; a clock may be wrong.
    modified = min(max(example.modified, 0), time.time())
    os.utime(path, (modified, modified))


def _replace(output: Path, aside: Path) -> None:
    for path in aside.rglob("*"):
        if path.is_file():
            force_to_disk(path)
    # The list comes last: where it is new, all is.
    output.mkdir(parents=True, exist_ok=True)
    os.replace(aside / GROUND_TRUTH, output / GROUND_TRUTH)
    if (output / IMAGES).exists():
        os.replace(output / IMAGES, aside / "replaced")
    os.replace(aside / IMAGES, output / IMAGES)
    os.replace(aside / IMAGE_SIZES, output / IMAGE_SIZES)
    os.replace(aside / IMAGE_LIST, output / IMAGE_LIST)
