"""BSD500 (Arbeláez et al. 2011): 500 photographs, each segmented by several people."""

import posixpath
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from dynseg.datasets import OFFICIAL_ARCHIVE, Kind, KnownArchive, Option, UnhashedMirror
from dynseg.datasets.example import Example, unique_ids
from dynseg.datasets.selection import Select
from dynseg.errors import UserError
from dynseg.io.annotations import numbered_segments
from dynseg.io.archives import iterate_members
from dynseg.io.image_ids import image_id
from dynseg.io.mat_files import read_mat_annotations
from dynseg.parameters import Section, Text

ARCHIVE = KnownArchive(
    urls=("https://www2.eecs.berkeley.edu/Research/Projects/CS/vision/grouping/BSR/BSR_bsds500.tgz",),
    size=70_763_455,
    sha256="97e49d31764f3912f0c4122707d53062ac9e783ba0f095e447a4d53c1a41af8e",
)
# GitHub makes its archives anew, so they have no stable hash: `check_complete` takes its place.
UNHASHED_MIRROR = "https://github.com/BIDS/BSDS500/archive/a04b7c6c3a9f0ace74bf205c72a43d32e1c72722.tar.gz"

SPLITS = {"train": ("train",), "val": ("val",), "test": ("test",), "trainval": ("train", "val")}

_IMAGE = re.compile(r"(?:^|/)BSDS500/data/images/(train|val|test)/([^/]+\.(?:jpg|png))$")
_ANNOTATION = re.compile(r"(?:^|/)BSDS500/data/groundTruth/(train|val|test)/([^/]+\.mat)$")
_IMAGES = 500
_IMAGES_OF_SPLIT = {"train": 200, "val": 100, "test": 200, "trainval": 300}
_SIZE = (321, 481)


def read_examples(archive: Path, select: Select, split: str = "test") -> Iterator[Example]:
    """Read images and annotations from an archive, or a folder, in the layout of BSD500.

    The archive may be any subset of the official one, with or without `BSR/` in front, and in any order.

    Parameters
    ----------
    archive : path
        The archive or the unpacked folder.
    select : callable
        Takes the ids of the split's images and returns the wanted ones.
    split : str
        A key of `SPLITS`.

    Yields
    ------
    Example
        With every annotator's segments, numbered as `groundTruth{i}.Segmentation` orders them.

    Raises
    ------
    UserError
        If the archive is broken, has no such split, or an image has no annotation.
    """
    if split not in SPLITS:
        raise UserError(f"split {split!r} isn't one of BSD500: choose {', '.join(SPLITS)}")
    images: list[tuple[str, str]] = []
    annotations: dict[str, bytes] = {}
    there: set[str] = set()
    for member in iterate_members(archive):
        name = _located(archive, member.name)
        if match := _IMAGE.search(name):
            there.add(match[1])
            if match[1] in SPLITS[split]:
                images.append((image_id(match[2]), name))
        elif (match := _ANNOTATION.search(name)) and match[1] in SPLITS[split]:
            annotations[f"{match[1]}/{image_id(match[2])}"] = member.read()
    _check_split(archive, split, there)
    wanted = set(select(list(unique_ids(images))))
    for member in iterate_members(archive):
        match = _IMAGE.search(_located(archive, member.name))
        if match and match[1] in SPLITS[split] and image_id(match[2]) in wanted:
            key = f"{match[1]}/{image_id(match[2])}"
            if key not in annotations:
                raise UserError(
                    f"{archive}: the image {member.name!r} has no groundTruth .mat: add it or drop the image"
                )
            source = f"{archive}: {member.name}"
            segments = numbered_segments(read_mat_annotations(annotations[key], f"{source} (.mat)"), source)
            suffix = posixpath.splitext(member.name)[1].lower()
            yield Example(image_id(match[2]), source, suffix, member.read(), member.modified, segments)


def check_complete(archive: Path) -> None:
    """Check by its content that an archive holds all of BSD500.

    Raises
    ------
    UserError
        If it is broken or hasn't 500 images and 500 annotation files.
    """
    names = [member.name for member in iterate_members(archive)]
    for kind, pattern in (("images", _IMAGE), ("annotation files", _ANNOTATION)):
        found = sum(1 for name in names if pattern.search(name))
        if found != _IMAGES:
            raise UserError(f"{archive.name} has {found} {kind} of BSD500 and not {_IMAGES}: choose another mirror")


def _located(archive: Path, name: str) -> str:
    # Of an unpacked archive any folder on the way down may be given.
    return f"{archive.resolve().as_posix()}/{name}" if archive.is_dir() else name


def _check_split(archive: Path, split: str, there: set[str]) -> None:
    if not there:
        raise UserError(f"{archive} has no BSDS500/data/images/: give an archive in the layout of BSR_bsds500.tgz")
    missing = [part for part in SPLITS[split] if part not in there]
    if missing:
        raise UserError(f"{archive} has no images of the split {missing[0]!r}: choose {' or '.join(sorted(there))}")


OPTIONS = {"split": Option("train, val, test or trainval", "test")}


class Keys(Section):
    """Keys of a configuration's entry of this kind."""

    archive: Annotated[Text | None, Field(description=OFFICIAL_ARCHIVE)] = None
    split: Annotated[Literal["train", "val", "test", "trainval"], Field(description="which images")] = "test"


def expected(entry: Mapping[str, Any]) -> list[tuple[int, int]]:
    """Return the sizes of a split's images; see `dynseg.datasets.Kind`. A third of them stand upright."""
    return [_SIZE] * _IMAGES_OF_SPLIT[entry.get("split", "test")]


kind = Kind(
    read_examples,
    keys=Keys,
    options=OPTIONS,
    annotated=True,
    archive=ARCHIVE,
    unhashed_mirror=UnhashedMirror(UNHASHED_MIRROR, check_complete),
    expected=expected,
)
