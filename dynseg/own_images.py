"""Find the images that a user names, decide where each one's outputs go, and which of them are done."""

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dynseg.errors import UserError
from dynseg.files import written_aside
from dynseg.images import IMAGE_SUFFIXES
from dynseg.outputs import FORMATS

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


def plan_images(sources: Sequence[Path], output: Path, formats: Iterable[str]) -> Plan:
    """Plan the outputs of images and of all images in folders.

    A folder is read with all below it, but for hidden files and for `output`; outputs keep the folders below it.

    Parameters
    ----------
    sources : sequence of path
        Files and folders.
    output : path
        The folder of outputs.
    formats : iterable of str
        Keys of `dynseg.outputs.FORMATS`.

    Raises
    ------
    UserError
        If outputs would lie among the images.
    """
    formats = list(formats)
    plan = Plan()
    found: dict[Path, tuple[Path, Path]] = {}
    for source in sources:
        if source.is_dir():
            if source.resolve() == output.resolve():
                raise UserError(f"{output} is a folder of images and of outputs: choose another folder for --output")
            inside = _images_below(source, output)
            if not inside:
                plan.problems.append(f"{source} has no file that ends in {', '.join(sorted(IMAGE_SUFFIXES))}")
            for path in inside:
                found.setdefault(path.resolve(), (path, path.relative_to(source)))
        elif source.exists():
            found.setdefault(source.resolve(), (source, Path(source.name)))
        else:
            plan.problems.append(f"{source} doesn't exist: correct the path")
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


def start_record(output: Path, settings: Mapping[str, Any], about: Mapping[str, Any], resume: bool) -> float:
    """Write what makes the outputs of a folder, or check it against what made those that are there.

    Parameters
    ----------
    output : path
        The folder of outputs.
    settings : mapping
        What decides a label map; values that JSON has types for.
    about : mapping
        What else belongs to the record.
    resume : bool
        Whether outputs that are there count.

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
    if resume and path.exists():
        try:
            earlier = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise UserError(f"{path} can't be read ({error}): leave out --resume") from error
        if not isinstance(earlier, dict):
            raise UserError(f"{path} isn't the record of a run: leave out --resume")
        difference = _first_difference(earlier.get("settings", {}), json.loads(json.dumps(settings)))
        if difference:
            raise UserError(
                f"{output} was made with {difference}: leave out --resume to make all of it again, or choose another "
                "folder"
            )
        return path.stat().st_mtime
    with written_aside(path) as aside:
        record = {**about, "settings": settings}
        aside.write_text(json.dumps(record, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    return path.stat().st_mtime


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


def _images_below(folder: Path, output: Path) -> list[Path]:
    output = output.resolve()
    found = []
    for parent, folders, files in os.walk(folder):
        here = Path(parent)
        folders[:] = sorted(name for name in folders if not name.startswith(".") and (here / name).resolve() != output)
        found += [
            here / name
            for name in sorted(files)
            if not name.startswith(".") and Path(name).suffix.lower() in IMAGE_SUFFIXES
        ]
    return found
