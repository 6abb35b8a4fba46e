"""Find the images that a user names, decide where each one's outputs go, and which of them are done."""

import hashlib
import json
import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dynseg.errors import UserError
from dynseg.io.files import written_aside
from dynseg.io.images import IMAGE_SUFFIXES
from dynseg.own_images.outputs import FORMATS

RECORD = "dynseg-run.json"


@dataclass(frozen=True)
class PlannedImage:
    """An image and where its outputs go.

    Attributes
    ----------
    source : path
    relative : path
        Below the named folder, without extension.
    outputs : dict of str to path
        By format.
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
    sources: Sequence[Path], left_out: Iterable[Path] = ()
) -> tuple[dict[Path, tuple[Path, Path]], list[str]]:
    """Find images, and all images in folders, each once.

    A folder is read with all below it, but for hidden files and what is left out.

    Parameters
    ----------
    sources : sequence of path
        Files and folders.
    left_out : iterable of path
        Files and folders in folders that are no sources.

    Returns
    -------
    found : dict of path to (path, path)
        By resolved path: the image's path, and that below the named folder.
    problems : list of str
        A sentence for every source without an image.
    """
    left_out = {path.resolve() for path in left_out}
    found: dict[Path, tuple[Path, Path]] = {}
    problems = []
    for source in sources:
        if source.is_dir():
            inside = _images_below(source, left_out)
            if not inside:
                problems.append(f"{source} has no file that ends in {', '.join(sorted(IMAGE_SUFFIXES))}")
            for path in inside:
                found.setdefault(path.resolve(), (path, path.relative_to(source)))
        elif source.exists():
            found.setdefault(source.resolve(), (source, Path(source.name)))
        else:
            problems.append(f"{source} doesn't exist: correct the path")
    return found, problems


def plan_images(sources: Sequence[Path], output: Path, formats: Iterable[str], scribbles: Path | None = None) -> Plan:
    """Plan the outputs of images and of all images in folders.

    Folders are read as by `find_images`, without `output` and `scribbles`; outputs keep the folders below them.

    Parameters
    ----------
    sources : sequence of path
        Files and folders.
    output : path
        The folder of outputs.
    formats : iterable of str
        Keys of `dynseg.own_images.outputs.FORMATS`.
    scribbles : path, optional
        The file or folder of scribbles.

    Raises
    ------
    UserError
        If outputs would lie among the images.
    """
    formats = list(formats)
    if any(source.is_dir() and source.resolve() == output.resolve() for source in sources):
        raise UserError(f"{output} is a folder of images and of outputs: choose another folder for --output")
    found, problems = find_images(sources, [output, *([scribbles] if scribbles else [])])
    plan = Plan(problems=problems)
    taken = {(output / RECORD).resolve(): RECORD}
    for path, relative in found.values():
        outputs = {kind: output / relative.with_name(relative.stem + FORMATS[kind]) for kind in formats}
        clashes = [out for out in outputs.values() if out.resolve() in taken]
        if any(out.resolve() in found for out in outputs.values()):
            plan.problems.append(f"{path}: its output would replace an image: choose another folder for --output")
        elif clashes:
            other = taken[clashes[0].resolve()]
            plan.problems.append(
                f"{path}: its output {clashes[0]} is that of {other}: rename one, or segment it into another folder"
            )
        else:
            taken.update({out.resolve(): str(path) for out in outputs.values()})
            plan.images.append(PlannedImage(path, relative.with_suffix(""), outputs))
    return plan


def start_record(
    output: Path,
    images: Iterable[PlannedImage],
    settings: Mapping[str, Any],
    about: Mapping[str, Any],
    resume: bool,
    scribbles: Mapping[Path, Path] | None = None,
) -> float:
    """Write what makes the outputs of a folder; to resume, check it against what made those that are there.

    Outputs to resume that were made of another image or of other scribbles are removed.

    Parameters
    ----------
    output : path
        The folder of outputs.
    images : iterable of PlannedImage
    settings : mapping
        What decides a label map; values that JSON has types for.
    about : mapping
        What else belongs to the record.
    resume : bool
        Whether outputs that are there count.
    scribbles : mapping from path to path, optional
        The file of scribbles of an image, by its source.

    Returns
    -------
    float
        The time from which outputs count as made with these settings.

    Raises
    ------
    UserError
        If the folder can't be written, or was made with other settings.
    """
    path = output / RECORD
    earlier = _earlier_record(path, settings) if resume and path.exists() else None
    record: dict[str, Any] = earlier or {**about, "settings": settings}
    inputs = record.setdefault("inputs", {})
    for image in images:
        name, made_of = str(image.relative), _fingerprint(image.source, (scribbles or {}).get(image.source))
        if earlier and made_of != inputs.get(name):
            for out in image.outputs.values():
                out.unlink(missing_ok=True)
        inputs[name] = made_of
    before = path.stat() if earlier else None
    with written_aside(path) as aside:
        aside.write_text(json.dumps(record, indent=2, sort_keys=True) + "\n", encoding="utf-8")
        if before:
            os.utime(aside, ns=(before.st_atime_ns, before.st_mtime_ns))
    return path.stat().st_mtime


def _earlier_record(path: Path, settings: Mapping[str, Any]) -> dict[str, Any]:
    try:
        earlier = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path} can't be read ({error}): leave out --resume") from error
    if not isinstance(earlier, dict) or not isinstance(earlier.get("inputs", {}), dict):
        raise UserError(f"{path} isn't the record of a run: leave out --resume")
    difference = _first_difference(earlier.get("settings", {}), json.loads(json.dumps(settings)))
    if difference:
        raise UserError(
            f"{path.parent} was made with {difference}: leave out --resume to make all of it again, or choose another "
            "folder"
        )
    return earlier


def _fingerprint(source: Path, scribbles: Path | None) -> dict[str, Any]:
    """Return what tells an image and its scribbles from others of the same name."""
    try:
        status = source.stat()
    except OSError:
        return {}
    # A file of scribbles that isn't there is complained of when its image's turn comes.
    digest = hashlib.sha256(scribbles.read_bytes()).hexdigest() if scribbles and scribbles.is_file() else None
    return {"bytes": status.st_size, "modified_ns": status.st_mtime_ns, "scribbles": digest}


def is_done(image: PlannedImage, since: float, scribbles: Path | None = None) -> bool:
    """Tell whether all outputs of an image are there, made since a time and after what they come from last changed."""
    try:
        made = min(path.stat().st_mtime for path in image.outputs.values())
        changed = max(path.stat().st_mtime for path in (image.source, scribbles or image.source))
        return made >= max(since, changed)
    except OSError:
        return False


def _first_difference(earlier: Any, settings: Any, name: str = "settings") -> str:
    if isinstance(earlier, dict) and isinstance(settings, dict):
        names = sorted({*earlier, *settings})
        differences = (_first_difference(earlier.get(key), settings.get(key), key) for key in names)
        return next(filter(None, differences), "")
    return "" if earlier == settings else f"{name} {earlier}, not {settings}"


def _images_below(folder: Path, left_out: Collection[Path]) -> list[Path]:
    """Return the images below a folder; `left_out` are resolved paths."""
    found = []
    for parent, folders, files in os.walk(folder):
        here = Path(parent)
        shown = {name for name in folders + files if not name.startswith(".")}
        shown = {name for name in shown if (here / name).resolve() not in left_out}
        folders[:] = sorted(shown.intersection(folders))
        pictures = sorted(shown.intersection(files))
        found += [here / name for name in pictures if Path(name).suffix.lower() in IMAGE_SUFFIXES]
    return found
