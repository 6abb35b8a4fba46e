"""The record of what made a folder of outputs, and which outputs count as done."""

import json
import os
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from dynseg.errors import UserError
from dynseg.io.files import remove, sha256, written_aside
from dynseg.own_images.outputs import RECORD
from dynseg.own_images.plan import PlannedImage

# The options that say where a hierarchy is cut, by their names in `dynseg.methods.regions.RegionsParameters`.
_CUT = {"threshold": "--scale", "segments": "--segments"}


def start_record(
    output: Path,
    images: Iterable[PlannedImage],
    settings: Mapping[str, Any],
    about: Mapping[str, Any],
    resume: bool,
    scribbles: Mapping[Path, Path] | None = None,
    masks: Mapping[Path, Path] | None = None,
) -> float:
    """Write the record of a folder of outputs. When resuming, first check it against the earlier record.

    Outputs of an earlier run that were made from another image or other scribbles are removed.

    Parameters
    ----------
    output : path
        The folder of outputs.
    images : iterable of PlannedImage
    settings : mapping
        The settings that decide a label map, the most telling first; values that JSON has types for.
    about : mapping
        Everything else that belongs to the record.
    resume : bool
        Whether outputs that are there count.
    scribbles : mapping from path to path, optional
        The file of scribbles of an image, by its source.
    masks : mapping from path to path, optional
        The file of its mask.

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
        if masks and image.source in masks:
            made_of["mask"] = _digest(masks[image.source])
        if earlier and made_of != inputs.get(name):
            for out in image.outputs.values():
                remove(out)
        inputs[name] = made_of
    before = path.stat() if earlier else None
    with written_aside(path) as aside:
        aside.write_text(json.dumps(record, indent=2, sort_keys=True) + "\n", encoding="utf-8")
        if before:
            os.utime(aside, ns=(before.st_atime_ns, before.st_mtime_ns))
    return path.stat().st_mtime


def note_readings(output: Path, notes: Mapping[str, str]) -> None:
    """Add to the record of a folder of outputs how images were read, by their paths without extension."""
    if not notes:
        return
    path = output / RECORD
    record, before = json.loads(path.read_text(encoding="utf-8")), path.stat()
    record["read_as"] = {**record.get("read_as", {}), **notes}
    with written_aside(path) as aside:
        aside.write_text(json.dumps(record, indent=2, sort_keys=True) + "\n", encoding="utf-8")
        # Outputs count as done by the time at which the record was begun.
        os.utime(aside, ns=(before.st_atime_ns, before.st_mtime_ns))


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
            f"{path.parent} was made {difference}: leave out --resume to make all of it again, or choose another folder"
        )
    return earlier


def _fingerprint(source: Path, scribbles: Path | None) -> dict[str, Any]:
    """Return size, time and hash of scribbles of an image, to recognise a changed input."""
    try:
        size, changed = _size_and_time(source)
    except OSError:
        return {}
    digest = _digest(scribbles) if scribbles else None
    return {"bytes": size, "modified_ns": changed, "scribbles": digest}


def _size_and_time(source: Path) -> tuple[int, int]:
    """Return the bytes of a file, or of all files in a folder, and when it last changed, in nanoseconds."""
    inside = source.rglob("*") if source.is_dir() else ()
    found = [path.stat() for path in (source, *inside)]
    files = [each for each in found if stat.S_ISREG(each.st_mode)]
    return sum(each.st_size for each in files), max(each.st_mtime_ns for each in found)


def _digest(path: Path) -> str | None:
    # A file that isn't there is complained of when its image's turn comes.
    return sha256(path) if path.is_file() else None


def is_done(image: PlannedImage, since: float, *others: Path | None) -> bool:
    """Tell whether all outputs of an image are there, made since a time and after what they come from last changed."""
    try:
        made = min(path.stat().st_mtime for path in image.outputs.values())
        beside = [path.stat().st_mtime for path in filter(None, others)]
        changed = max(_size_and_time(image.source)[1] / 1e9, *beside, 0)
        return made >= max(since, changed)
    except OSError:
        return False


def _first_difference(earlier: Any, settings: Any, name: str = "settings") -> str:
    if isinstance(earlier, dict) and isinstance(settings, dict):
        if _CUT.keys() & earlier.keys() & settings.keys() and _cut(earlier) != _cut(settings):
            return f"with {_cut(earlier)}, not {_cut(settings)}"
        # In the order of the settings, so that another method is named before what follows from it.
        names = [*settings, *sorted(earlier.keys() - settings.keys())]
        differences = (_first_difference(earlier.get(key), settings.get(key), key) for key in names)
        return next(filter(None, differences), "")
    if earlier == settings:
        return ""
    if earlier is None:
        return f"without {name}, which is {settings} now"
    return f"with {name} {earlier}, " + ("which is left out now" if settings is None else f"not {settings}")


def _cut(parameters: Mapping[str, Any]) -> str:
    """Return what says where a hierarchy is cut, as on the command line."""
    given = [f"{option} {parameters[name]}" for name, option in _CUT.items() if parameters.get(name) is not None]
    return " ".join(given) or "the usual cut"
