"""Any folder or archive of pictures, with or without annotations of the same names."""

import os
import posixpath
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dynseg.datasets.writing import Example, Select, numbered_segments, unique_ids
from dynseg.errors import UserError
from dynseg.io.archives import iterate_members
from dynseg.io.image_ids import image_id
from dynseg.io.images import IMAGE_SUFFIXES, read_label_image
from dynseg.io.mat_files import read_mat_annotations

VOID = ("segment", "ignore")

_ANNOTATION_SUFFIXES = frozenset({".png", ".mat"})
_ANNOTATOR = re.compile(r"\.(\d+)$")


def read_examples(
    archive: Path, select: Select, annotations: Path | None = None, void: str = "segment"
) -> Iterator[Example]:
    """Read pictures, and their annotations if there are any.

    Hidden files and what isn't a picture are left out. Names are taken below the folder, or in an archive below the
    folders that all its pictures share.

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
    void : {"segment", "ignore"}
        Whether label 0 (black) is a segment like the others or isn't scored.

    Yields
    ------
    Example
        With annotations if `annotations` is given.

    Raises
    ------
    UserError
        If an archive is broken, two pictures make one id, or a picture has no annotation though others do.
    """
    if void not in VOID:
        raise UserError(f"void {void!r} isn't known for a folder: choose {' or '.join(VOID)}")
    names = _relative_names(archive, _without(archive, annotations), IMAGE_SUFFIXES)
    ids = unique_ids((image_id(relative), name) for name, relative in names.items())
    annotators = {} if annotations is None else _annotators(annotations, {_stem(name) for name in names.values()})
    wanted = set(select(list(ids)))
    for member in iterate_members(archive):
        if member.name not in names or image_id(names[member.name]) not in wanted:
            continue
        relative = names[member.name]
        source = f"{archive}: {member.name}"
        segments = None
        if annotations is not None:
            if _stem(relative) not in annotators:
                raise UserError(f"{source} has no annotation in {annotations}: add one or drop the image")
            segments = _segments(annotations, annotators[_stem(relative)], void)
        suffix = posixpath.splitext(relative)[1].lower()
        yield Example(image_id(relative), source, suffix, member.read(), member.modified, segments)


def _without(archive: Path, annotations: Path | None) -> str:
    """Give the start of the names that are annotations: their folder may lie among the pictures."""
    if annotations is None or not archive.is_dir():
        return ""
    inside = os.path.relpath(annotations.resolve(), archive.resolve()).replace(os.sep, "/")
    return "" if inside == "." or inside.startswith("..") else f"{inside}/"


def _relative_names(archive: Path, without: str, suffixes: frozenset[str]) -> dict[str, str]:
    """Map the wanted members' names to names below the root."""
    names = {}
    for member in iterate_members(archive):
        parts = [part for part in member.name.split("/") if part not in ("", ".", "..")]
        hidden = any(part.startswith(".") or part == "__MACOSX" for part in parts)
        suffix = posixpath.splitext(member.name)[1].lower()
        if suffix in suffixes and not hidden and not (without and member.name.startswith(without)):
            if member.name in names:
                raise UserError(f"{archive} has {member.name!r} twice: keep one of them")
            names[member.name] = "/".join(parts)
    if not names:
        raise UserError(f"{archive} has no file that ends in {', '.join(sorted(suffixes))}: give one that has")
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


def _segments(annotations: Path, files: list[tuple[int, str, bytes]], void: str) -> NDArray[np.unsignedinteger]:
    maps: list[NDArray] = []
    for _, name, content in files:
        source = f"{annotations}: {name}"
        if name.lower().endswith(".mat"):
            maps.extend(read_mat_annotations(content, source))
        else:
            maps.append(read_label_image(content, source))
    return numbered_segments(maps, f"{annotations}: {files[0][1]}", unscored=0 if void == "ignore" else None)
