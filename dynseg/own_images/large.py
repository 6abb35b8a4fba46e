"""What `dynseg segment` does with images that are too large to be read whole."""

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from dynseg.errors import UserError
from dynseg.io.files import written_aside
from dynseg.io.images import Reading
from dynseg.large import LargeSegmentation, write_geotiff, write_npy, write_rows
from dynseg.own_images.labelling import ByRegions, Labelling
from dynseg.own_images.outputs import indexed_picture, label_colours

_MOST_OF_PNG = 1 << 16


def check_large(
    path: Path, labelling: Labelling, reading: Reading, outputs: Mapping[str, Path], *others: Path | None
) -> ByRegions:
    """Return the labelling of an image that is too large to be read whole, if it can be segmented as it is wanted.

    Parameters
    ----------
    path : path
    labelling : Labelling
    reading : Reading
    outputs : mapping of str to path
        Keys of `dynseg.own_images.outputs.FORMATS`.
    *others : path or None
        The files of its scribbles and mask.

    Raises
    ------
    UserError
        If it can't.
    """
    if not isinstance(labelling, ByRegions):
        raise UserError(f"{path} is too large to be read whole, and only --method regions works by windows")
    if reading.plane:
        raise UserError(f"{path} has one plane: leave out --plane")
    if any(others):
        raise UserError(f"{path} is too large to be read whole, and then neither scribbles nor masks are read")
    unwritable = [name for name in outputs if name not in _WRITERS]
    if unwritable:
        raise UserError(
            f"{path} is too large to be read whole, and --format {unwritable[0]} isn't written for such images: "
            f"choose {', '.join(_WRITERS)}"
        )
    return labelling


def write_large(outputs: Mapping[str, Path], result: LargeSegmentation) -> None:
    """Write the label map of a large image in several formats; each file appears when it is whole.

    Raises
    ------
    UserError
        If a file can't be written.
    """
    for name, path in outputs.items():
        _WRITERS[name](path, result)


def say_result(outputs: Mapping[str, Path], result: LargeSegmentation) -> str:
    """Return the line that tells of an image."""
    facts, (height, width) = result.facts, result.shape
    count = facts["segments"]
    note = f", {result.note}" if result.note else ""
    return (
        f"{result.path}: {count} region{'s' * (count != 1)}, {facts['seconds']:.1f} s, {width} × {height}, by windows "
        f"at {facts['applied_width']} × {facts['applied_height']}{note} -> {', '.join(map(str, outputs.values()))}"
    )


def _write_png(path: Path, result: LargeSegmentation) -> None:
    if int(result.regions.max()) >= _MOST_OF_PNG:
        raise UserError(f"{path} can't hold more than {_MOST_OF_PNG} regions: choose --format npy or geotiff")
    colours = label_colours(result.regions)
    if result.has_gaps:
        colours[0] = 0
    # Pillow takes a picture whole: it is mapped from a file that has no name.
    with written_aside(path) as aside, tempfile.TemporaryFile(dir=path.parent) as file:
        write_rows(file, result)
        labels = np.memmap(file, result.dtype, "r", shape=result.shape)
        indexed_picture(labels, colours).save(aside, format="PNG")


_WRITERS: dict[str, Callable[[Path, LargeSegmentation], None]] = {
    "png": _write_png,
    "npy": write_npy,
    "geotiff": write_geotiff,
}
