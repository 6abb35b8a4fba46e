"""The regions of TIFFs that are too large to be read whole: found by windows at a reduced size, given row by row."""

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
from dynseg.io.large_tiff import LargeTiff, Reduced, large_tiff
from dynseg.methods.regions import RegionsParameters, cut, make_ensemble, merging_parameters
from dynseg.regions.enlarging import enlarged_rows
from dynseg.regions.few_leaves import warn_of_few_leaves
from dynseg.regions.windows import estimate_windowed_memory, windowed_hierarchy
from dynseg.training.loop import OnIteration
from dynseg.training.memory import PROCESS_BYTES, refuse_too_large

# Such images are reduced to this many pixels along the longer side.
DEFAULT_LARGE_SIZE = 4096
# Rows that are written at once.
_ROWS = 256

OnWindow = Callable[[int, int], None]


@dataclass(frozen=True)
class LargeSegmentation:
    """The regions of an image that is too large for memory: kept at its reduced size, given at its own row by row.

    Attributes
    ----------
    path : path
        The image, which is read again where pixels may have no data.
    shape : (int, int)
        Its height and width, in pixels, and those of the label map.
    regions : ndarray, (h, w), int32
        The label map at the reduced size; numbers from 0, or from 1 where pixels may have no data, which are 0.
    factor : int
        A pixel of `regions` covers this many along each side of the image's.
    has_gaps : bool
        Whether 0 means no data.
    reading : Reading
        What was taken of the image.
    note : str
        The same for people.
    facts : mapping of str to Any
        As `dynseg.Segmentation` has them: `segments`, `threshold`, `leaves`, sizes and `seconds`.

    Examples
    --------
    >>> import numpy as np
    >>> regions = np.array([[0, 1, 1], [0, 0, 2]], np.int32)
    >>> result = LargeSegmentation(Path("scene.tif"), (4, 5), regions, 2, False, Reading(), "", {})
    >>> np.concatenate([labels for _, labels in result.rows()]).tolist()
    [[0, 0, 1, 1, 1], [0, 0, 1, 1, 1], [0, 0, 0, 0, 2], [0, 0, 0, 0, 2]]
    """

    path: Path
    shape: tuple[int, int]
    regions: NDArray[np.int32]
    factor: int
    has_gaps: bool
    reading: Reading
    note: str
    facts: Mapping[str, Any]

    @property
    def dtype(self) -> np.dtype[Any]:
        """The smallest unsigned type that the labels fit into."""
        return np.min_scalar_type(int(self.regions.max()))

    def rows(self) -> Iterator[tuple[slice, NDArray[np.integer]]]:
        """Yield the label map of the image from the top, a few rows at a time, each with where it lies.

        Yields
        ------
        rows : slice
            Numbers of rows.
        labels : ndarray, (rows, W), of `dtype`

        Raises
        ------
        UserError
            If the image isn't there any more, where pixels may have no data.
        """
        if not self.has_gaps:
            yield from self._enlarged()
            return
        with large_tiff(self.path) as source:
            if source is None or source.size != self.shape:
                raise UserError(f"{self.path} isn't the image any more whose regions were found: leave it where it is")
            for rows, labels in self._enlarged():
                _, valid = source.read(rows, self.reading)
                yield rows, np.where(valid, labels, self.dtype.type(0))

    def save(self, path: str | Path) -> None:
        """Write the label map as NumPy's .npy or as a GeoTIFF, .tif, that lies where the image does.

        The file appears when it is whole; `numpy.load(path, mmap_mode="r")` maps an .npy without reading it. A GeoTIFF
        needs `dynseg[geo]`; its labels begin at 1, since 0 means no data there.

        Parameters
        ----------
        path : path

        Raises
        ------
        UserError
            If it ends in something else, or can't be written.
        """
        path = Path(path)
        if path.suffix.lower() not in _WRITERS:
            raise UserError(f"{path} doesn't end in {', '.join(_WRITERS)}: name such a file")
        _WRITERS[path.suffix.lower()](path, self)

    def _enlarged(self) -> Iterator[tuple[slice, NDArray[np.integer]]]:
        """Yield the rows as they are if every pixel has data."""
        height, width = self.shape
        filled = self._filled()
        size = (filled.shape[0] * self.factor, filled.shape[1] * self.factor)
        for rows, labels in enlarged_rows(filled, size, _ROWS):
            rows = slice(rows.start, min(rows.stop, height))
            labels = labels[: rows.stop - rows.start, :width]
            if labels.size:
                yield rows, labels.astype(self.dtype)

    def _filled(self) -> NDArray[np.int32]:
        """Return the regions, with that of the nearest pixel where there is none: its edge is the file's to say."""
        from dynseg.training.validity import nearest

        known = self.regions > 0
        if not self.has_gaps or known.all() or not known.any():
            return self.regions
        filled: NDArray[np.int32] = self.regions[nearest(known)]
        return filled


def segment_by_windows(
    source: LargeTiff,
    parameters: RegionsParameters,
    reading: Reading = Reading(),  # noqa: B008 - it is frozen
    *,
    seed: int = 0,
    device: str = "cpu",
    max_size: int = DEFAULT_LARGE_SIZE,
    on_iteration: OnIteration | None = None,
    on_window: OnWindow | None = None,
) -> LargeSegmentation:
    """Find the regions of a large image; a warning says if they are fewer than were asked for.

    Parameters
    ----------
    source : LargeTiff
    parameters : RegionsParameters
    reading : Reading
        What to take of the image.
    seed : int
        Seed of the networks' initial weights.
    device : {"cpu", "cuda"}
    max_size : int
        Pixels along the longer side, at most, of the image that regions are found in.
    on_iteration, on_window : callable, optional
        See `dynseg.regions.windows.windowed_hierarchy`.

    Raises
    ------
    UserError
        If the image can't be read, or too little memory is free.
    """
    start = time.perf_counter()
    reading = source.numbered(reading)
    height, width = source.size
    bands = len(reading.channels or range(source.channels))

    def needed_at(longer_side: int) -> int:
        share = min(1.0, longer_side / max(height, width))
        reduced = round(height * share), round(width * share)
        return PROCESS_BYTES + estimate_windowed_memory(*reduced, max(3, bands), 4)

    if device == "cpu":
        refuse_too_large(source.size, max_size, needed_at)
    reduced = source.reduce(reading, max_size)
    size = reduced.pixels.shape[:2]
    facts: dict[str, Any] = {"applied_height": size[0], "applied_width": size[1]}
    if reduced.valid is not None and not reduced.valid.any():
        regions, facts["segments"] = np.zeros(size, np.int32), 0
    else:
        regions, found = _regions(reduced, parameters, seed, device, on_iteration, on_window)
        facts |= found
    if reduced.valid is not None and reduced.valid.all() and facts["segments"]:
        regions = regions + 1
    facts["seconds"] = time.perf_counter() - start
    return LargeSegmentation(
        source.path, source.size, regions, reduced.factor, reduced.valid is not None, reading, reduced.note, facts
    )


def write_rows(file: IO[bytes], result: LargeSegmentation) -> None:
    """Write the label map as bare numbers of its type, row by row."""
    for _, labels in result.rows():
        file.write(np.ascontiguousarray(labels).tobytes())
    file.flush()


def write_npy(path: Path, result: LargeSegmentation) -> None:
    """Write the label map as NumPy's .npy; see `LargeSegmentation.save`."""
    header = {"descr": np.lib.format.dtype_to_descr(result.dtype), "fortran_order": False, "shape": result.shape}
    with written_aside(path) as aside, aside.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        write_rows(file, result)


def write_geotiff(path: Path, result: LargeSegmentation) -> None:
    """Write the label map as a GeoTIFF; see `LargeSegmentation.save`."""
    try:
        from rasterio.windows import Window
    except ImportError as error:
        raise UserError("a GeoTIFF needs another package: pip install 'dynseg[geo]'") from error
    from dynseg.io.geotiff import label_raster, note_unknown_place, read_georeference

    shift = 0 if result.has_gaps else 1
    georeference = read_georeference(result.path, result.shape)
    if not georeference.is_known:
        note_unknown_place(result.path)
    with label_raster(path, result.shape, int(result.regions.max()) + shift, georeference) as raster:
        for rows, labels in result.rows():
            window = Window(0, rows.start, result.shape[1], rows.stop - rows.start)
            # One more may be beyond the labels' own type.
            raster.write(labels.astype(raster.dtypes[0]) + np.uint8(shift), 1, window=window)


_WRITERS: dict[str, Callable[[Path, LargeSegmentation], None]] = {
    ".npy": write_npy,
    ".tif": write_geotiff,
    ".tiff": write_geotiff,
}


def _regions(
    reduced: Reduced,
    parameters: RegionsParameters,
    seed: int,
    device: str,
    on_iteration: OnIteration | None,
    on_window: OnWindow | None,
) -> tuple[NDArray[np.int32], Mapping[str, Any]]:
    hierarchy = windowed_hierarchy(
        reduced.pixels,
        make_ensemble(parameters),
        seed,
        device,
        merging_parameters(parameters),
        None if reduced.valid is None or reduced.valid.all() else reduced.valid,
        on_iteration=on_iteration,
        on_window=on_window,
    )
    if parameters.segments is not None:
        warn_of_few_leaves(hierarchy, parameters.segments)
    found = cut(hierarchy, parameters)
    return found.labels.astype(np.int32), found.facts
