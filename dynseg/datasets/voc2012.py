"""PASCAL VOC2012: photographs with one segmentation each, by object or by class."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from dynseg.datasets import OFFICIAL_ARCHIVE, Kind, KnownArchive, Option
from dynseg.datasets.example import Example, unique_ids
from dynseg.datasets.selection import Select
from dynseg.errors import UserError
from dynseg.io.annotations import numbered_segments
from dynseg.io.archives import iterate_members
from dynseg.io.image_ids import image_id
from dynseg.io.images import read_label_image
from dynseg.parameters import Section, Text

ARCHIVE = KnownArchive(
    urls=(
        "http://thor.robots.ox.ac.uk/pascal/VOC/voc2012/VOCtrainval_11-May-2012.tar",
        "http://host.robots.ox.ac.uk/pascal/VOC/voc2012/VOCtrainval_11-May-2012.tar",
        "http://data.mxnet.io/data/VOCtrainval_11-May-2012.tar",
        "https://d2l-data.s3-accelerate.amazonaws.com/VOCtrainval_11-May-2012.tar",
        "https://pjreddie.com/media/files/VOCtrainval_11-May-2012.tar",
    ),
    size=1_999_639_040,
    sha256="e14f763270cf193d0b5f74b169f44157a4b0c6efa708f4dd0ff78ee691763bcb",
)

SPLITS = ("train", "val", "trainval")
MASKS = {"object": "SegmentationObject", "class": "SegmentationClass"}
VOID = ("background", "ignore", "segment")

_IMAGES_OF_SPLIT = {"train": 1464, "val": 1449, "trainval": 2913}
_SIZE = (375, 500)

_VOID_INDEX = 255
_IMAGE = re.compile(r"(?:^|/)JPEGImages/([^/]+)\.jpg$")
_MASK = re.compile(r"(?:^|/)(SegmentationClass|SegmentationObject)/([^/]+)\.png$")
_LIST = re.compile(r"(?:^|/)ImageSets/Segmentation/(train|val|trainval)\.txt$")


def read_examples(
    archive: Path, select: Select, split: str = "val", masks: str = "object", void: str = "background"
) -> Iterator[Example]:
    """Read images and masks from an archive, or a folder, in the layout of VOC2012.

    Parameters
    ----------
    archive : path
        The archive or the unpacked folder.
    select : callable
        Takes the ids of the split's images and returns the wanted ones.
    split : {"train", "val", "trainval"}
        Which list of `ImageSets/Segmentation` to take.
    masks : {"object", "class"}
        Whether a segment is an object or a class. The background is a segment in both.
    void : {"background", "ignore", "segment"}
        What becomes of the border (index 255): part of the background, not scored, or a segment of its own.

    Yields
    ------
    Example
        With one annotator's segments.

    Raises
    ------
    UserError
        If the archive is broken, or has no such split or masks, or an image of its list is missing.
    """
    for name, value, known in (("split", split, SPLITS), ("masks", masks, MASKS), ("void", void, VOID)):
        if value not in known:
            raise UserError(f"{name} {value!r} isn't one of VOC2012: choose {', '.join(known)}")
    images: list[tuple[str, str]] = []
    lists: dict[str, list[str]] = {}
    contents: dict[str, dict[str, bytes]] = {folder: {} for folder in MASKS.values()}
    for member in iterate_members(archive):
        if match := _IMAGE.search(member.name):
            images.append((image_id(member.name.rpartition("/")[2]), member.name))
        elif match := _LIST.search(member.name):
            lists[match[1]] = member.read().decode("utf-8", "replace").split()
        elif match := _MASK.search(member.name):
            # Masks may come before the list that says which are needed; they are small.
            contents[match[1]][image_id(f"{match[2]}.png")] = member.read() if match[1] == MASKS[masks] else b""
    if split not in lists:
        raise UserError(
            f"{archive} has no list of the split {split!r}: choose {' or '.join(sorted(lists)) or 'VOC2012'}"
        )
    _check_masks(archive, masks, contents)
    ids = [image_id(f"{name}.jpg") for name in lists[split]]
    wanted = set(select(ids))
    _check_there(archive, split, wanted, unique_ids(images), contents[MASKS[masks]])
    for member in iterate_members(archive):
        match = _IMAGE.search(member.name)
        if match and (name := image_id(f"{match[1]}.jpg")) in wanted:
            source = f"{archive}: {member.name}"
            mask = read_label_image(contents[MASKS[masks]][name], f"{source} ({MASKS[masks]})")
            yield Example(name, source, ".jpg", member.read(), member.modified, _segments(mask, void, source))


def _segments(mask: NDArray[np.integer], void: str, source: str) -> NDArray[np.unsignedinteger]:
    if void == "background":
        mask = np.where(mask == _VOID_INDEX, 0, mask)
    return numbered_segments([mask], source, unscored=[_VOID_INDEX] if void == "ignore" else [])


def _check_masks(archive: Path, masks: str, contents: dict[str, dict[str, bytes]]) -> None:
    if contents[MASKS[masks]]:
        return
    for other, folder in MASKS.items():
        if contents[folder]:
            raise UserError(f"{archive} has no {MASKS[masks]}/ but {folder}/: set masks: {other}")
    raise UserError(f"{archive} has no masks: give an archive in the layout of VOCtrainval_11-May-2012.tar")


def _check_there(archive: Path, split: str, wanted: set[str], images: dict[str, str], masks: dict[str, bytes]) -> None:
    for there, kind in ((images, "image"), (masks, "mask")):
        missing = sorted(wanted - set(there))
        if missing:
            raise UserError(
                f"{archive} lists {missing[0]!r} in {split}.txt and has no {kind} of it ({len(missing)} missing): "
                "give the whole archive or cut down the list"
            )


class Keys(Section):
    """Keys of a configuration's entry of this kind."""

    archive: Annotated[Text | None, Field(description=OFFICIAL_ARCHIVE)] = None
    split: Annotated[Literal["train", "val", "trainval"], Field(description="which images")] = "trainval"
    masks: Annotated[
        Literal["object", "class"],
        Field(description="instances (SegmentationObject) or categories (SegmentationClass)"),
    ] = "object"
    void: Annotated[
        Literal["background", "ignore", "segment"],
        Field(
            description="what becomes of the 255 border: part of the background, not scored, or a segment of its own"
        ),
    ] = "background"


def expected(entry: Mapping[str, Any]) -> list[tuple[int, int]]:
    """Return the most common size, for each of a split's images; see `dynseg.datasets.Kind`."""
    return [_SIZE] * _IMAGES_OF_SPLIT[entry.get("split", "val")]


kind = Kind(
    read_examples,
    keys=Keys,
    options={
        "split": Option("train, val or trainval", "val"),
        "masks": Option("a segment is an object or a class", "object"),
        "void": Option("the border is background, ignore or segment", "background"),
    },
    annotated=True,
    archive=ARCHIVE,
    expected=expected,
)
