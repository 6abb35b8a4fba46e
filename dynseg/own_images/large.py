"""Images that are too large to be read whole: segmented at a reduced size by windows, written row by row."""

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from dynseg.errors import UserError
from dynseg.io.files import written_aside
from dynseg.io.images import Reading
from dynseg.io.large_tiff import LargeTiff, Reduced
from dynseg.methods.regions import RegionsParameters, cut, make_ensemble, merging_parameters
from dynseg.own_images.cutting import warn_of_few_leaves
from dynseg.own_images.labelling import ByRegions, Labelling
from dynseg.own_images.outputs import indexed_picture, label_colours
from dynseg.regions.enlarging import enlarged_rows
from dynseg.regions.windows import estimate_windowed_memory, windowed_hierarchy
from dynseg.training.loop import OnIteration
from dynseg.training.memory import PROCESS_BYTES, refuse_too_large

# Rows that are written at once.
_ROWS = 256
_MOST_OF_PNG = 1 << 16


@dataclass(frozen=True)
class LargeResult:
    """The regions of a large image.

    Attributes
    ----------
    regions : ndarray, (h, w), int32
        At the reduced size; numbers from 0, or from 1 where pixels may have no data, which are 0.
    source : LargeTiff
    reading : Reading
    reduced : Reduced
        Without its pixels.
    facts : dict
        As `dynseg.result.Segmentation` has them.
    """

    regions: NDArray[np.int32]
    source: LargeTiff
    reading: Reading
    reduced: Reduced
    facts: Mapping[str, Any]

    @property
    def has_gaps(self) -> bool:
        """Whether 0 means no data."""
        return self.reduced.valid is not None

    def rows(self) -> Iterator[tuple[slice, NDArray[np.int32]]]:
        """Yield the label map of the image from the top, a few rows at a time, each with where it lies."""
        height, width = self.source.size
        factor, filled = self.reduced.factor, self._filled()
        size = (filled.shape[0] * factor, filled.shape[1] * factor)
        for rows, labels in enlarged_rows(filled, size, _ROWS):
            rows = slice(rows.start, min(rows.stop, height))
            labels = labels[: rows.stop - rows.start, :width]
            if self.has_gaps:
                _, valid = self.source.read(rows, self.reading)
                labels = np.where(valid, labels, 0)
            if labels.size:
                yield rows, labels

    def _filled(self) -> NDArray[np.int32]:
        """Return the regions, with that of the nearest pixel where there is none: its edge is the file's to say."""
        from dynseg.training.validity import nearest

        known = self.regions > 0
        if not self.has_gaps or known.all() or not known.any():
            return self.regions
        filled: NDArray[np.int32] = self.regions[nearest(known)]
        return filled


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


def segment_large(
    source: LargeTiff,
    reading: Reading,
    labelling: ByRegions,
    on_iteration: OnIteration | None = None,
    on_window: Callable[[int, int], None] | None = None,
) -> LargeResult:
    """Find the regions of a large image.

    Parameters
    ----------
    source : LargeTiff
    reading : Reading
    labelling : ByRegions
        Its `large_size` is what the image is reduced to along its longer side.
    on_iteration, on_window : callable, optional
        See `dynseg.regions.windows.windowed_hierarchy`.

    Raises
    ------
    UserError
        If the image can't be read, or too little memory is free.
    """
    start = time.perf_counter()
    height, width = source.size
    bands = len(reading.channels or range(source.channels))

    def needed_at(longer_side: int) -> int:
        share = min(1.0, longer_side / max(height, width))
        reduced = round(height * share), round(width * share)
        return PROCESS_BYTES + estimate_windowed_memory(*reduced, max(3, bands), 4)

    if labelling.device == "cpu":
        refuse_too_large(source.size, labelling.large_size, needed_at)
    reduced = source.reduce(reading, labelling.large_size)
    size = reduced.pixels.shape[:2]
    facts: dict[str, Any] = {"applied_height": size[0], "applied_width": size[1]}
    if reduced.valid is not None and not reduced.valid.any():
        regions, facts["segments"] = np.zeros(size, np.int32), 0
    else:
        regions, found = _regions(reduced, labelling.parameters, labelling, on_iteration, on_window)
        facts |= found
    if reduced.valid is not None and reduced.valid.all() and facts["segments"]:
        regions = regions + 1
    facts["seconds"] = time.perf_counter() - start
    without_pixels = Reduced(reduced.pixels[:0], reduced.valid, reduced.factor, reduced.note)
    return LargeResult(regions, source, reading, without_pixels, facts)


def write_large(outputs: Mapping[str, Path], result: LargeResult, source: Path) -> None:
    """Write the label map of a large image in several formats; each file appears when it is whole.

    Raises
    ------
    UserError
        If a file can't be written.
    """
    for name, path in outputs.items():
        _WRITERS[name](path, result, source)


def say_result(source: Path, outputs: Mapping[str, Path], result: LargeResult) -> str:
    """Return the line that tells of an image."""
    facts, (height, width) = result.facts, result.source.size
    count = facts["segments"]
    note = f", {result.reduced.note}" if result.reduced.note else ""
    return (
        f"{source}: {count} region{'s' * (count != 1)}, {facts['seconds']:.1f} s, {width} × {height}, by windows at "
        f"{facts['applied_width']} × {facts['applied_height']}{note} -> {', '.join(map(str, outputs.values()))}"
    )


def _regions(
    reduced: Reduced,
    parameters: RegionsParameters,
    labelling: ByRegions,
    on_iteration: OnIteration | None,
    on_window: Callable[[int, int], None] | None,
) -> tuple[NDArray[np.int32], Mapping[str, Any]]:
    hierarchy = windowed_hierarchy(
        reduced.pixels,
        make_ensemble(parameters),
        labelling.seed,
        labelling.device,
        merging_parameters(parameters),
        None if reduced.valid is None or reduced.valid.all() else reduced.valid,
        on_iteration=on_iteration,
        on_window=on_window,
    )
    if parameters.segments is not None:
        warn_of_few_leaves(hierarchy, parameters.segments)
    found = cut(hierarchy, parameters)
    return found.labels.astype(np.int32), found.facts


def _write_geotiff(path: Path, result: LargeResult, source: Path) -> None:
    from rasterio.windows import Window

    from dynseg.io.geotiff import label_raster, note_unknown_place, read_georeference

    shift = 0 if result.has_gaps else 1
    height, width = result.source.size
    georeference = read_georeference(source, (height, width))
    if not georeference.is_known:
        note_unknown_place(source)
    with label_raster(path, (height, width), int(result.regions.max()) + shift, georeference) as raster:
        for rows, labels in result.rows():
            window = Window(0, rows.start, width, rows.stop - rows.start)
            raster.write((labels + shift).astype(raster.dtypes[0]), 1, window=window)


def _write_npy(path: Path, result: LargeResult, source: Path) -> None:
    dtype = np.min_scalar_type(int(result.regions.max()))
    header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": result.source.size}
    with written_aside(path) as aside, aside.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        _write_rows(file, result)


def _write_png(path: Path, result: LargeResult, source: Path) -> None:
    if int(result.regions.max()) >= _MOST_OF_PNG:
        raise UserError(f"{path} can't hold more than {_MOST_OF_PNG} regions: choose --format npy or geotiff")
    colours = label_colours(result.regions)
    if result.has_gaps:
        colours[0] = 0
    # Pillow takes a picture whole: it is mapped from a file that has no name.
    with written_aside(path) as aside, tempfile.TemporaryFile(dir=path.parent) as file:
        dtype = _write_rows(file, result)
        labels = np.memmap(file, dtype, "r", shape=result.source.size)
        indexed_picture(labels, colours).save(aside, format="PNG")


def _write_rows(file: IO[bytes], result: LargeResult) -> np.dtype[Any]:
    """Write the label map as bare numbers, and return their type."""
    dtype = np.min_scalar_type(int(result.regions.max()))
    for _, labels in result.rows():
        file.write(np.ascontiguousarray(labels, dtype).tobytes())
    file.flush()
    return dtype


_WRITERS: dict[str, Callable[[Path, LargeResult, Path], None]] = {
    "png": _write_png,
    "npy": _write_npy,
    "geotiff": _write_geotiff,
}
