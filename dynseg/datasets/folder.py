"""Any folder or archive of pictures, with or without annotations of the same names."""

import os
import posixpath
import re
import unicodedata
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

from numpy.typing import NDArray

from dynseg.datasets import Kind, Option
from dynseg.datasets.example import Example, unique_ids
from dynseg.datasets.selection import Select
from dynseg.errors import UserError
from dynseg.io.annotations import numbered_segments
from dynseg.io.archives import iterate_members
from dynseg.io.image_ids import image_id
from dynseg.io.images import IMAGE_SUFFIXES, read_label_image
from dynseg.io.mat_files import read_mat_annotations

# Which labels aren't scored, by the words for them; "" is no word, and nothing is left out either.
VOID: dict[str, tuple[int, ...]] = {"": (), "segment": (), "ignore": (0,)}

# PASCAL VOC's label for what belongs to nothing, which many tools have taken over.
_USUAL_VOID = 255
_ANNOTATION_SUFFIXES = frozenset({".png", ".mat"})
_ANNOTATOR = re.compile(r"\.(\d+)$")
# Where a PNG says that its pixels are indices into a palette.
_PNG, _COLOUR_TYPE, _PALETTE = b"\x89PNG\r\n\x1a\n", 25, 3


def read_examples(
    archive: Path, select: Select, annotations: Path | None = None, void: str | None = None
) -> Iterator[Example]:
    """Read pictures, and their annotations if there are any.

    Hidden files and what isn't a picture are left out, and a warning counts the latter by suffix; links to files and
    folders are followed. Names are taken below the folder, or in an archive below the folders that all its pictures
    share.

    Parameters
    ----------
    archive : path
        A folder, read with all below it, or an archive (tar, zip) of pictures.
    select : callable
        Takes the ids of the images and returns the wanted ones.
    annotations : path, optional
        A folder or an archive of label images (.png: palette indices, grey values or colours are the segments) or
        MATLAB files (.mat, as in BSD500), each named as its picture; several annotators are `name.1.png`,
        `name.2.png`. One that is named exactly as a picture belongs to that picture.
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
        If an archive is broken, two pictures make one id, or a picture has no annotation though others do.
    """
    unscored = _unscored(void or "")
    names = _relative_names(archive, _without(archive, annotations), IMAGE_SUFFIXES)
    ids = unique_ids((image_id(relative), name) for name, relative in names.items())
    annotators = {} if annotations is None else _annotators(annotations, {_stem(name) for name in names.values()})
    wanted = set(select(list(ids)))
    with_usual_void = 0
    for member in iterate_members(archive):
        if member.name not in names or image_id(names[member.name]) not in wanted:
            continue
        relative = names[member.name]
        source = f"{archive}: {member.name}"
        segments = None
        if annotations is not None:
            if _stem(relative) not in annotators:
                raise UserError(f"{source} has no annotation in {annotations}: add one or drop the image")
            maps = _label_maps(annotations, annotators[_stem(relative)])
            with_usual_void += not void and _has_usual_void(annotators[_stem(relative)], maps)
            segments = numbered_segments(maps, f"{annotations}: {annotators[_stem(relative)][0][1]}", unscored)
        suffix = posixpath.splitext(relative)[1].lower()
        yield Example(image_id(relative), source, suffix, member.read(), member.modified, segments)
    if with_usual_void:
        warnings.warn(
            f"{annotations}: the palette pictures of {with_usual_void} images have index {_USUAL_VOID}, which is scored"
            f" as a segment: say void {_USUAL_VOID} if it means that a pixel isn't labelled, and void segment if not",
            stacklevel=2,
        )


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


def _has_usual_void(files: list[tuple[int, str, bytes]], maps: list[NDArray]) -> bool:
    is_palette = any(content.startswith(_PNG) and content[_COLOUR_TYPE] == _PALETTE for _, _, content in files)
    return is_palette and any((labels == _USUAL_VOID).any() for labels in maps)


def _without(archive: Path, annotations: Path | None) -> str:
    """Give the start of the names that are annotations: their folder may lie among the pictures."""
    if annotations is None or not archive.is_dir():
        return ""
    inside = os.path.relpath(annotations.resolve(), archive.resolve()).replace(os.sep, "/")
    return "" if inside == "." or inside.startswith("..") else f"{inside}/"


def _relative_names(archive: Path, without: str, suffixes: frozenset[str]) -> dict[str, str]:
    """Map the wanted members' names to names below the root; a warning counts the others."""
    names = {}
    skipped: Counter[str] = Counter()
    for member in iterate_members(archive):
        parts = [part for part in member.name.split("/") if part not in ("", ".", "..")]
        hidden = any(part.startswith(".") or part == "__MACOSX" for part in parts)
        if hidden or (without and member.name.startswith(without)):
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


def _annotators(annotations: Path, images: set[str]) -> dict[str, list[tuple[int, str, bytes]]]:
    """Map the names of pictures, without extension, to their annotation files in the order of the annotators."""
    names = _relative_names(annotations, "", _ANNOTATION_SUFFIXES)
    numbered: dict[str, list[tuple[int, str, bytes]]] = defaultdict(list)
    for member in iterate_members(annotations):
        if member.name not in names:
            continue
        stem, number = _stem(names[member.name]), 0
        if stem not in images and (match := _ANNOTATOR.search(stem)):
            stem, number = stem[: match.start()], int(match[1])
        if stem in images:
            numbered[stem].append((number, member.name, member.read()))
    return {stem: sorted(files) for stem, files in numbered.items()}


def _label_maps(annotations: Path, files: list[tuple[int, str, bytes]]) -> list[NDArray]:
    maps: list[NDArray] = []
    for _, name, content in files:
        source = f"{annotations}: {name}"
        if name.lower().endswith(".mat"):
            maps.extend(read_mat_annotations(content, source))
        else:
            maps.append(read_label_image(content, source))
    return maps


kind = Kind(
    read_examples,
    options={
        "annotations": Option("archive or folder of label maps", is_path=True),
        "void": Option("labels that aren't scored, such as 255 or 0,255; segment for none, ignore for 0"),
    },
)
