"""Find the images that a user names, their scribbles, and where the outputs of each go."""

import logging
import os
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dynseg.errors import UserError
from dynseg.io.images import IMAGE_SUFFIXES
from dynseg.io.ome_zarr import ZARR_SUFFIX, is_ome_zarr
from dynseg.own_images.matching import MATCHING
from dynseg.own_images.outputs import FORMATS, RECORD, check_formats
from dynseg.own_images.validity import find_beside


@dataclass(frozen=True)
class PlannedImage:
    """An image and where its outputs go.

    Attributes
    ----------
    source : path
    relative : path
        Path below the named folder, without extension.
    outputs : dict of str to path
        The files to write, by format.
    """

    source: Path
    relative: Path
    outputs: dict[str, Path]


@dataclass(frozen=True)
class Plan:
    """All images of a run, and a sentence for everything that can't be in it."""

    images: list[PlannedImage] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def find_images(
    sources: Sequence[Path], excluded: Iterable[Path] = ()
) -> tuple[dict[Path, tuple[Path, Path]], list[str]]:
    """Find images, and all images in folders, each once.

    A folder is read with all below it and links followed, but for hidden files and what is excluded; a warning counts
    files of other types. The folder of an OME-Zarr is an image.

    Parameters
    ----------
    sources : sequence of path
        Files and folders.
    excluded : iterable of path
        Files and folders in folders that are no sources.

    Returns
    -------
    found : dict of path to (path, path)
        From the resolved path to the image's path, and its path below the named folder.
    problems : list of str
        A sentence for every source without an image.
    """
    excluded = {path.resolve() for path in excluded}
    found: dict[Path, tuple[Path, Path]] = {}
    problems = []
    for source in sources:
        if source.is_dir() and not is_ome_zarr(source):
            inside = _images_below(source, excluded)
            if not inside:
                suffixes = ", ".join(sorted({*IMAGE_SUFFIXES, ZARR_SUFFIX}))
                problems.append(f"{source} has no file that ends in {suffixes}")
            for path in inside:
                found.setdefault(path.resolve(), (path, path.relative_to(source)))
        elif source.exists():
            found.setdefault(source.resolve(), (source, Path(source.name)))
        else:
            problems.append(f"{source} doesn't exist: correct the path")
    return found, problems


def plan_images(sources: Sequence[Path], output: Path, formats: Iterable[str], *others: Path | None) -> Plan:
    """Plan the outputs of images and of all images in folders.

    Folders are read as by `find_images`, without `output` and `others`; outputs keep the folders below them.

    Parameters
    ----------
    sources : sequence of path
        Files and folders.
    output : path
        The folder of outputs.
    formats : iterable of str
        Keys of `dynseg.own_images.outputs.FORMATS`.
    *others : path or None
        Files or folders of scribbles and masks.

    Raises
    ------
    UserError
        If outputs would lie among the images, two formats write the same files, or one needs a package that is missing.
    """
    formats = list(formats)
    check_formats(formats)
    if any(source.is_dir() and source.resolve() == output.resolve() for source in sources):
        raise UserError(f"{output} is a folder of images and of outputs: choose another folder for --output")
    around = {folder for folder in (output, *output.resolve().parents) if is_ome_zarr(folder)}
    if around:
        raise UserError(f"{output} lies in the OME-Zarr {min(around)}: choose another folder for --output")
    found, problems = find_images(sources, [output, *filter(None, others)])
    plan = Plan(problems=problems)
    taken = {(output / name).resolve(): name for name in (RECORD, MATCHING)}
    for path, relative in found.values():
        relative = _without_suffix(relative)
        outputs = {kind: output / _with_suffix(relative, FORMATS[kind].suffix) for kind in formats}
        clashes = [out for out in outputs.values() if out.resolve() in taken]
        twice = [out for out, count in Counter(outputs.values()).items() if count > 1]
        if any(out.resolve() in found for out in outputs.values()):
            plan.problems.append(f"{path}: its output would replace an image: choose another folder for --output")
        elif twice:
            both = " and ".join(kind for kind, out in outputs.items() if out == twice[0])
            plan.problems.append(f"{path}: {both} would both be {twice[0]}: write them to two folders")
        elif clashes:
            other = taken[clashes[0].resolve()]
            plan.problems.append(
                f"{path}: its output {clashes[0]} is that of {other}: rename one, or segment it into another folder"
            )
        else:
            taken.update({out.resolve(): str(path) for out in outputs.values()})
            plan.images.append(PlannedImage(path, relative, outputs))
    return plan


def _without_suffix(path: Path) -> Path:
    name = path.name.removesuffix(f".ome{ZARR_SUFFIX}")
    return path.with_suffix("") if name == path.name else path.with_name(name)


def _with_suffix(path: Path, suffix: str) -> Path:
    """Return a path without extension with one; that of an OME file isn't doubled."""
    name = path.name.removesuffix(".ome") if suffix.startswith(".ome.") else path.name
    return path.with_name(name + suffix)


def find_scribbles(path: Path, images: Sequence[PlannedImage]) -> dict[Path, Path]:
    """Return the file of scribbles of every image that has one; see `dynseg.own_images.validity.find_beside`."""
    return find_beside(path, {image.source: image.relative for image in images}, "scribbles")


def _images_below(folder: Path, excluded: Collection[Path]) -> list[Path]:
    """Return the images below a folder, links to folders followed; a warning counts files of other types.

    `excluded` are resolved paths.
    """
    found: list[Path] = []
    others: Counter[str] = Counter()
    # A link to a folder that it lies in would never end.
    visited = {folder.resolve(), *folder.resolve().parents}
    for parent, folders, files in os.walk(folder, followlinks=True):
        here = Path(parent)
        shown = {name for name in folders + files if not name.startswith(".")}
        shown = {name for name in shown if (here / name).resolve() not in excluded}
        below = {name: (here / name).resolve() for name in shown.intersection(folders)}
        zarrs = {name for name in below if is_ome_zarr(here / name)}
        found += [here / name for name in sorted(zarrs)]
        # A folder goes before links to it.
        folders[:] = sorted(
            (name for name in below.keys() - zarrs if below[name] not in visited),
            key=lambda name: ((here / name).is_symlink(), name),
        )
        visited.update(below.values())
        for name in sorted(shown.intersection(files)):
            suffix = Path(name).suffix.lower()
            if suffix in IMAGE_SUFFIXES:
                found.append(here / name)
            else:
                others[suffix or "without a suffix"] += 1
    if others:
        counts = ", ".join(f"{count} {suffix}" for suffix, count in sorted(others.items()))
        logging.getLogger(__name__).warning("%s: files of other types are left out: %s", folder, counts)
    return found
