"""A prepared dataset: `images/`, their lists and `ground_truth.h5`, written whole or not at all."""

import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dynseg.datasets.example import Example
from dynseg.datasets.layout import PreparedDataset
from dynseg.datasets.reading import StoredImage
from dynseg.errors import UserError
from dynseg.io.archives import iterate_members
from dynseg.io.files import force_to_disk
from dynseg.io.ground_truth import store_annotations
from dynseg.io.images import Reading
from dynseg.io.locks import one_at_a_time


def write_dataset(
    output: str | Path,
    examples: Iterable[Example],
    attributes: Mapping[str, str],
    reading: Mapping[str, str] | None = None,
) -> list[str]:
    """Write a prepared dataset, replacing an earlier one when all is written.

    Parameters
    ----------
    output : path
        The dataset's folder.
    examples : iterable of Example
        Its images, read one by one.
    attributes : mapping of str to str
        Attributes of its ground_truth.h5.
    reading : mapping of str to str, optional
        What to take of the images, by the names in `dynseg.datasets.reading.READING_OPTIONS`. Pixels without data
        aren't scored.

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
    dataset = PreparedDataset(output)
    if not dataset.ground_truth.exists() and _holds_files(dataset.images):
        raise UserError(f"{dataset.images} wasn't prepared by dynseg and would be lost: choose another output folder")
    aside = PreparedDataset(output.parent / f".{output.name}.part")
    stored: dict[str, StoredImage] = {}
    texts = dict(reading or {})
    how = Reading.from_texts(**texts)
    try:
        with one_at_a_time(Path(aside.folder)):
            try:
                shutil.rmtree(aside.folder, ignore_errors=True)
                aside.images.mkdir(parents=True)
                store_annotations(aside.ground_truth, _annotations(aside.images, examples, stored, how), attributes)
                if not stored:
                    raise UserError(f"{attributes.get('archive', output)} has no image to prepare: give one that has")
                if texts:
                    aside.reading.write_text(json.dumps(texts, sort_keys=True) + "\n", encoding="utf-8")
                _write_lists(aside, stored)
                _replace(dataset, aside)
            finally:
                shutil.rmtree(aside.folder, ignore_errors=True)
    except OSError as error:
        raise UserError(
            f"{output} can't be written ({error.strerror or error}): make room or choose a writable folder"
        ) from error
    return sorted(stored)


def _write_lists(dataset: PreparedDataset, stored: Mapping[str, StoredImage]) -> None:
    dataset.image_list.write_text("".join(f"{image_id}\n" for image_id in sorted(stored)), encoding="utf-8")
    rows = "".join(
        f"{image_id},{image.height},{image.width},{image.content}\n" for image_id, image in sorted(stored.items())
    )
    dataset.sizes.write_text(f"image,height,width,content\n{rows}", encoding="utf-8")


def _holds_files(folder: Path) -> bool:
    return folder.is_dir() and any(not path.name.startswith(".") for path in folder.iterdir())


def _annotations(
    images: Path, examples: Iterable[Example], stored: dict[str, StoredImage], reading: Reading
) -> Iterator[tuple[str, NDArray[np.unsignedinteger]]]:
    for example in examples:
        picture = reading.read(example.content, example.source)
        height, width = picture.pixels.shape[:2]
        if example.segments is not None and example.segments.shape[1:] != (height, width):
            annotated_height, annotated_width = example.segments.shape[1:]
            raise UserError(
                f"{example.source} has {width}x{height} pixels and its annotation {annotated_width}x{annotated_height}:"
                " give an annotation of the image's size"
            )
        digest = hashlib.sha256()
        _store(images / f"{example.image_id}{example.suffix}", example, digest.update)
        # Read another way, it is another image.
        digest.update(json.dumps(reading.settings, sort_keys=True).encode() if reading.settings else b"")
        stored[example.image_id] = StoredImage(height, width, digest.hexdigest()[:16])
        if example.segments is not None:
            valid = picture.valid
            yield example.image_id, example.segments if valid is None else np.where(valid, example.segments, 0)


def _store(path: Path, example: Example, note: Callable[[bytes], None]) -> None:
    """Copy an image, and note what it consists of."""
    try:
        if isinstance(example.content, Path):
            _copy_folder(example.content, path, note)
        else:
            with path.open("xb") as file:
                file.write(example.content)
            note(example.content)
    except FileExistsError as error:
        # Not on Linux, where upper and lower case are different names.
        raise UserError(f"{example.source} has the name of another image on this file system: rename it") from error
    # Later steps rerun by the time of change, and an unchanged image mustn't make them; a clock may be wrong.
    modified = min(max(example.modified, 0), time.time())
    os.utime(path, (modified, modified))


def _copy_folder(folder: Path, path: Path, note: Callable[[bytes], None]) -> None:
    path.mkdir()
    for member in iterate_members(folder):
        file, content = path / member.name, member.read()
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        note(f"{member.name}\0{len(content)}\0".encode(errors="surrogateescape") + content)


def _replace(dataset: PreparedDataset, aside: PreparedDataset) -> None:
    for path in Path(aside.folder).rglob("*"):
        if path.is_file():
            force_to_disk(path)
    # The list comes last: where it is new, all is.
    Path(dataset.folder).mkdir(parents=True, exist_ok=True)
    os.replace(aside.ground_truth, dataset.ground_truth)
    if dataset.images.exists():
        os.replace(dataset.images, Path(aside.folder) / "replaced")
    os.replace(aside.images, dataset.images)
    os.replace(aside.sizes, dataset.sizes)
    if aside.reading.exists():
        os.replace(aside.reading, dataset.reading)
    else:
        dataset.reading.unlink(missing_ok=True)
    os.replace(aside.image_list, dataset.image_list)
