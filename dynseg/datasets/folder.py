"""Any folder or archive of pictures, with or without annotations of the same names."""

import itertools
import math
import os
import posixpath
import re
import unicodedata
import warnings
from collections import Counter
from collections.abc import Callable, Container, Iterator, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

from numpy.typing import NDArray
from pydantic import Field

from dynseg.datasets import Kind, Option
from dynseg.datasets.example import Example, unique_ids
from dynseg.datasets.selection import Select
from dynseg.errors import UserError
from dynseg.io.annotations import group_annotators, numbered_segments
from dynseg.io.archives import iterate_members
from dynseg.io.image_ids import image_id
from dynseg.io.images import CHANNEL_NAME, IMAGE_SUFFIXES, read_image
from dynseg.io.label_files import LABEL_SUFFIXES, read_label_maps
from dynseg.io.ome_zarr import ZARR_SUFFIX
from dynseg.parameters import Section, Text

# Which labels aren't scored, by the words for them; "" is no word, and nothing is left out either.
VOID: dict[str, tuple[int, ...]] = {"": (), "segment": (), "ignore": (0,)}

# PASCAL VOC's label for what belongs to nothing, which many tools have taken over.
_USUAL_VOID = 255
# Where a PNG says that its pixels are indices into a palette.
_PNG, _COLOUR_TYPE, _PALETTE = b"\x89PNG\r\n\x1a\n", 25, 3
# The folder of an OME-Zarr is a picture.
_PICTURES = IMAGE_SUFFIXES | {ZARR_SUFFIX}
_IN_ZARR = re.compile(rf"(.+?{re.escape(ZARR_SUFFIX)})/", re.IGNORECASE | re.DOTALL)
# So many pictures of a folder say how large the others are.
_LOOKED_AT = 8


def read_examples(
    archive: Path, select: Select, annotations: Path | None = None, void: str | None = None
) -> Iterator[Example]:
    """Read pictures, and their annotations if there are any.

    Hidden files and what isn't a picture are left out, and a warning counts the latter by suffix; links to files and
    folders are followed. The folder of an OME-Zarr, NAME.zarr or NAME.ome.zarr, is a picture. Names are taken below the
    folder, or in an archive below the folders that all its pictures share.

    Parameters
    ----------
    archive : path
        A folder, read with all below it, or an archive (tar, zip) of pictures.
    select : callable
        Takes the ids of the images and returns the wanted ones.
    annotations : path, optional
        A folder or an archive of label images (.png, .tif: palette indices, grey values or colours are the segments),
        MATLAB files (.mat, as in BSD500) or arrays (.npy), each named as its picture; several annotators are
        `name.1.png`, `name.2.png`. One that is named exactly as a picture belongs to that picture.
    void : str, optional
        Labels that aren't scored, as numbers with commas between them; "segment": every label is a segment; "ignore":
        label 0 (black) isn't scored. By default every label is a segment, and a warning says so where a palette
        picture has index 255.

    Yields
    ------
    Example
        With annotations if `annotations` is given.

    Raises
    ------
    UserError
        If an archive is broken or holds an OME-Zarr, two pictures make one id, or a picture has no annotation though
        others do.
    """
    unscored = _unscored(void or "")
    names = _relative_names(archive, _without(archive, annotations), _PICTURES)
    ids = unique_ids((image_id(relative), name) for name, relative in names.items())
    annotators = {} if annotations is None else _annotators(annotations, {_stem(name) for name in names.values()})
    wanted = set(select(list(ids)))
    with_usual_void = 0
    for name, read, modified in _pictures(archive, names):
        relative = names[name]
        if image_id(relative) not in wanted:
            continue
        source = f"{archive}: {name}"
        segments = None
        if annotations is not None:
            if _stem(relative) not in annotators:
                raise UserError(f"{source} has no annotation in {annotations}: add one or drop the image")
            maps = _label_maps(annotations, annotators[_stem(relative)], unscored)
            with_usual_void += not void and _has_usual_void(annotators[_stem(relative)], maps)
            segments = numbered_segments(maps, f"{annotations}: {annotators[_stem(relative)][0][0]}", unscored)
        suffix = posixpath.splitext(relative)[1].lower()
        yield Example(image_id(relative), source, suffix, read(), modified, segments)
    if with_usual_void:
        warnings.warn(
            f"{annotations}: the palette pictures of {with_usual_void} images have index {_USUAL_VOID}, which is scored"
            f" as a segment: say void {_USUAL_VOID} if it means that a pixel isn't labelled, and void segment if not",
            stacklevel=2,
        )


def _pictures(archive: Path, names: Container[str]) -> Iterator[tuple[str, Callable[[], bytes | Path], float]]:
    """Yield name, content and time of the last change of pictures: files in their order, then OME-Zarr."""
    zarrs: dict[str, float] = {}
    for member in iterate_members(archive):
        zarr = _zarr_around(member.name)
        if zarr in names:
            zarrs[zarr] = max(member.modified, zarrs.get(zarr, 0))
        elif member.name in names:
            yield member.name, member.read, member.modified
    for zarr, modified in zarrs.items():
        yield zarr, partial(Path, archive / zarr), modified


def _zarr_around(name: str) -> str:
    """Return the outermost OME-Zarr that a file lies in; empty if there is none."""
    found = _IN_ZARR.match(name)
    return found[1] if found else ""


def _unscored(void: str) -> tuple[int, ...]:
    """Read the labels that aren't scored."""
    if void in VOID:
        return VOID[void]
    try:
        return tuple(int(label) for label in void.split(","))
    except ValueError as error:
        raise UserError(
            f"void {void!r} isn't known for a folder: give a label such as 255, several as 0,255, segment or ignore"
        ) from error


def _has_usual_void(files: list[tuple[str, bytes]], maps: list[NDArray[Any]]) -> bool:
    is_palette = any(content.startswith(_PNG) and content[_COLOUR_TYPE] == _PALETTE for _, content in files)
    return is_palette and any((labels == _USUAL_VOID).any() for labels in maps)


def _without(archive: Path, annotations: Path | None) -> str:
    """Give the start of the names that are annotations: their folder may lie among the pictures."""
    if annotations is None or not archive.is_dir():
        return ""
    inside = os.path.relpath(annotations.resolve(), archive.resolve()).replace(os.sep, "/")
    return "" if inside == "." or inside.startswith("..") else f"{inside}/"


def _relative_names(archive: Path, without: str, suffixes: frozenset[str]) -> dict[str, str]:
    """Map the wanted members' names to names below the root; a warning counts the others."""
    if ZARR_SUFFIX in suffixes and archive.is_dir() and archive.suffix.lower() == ZARR_SUFFIX:
        raise UserError(f"{archive} is an OME-Zarr, which is one picture: give the folder that it lies in")
    names = {}
    skipped: Counter[str] = Counter()
    for member in iterate_members(archive):
        zarr = _zarr_around(member.name) if ZARR_SUFFIX in suffixes else ""
        name = zarr or member.name
        parts = [part for part in name.split("/") if part not in ("", ".", "..")]
        hidden = any(part.startswith(".") or part == "__MACOSX" for part in parts)
        if hidden or (without and member.name.startswith(without)):
            continue
        if zarr:
            if not archive.is_dir():
                raise UserError(f"{archive} holds the OME-Zarr {zarr!r}: unpack it, and give the folder")
            names[zarr] = "/".join(parts)[: -len(ZARR_SUFFIX)].removesuffix(".ome") + ZARR_SUFFIX
            continue
        suffix = posixpath.splitext(member.name)[1].lower()
        if suffix not in suffixes:
            skipped[suffix] += 1
            continue
        if member.name in names:
            raise UserError(f"{archive} has {member.name!r} twice: keep one of them")
        names[member.name] = "/".join(parts)
    counts = ", ".join(f"{count} {suffix or 'without a suffix'}" for suffix, count in sorted(skipped.items()))
    if not names:
        there = f"; there are {counts}" if counts else ""
        raise UserError(f"{archive} has no file that ends in {', '.join(sorted(suffixes))}: give one that has{there}")
    if counts:
        warnings.warn(f"{archive}: files of other types are left out: {counts}", stacklevel=2)
    if archive.is_dir():
        return names
    shared = posixpath.commonpath([posixpath.dirname(name) for name in names.values()])
    return {name: relative[len(shared) :].lstrip("/") for name, relative in names.items()}


def _stem(name: str) -> str:
    return unicodedata.normalize("NFC", posixpath.splitext(name)[0])


def _annotators(annotations: Path, images: set[str]) -> dict[str, list[tuple[str, bytes]]]:
    """Map the names of pictures, without extension, to their annotation files in the order of the annotators."""
    names = _relative_names(annotations, "", LABEL_SUFFIXES)
    grouped = group_annotators(((_stem(relative), name) for name, relative in names.items()), images)
    wanted = {name for stem in images & grouped.keys() for name in grouped[stem]}
    contents = {member.name: member.read() for member in iterate_members(annotations) if member.name in wanted}
    return {stem: [(name, contents[name]) for name in grouped[stem]] for stem in images & grouped.keys()}


def _label_maps(annotations: Path, files: list[tuple[str, bytes]], void: tuple[int, ...]) -> list[NDArray[Any]]:
    return [labels for name, content in files for labels in read_label_maps(content, f"{annotations}: {name}", void)]


Channel = Annotated[int, Field(ge=1)] | Annotated[str, Field(pattern=rf"^{CHANNEL_NAME}$")]
Labels = Annotated[list[int], Field(min_length=1, json_schema_extra={"uniqueItems": True})]


class Keys(Section):
    """Keys of a configuration's entry of this kind."""

    archive: Annotated[Text, Field(description="a folder of images, or a zip or tar archive of one")]
    annotations: Annotated[Text | None, Field(description="a folder of label PNGs or .mat files of the same names")] = (
        None
    )
    void: Annotated[
        Literal["segment", "ignore"] | int | Labels | None,
        Field(description="labels that aren't scored: a number or a list of them, segment for none, ignore for 0"),
    ] = None
    channels: Annotated[
        Channel | Annotated[list[Channel], Field(min_length=1, json_schema_extra={"uniqueItems": True})] | None,
        Field(description="channels to take, in this order: numbers from 1, or names that the files have for them"),
    ] = None
    range: Annotated[
        Literal["auto", "type", "percentile", "minmax"]
        | Annotated[list[float], Field(min_length=2, max_length=2)]
        | None,
        Field(description="values that become black and white: a name, or the two"),
    ] = None
    plane: Annotated[Text | None, Field(description="which plane of a stack, such as z=3 or t=1,z=3")] = None
    nodata: Annotated[
        float | Literal["nan"] | None,
        Field(description="the value of pixels without data, beside the one that a GeoTIFF names"),
    ] = None


def expected(entry: Mapping[str, Any]) -> list[tuple[int, int]]:
    """Return the sizes of some of a folder's pictures in turn, none for an archive; see `dynseg.datasets.Kind`."""
    folder, annotations = Path(entry["archive"]), entry.get("annotations")
    if not folder.is_dir():
        return []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        names = list(_relative_names(folder, _without(folder, annotations and Path(annotations)), _PICTURES))
        sizes = []
        for name in names[:: math.ceil(len(names) / _LOOKED_AT)]:
            with suppress(UserError):
                height, width = read_image(folder / name).shape[:2]
                sizes.append((height, width))
    return [size for size, _ in zip(itertools.cycle(sizes), names, strict=False)]


kind = Kind(
    read_examples,
    keys=Keys,
    expected=expected,
    options={
        "annotations": Option("archive or folder of label maps", is_path=True),
        "void": Option("labels that aren't scored, such as 255 or 0,255; segment for none, ignore for 0"),
        "channels": Option("channels to take, in this order, such as 4,3,2 or DAPI,GFP"),
        "range": Option("values that become black and white: type, percentile, minmax or LOW,HIGH"),
        "plane": Option("which plane of a stack, such as z=3"),
        "nodata": Option("the value of pixels without data, nan too"),
    },
)
