"""TIFF files that are too large to be read whole: by windows, and reduced while they are read once."""

import dataclasses
import logging
import math
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dynseg.errors import UserError
from dynseg.io.images import MAX_PIXELS, Reading, channels_of, valid_pixels
from dynseg.io.planes import MAX_BYTES, Planes, Refusal, channel_numbers
from dynseg.io.tiff import is_tiff, names_of_channels, no_data_of, pictures_of
from dynseg.io.value_range import say_ranges, scale_values

if TYPE_CHECKING:
    from tifffile import TiffFile, TiffPageSeries

# A tile or strip is decoded whole.
_MOST_SEGMENT_BYTES = 1 << 28
# Rows that are read at once, about.
_ROWS = 256
# The range of values is found from about so many pixels, evenly spread.
_SAMPLES = 2_000_000
_MIN_IS_WHITE, _MIN_IS_BLACK, _RGB, _YCBCR = 0, 1, 2, 6
_JPEG = 7
_SEPARATE = 2
_ALPHA = (1, 2)
_ORIENTATION = 274


@dataclass(frozen=True)
class Reduced:
    """A picture that was reduced by a whole number while it was read.

    Attributes
    ----------
    pixels : ndarray, (h, w, bands), uint8 or float32
        As `dynseg.io.images.Picture` has them. What covers no valid pixel is 0.
    valid : ndarray, (h, w), bool, or None
        Which pixels cover one that has data; None where nothing says that any may not.
    factor : int
        h is the height over this, rounded up.
    note : str
        What was taken, for people.
    """

    pixels: NDArray[Any]
    valid: NDArray[np.bool_] | None
    factor: int
    note: str


class LargeTiff:
    """One picture of a TIFF, of which windows are read.

    Attributes
    ----------
    path : path
    height, width, channels : int
        `channels` without one for opacity.
    """

    def __init__(self, path: Path, file: "TiffFile", series: "TiffPageSeries") -> None:
        page = series.keyframe.aspage()
        self.path, self._file, self._series, self._page = path, file, series, page
        self.height, self.width = page.imagelength, page.imagewidth
        extra = [int(each) for each in page.extrasamples]
        has_alpha = bool(extra) and extra[-1] in _ALPHA and page.samplesperpixel > 1
        self.channels = page.samplesperpixel - has_alpha
        self._has_alpha = has_alpha
        self._own_no_data = no_data_of(page)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width, in pixels."""
        return self.height, self.width

    @property
    def is_colour(self) -> bool:
        """Whether the channels are red, green and blue, or one grey."""
        return self.channels in (1, 3)

    def numbered(self, reading: Reading) -> Reading:
        """Return the same with channels as numbers.

        Raises
        ------
        UserError
            If the file has no channel of a name that was chosen.
        """
        if not any(isinstance(channel, str) for channel in reading.channels or ()):
            return reading
        try:
            numbers = channel_numbers(reading.channels or (), names_of_channels(self._file, self._series))
        except Refusal as refusal:
            raise UserError(f"{self.path} {refusal}") from refusal
        return dataclasses.replace(reading, channels=numbers)

    def declares_gaps(self, reading: Reading) -> bool:
        """Tell whether anything says that pixels may have no data."""
        return bool(self._takes_opacity(reading) or self._own_no_data or reading.no_data is not None)

    def _takes_opacity(self, reading: Reading) -> bool:
        """Tell whether the last channel says which pixels have data: it may, and isn't chosen as a band."""
        return self._has_alpha and self.channels + 1 not in (reading.channels or ())

    def row_blocks(self) -> Iterator[slice]:
        """Yield slices of rows that are read at once without decoding anything twice."""
        step = self._page.tilelength or self._page.rowsperstrip or 1
        step = step * max(1, _ROWS // step) if step < self.height else min(_ROWS, self.height)
        for start in range(0, self.height, step):
            yield slice(start, min(start + step, self.height))

    def read(self, rows: slice, reading: Reading) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """Return some rows, (rows, W, channels) in the numbers of the file, and which of their pixels have data.

        Raises
        ------
        UserError
            If they can't be decoded, or values are no numbers.
        """
        values = self._mapped(rows) if self._page.is_memmappable else self._decoded(rows)
        is_there = values[:, :, -1] > 0 if self._takes_opacity(reading) else None
        no_data = self._own_no_data + (() if reading.no_data is None else (reading.no_data,))
        taken = values if reading.channels is not None else values[:, :, : self.channels]
        planes = Planes(values=taken, is_colour=self.is_colour, no_data=no_data)
        try:
            if reading.channels is not None:
                planes = channels_of(planes, reading.channels)
            valid = valid_pixels(planes)
        except Refusal as refusal:
            raise UserError(f"{self.path} {refusal}") from refusal
        return planes.values, valid if is_there is None else valid & is_there

    def reduce(self, reading: Reading, max_size: int) -> Reduced:
        """Read all of the picture once, and reduce it to at most `max_size` pixels along the longer side.

        Pixels are means over squares of a whole number of the file's, of those that have data. The range of values is
        found from a sample of pixels, or all of them for "minmax".

        Raises
        ------
        UserError
            See `read`.
        """
        factor = math.ceil(max(self.size) / max_size)
        spacing = max(1, math.isqrt(self.height * self.width // _SAMPLES))
        sums = _Sums(self.size, factor)
        samples: list[NDArray[Any]] = []
        for rows in self.row_blocks():
            values, valid = self.read(rows, reading)
            sums.add(rows, values, valid)
            samples.append(values[::spacing, ::spacing][valid[::spacing, ::spacing]])
            if reading.value_range == "minmax" and valid.any():
                inside = values[valid]
                samples.append(np.stack([inside.min(axis=0), inside.max(axis=0)]))
        pixels, has_any = sums.means()
        sample = np.concatenate(samples)[:, np.newaxis]
        ranges = self._ranges(sample, reading)
        scaled = self._scaled(pixels, ranges, keeps_8_bits=sample.dtype == np.uint8)
        scaled[~has_any] = 0
        count = pixels.shape[2]
        notes = [
            f"channels {', '.join(map(str, reading.channels))} of {self.channels}" if reading.channels else "",
            f"{count} channels" if not reading.channels and count not in (1, 3) else "",
            "what is transparent has no data (--channels 1,2,3,4 takes it for a fourth band)"
            if self._takes_opacity(reading) and not reading.channels
            else "",
            say_ranges(ranges) if ranges else "",
        ]
        note = ", ".join(filter(None, notes))
        return Reduced(scaled, has_any if self.declares_gaps(reading) else None, factor, note)

    def _ranges(self, sample: NDArray[Any], reading: Reading) -> tuple[tuple[float, float], ...]:
        count = sample.shape[2]
        is_colour = self.is_colour and reading.channels is None
        if sample.dtype == np.uint8 and reading.value_range in ("auto", "type") and is_colour:
            return ()
        of_type = Planes(values=sample, is_colour=is_colour).of_type
        try:
            _, ranges = scale_values(sample, reading.value_range, of_type=of_type, together=is_colour)
        except Refusal as refusal:
            raise UserError(f"{self.path} {refusal}") from refusal
        return ranges * count if is_colour else ranges

    def _scaled(
        self, pixels: NDArray[np.float32], ranges: Sequence[tuple[float, float]], keeps_8_bits: bool
    ) -> NDArray[Any]:
        """Return values scaled in place to those from 0 to 1, or as 8 bits where there are no ranges."""
        if not ranges and keeps_8_bits:
            scaled: NDArray[Any] = np.rint(pixels).astype(np.uint8)
            scaled = 255 - scaled if self._page.photometric == _MIN_IS_WHITE else scaled
        else:
            for channel, (low, high) in enumerate(ranges):
                pixels[:, :, channel] -= low
                pixels[:, :, channel] /= (high - low) or 1
            scaled = np.clip(pixels, 0, 1, out=pixels)
            scaled = 1 - scaled if self._page.photometric == _MIN_IS_WHITE else scaled
        return np.repeat(scaled, 3, axis=2) if scaled.shape[2] == 1 else scaled

    def _mapped(self, rows: slice) -> NDArray[Any]:
        # Mapped anew each time: what was read before doesn't stay in memory.
        page, dtype = self._page, self._numbers()
        samples = page.samplesperpixel
        is_separate = page.planarconfig == _SEPARATE and samples > 1
        shape = (samples, *self.size) if is_separate else (*self.size, samples)
        mapped = np.memmap(self.path, dtype, "r", offset=page.dataoffsets[0], shape=shape)
        part = mapped[:, rows].transpose(1, 2, 0) if is_separate else mapped[rows]
        return np.ascontiguousarray(part, dtype=dtype.newbyteorder("="))

    def _numbers(self) -> np.dtype[Any]:
        return np.dtype(self._file.byteorder + (self._page.dtype or np.dtype(np.uint8)).char)

    def _decoded(self, rows: slice) -> NDArray[Any]:
        page = self._page
        down, across = page.tilelength or page.rowsperstrip, page.tilewidth or self.width
        rows_of, columns_of = -(-self.height // down), -(-self.width // across)
        planes = page.samplesperpixel if page.planarconfig == _SEPARATE else 1
        values = np.zeros((rows.stop - rows.start, self.width, page.samplesperpixel), page.dtype)
        for plane in range(planes):
            for row in range(rows.start // down, -(-rows.stop // down)):
                for column in range(columns_of):
                    number = (plane * rows_of + row) * columns_of + column
                    segment = self._segment(number)
                    top, left = row * down, column * across
                    first, last = max(top, rows.start), min(top + down, rows.stop)
                    right = min(left + across, self.width)
                    part = segment[first - top : last - top, : right - left]
                    channels = slice(plane, plane + 1) if planes > 1 else slice(None)
                    values[first - rows.start : last - rows.start, left:right, channels] = part
        return values

    def _segment(self, number: int) -> NDArray[Any]:
        """Return a tile or strip, (rows, columns, samples)."""
        page, handle = self._page, self._file.filehandle
        try:
            handle.seek(page.dataoffsets[number])
            segment = page.decode(
                handle.read(page.databytecounts[number]), number, jpegtables=page.jpegtables, _fullsize=True
            )[0]
        except Exception as error:
            # Codecs raise almost anything on broken input.
            if "imagecodecs" in str(error):
                name = getattr(page.compression, "name", str(page.compression))
                raise UserError(
                    f"{self.path} has {name} compression, which needs another package: pip install 'dynseg[tiff]', "
                    "or save it without compression"
                ) from error
            raise UserError(f"{self.path} can't be read ({error}): save it again") from error
        if segment is None:
            # GDAL leaves out tiles of pixels without data.
            fill = self._own_no_data[0] if self._own_no_data else 0
            shape = (page.tilelength or page.rowsperstrip, page.tilewidth or self.width, page.samplesperpixel)
            return np.full(shape, fill, page.dtype)
        decoded: NDArray[Any] = segment[0]
        return decoded


@contextmanager
def large_tiff(path: Path) -> Iterator[LargeTiff | None]:
    """Open a TIFF that is too large to be read whole; None if the file is something else.

    Raises
    ------
    UserError
        If it has several planes, colours or values that aren't read by windows, or tiles that are too large.
    """
    with ExitStack() as stack:
        picture = _picture(path, stack)
        if picture is None:
            stack.close()
        yield picture


def _picture(path: Path, stack: ExitStack) -> LargeTiff | None:
    try:
        with path.open("rb") as start:
            if not is_tiff(start.read(4)):
                return None
        from tifffile import TiffFile

        logging.getLogger("tifffile").addHandler(logging.NullHandler())
        file = stack.enter_context(TiffFile(path))
        series = pictures_of(file)
        page, planes = series[0].keyframe, len(series[0].pages)
    except Exception:
        # The parser raises almost anything on broken input; who reads it whole then says what is wrong.
        return None
    pixels = page.imagelength * page.imagewidth
    if pixels <= MAX_PIXELS and not (planes == 1 and series[0].nbytes > MAX_BYTES):
        return None
    problem = _problem(page, len(series), planes)
    if problem:
        raise UserError(f"{path} is too large to be read whole and {problem}")
    return LargeTiff(path, file, series[0])


def _problem(page: Any, pictures: int, planes: int) -> str:
    """Say why a picture can't be read by windows; empty if it can."""
    if pictures > 1 or planes > 1:
        return "has several planes: save one of them, with its channels as the samples of one page"
    if page.dtype is None or page.dtype.kind not in "biuf" or page.bitspersample % 8:
        return (
            f"has values of the type {page.dtype or 'unknown'}: save whole or floating-point numbers of 8 bits or more"
        )
    is_jpeg = page.photometric == _YCBCR and page.compression == _JPEG
    if page.photometric not in (_MIN_IS_WHITE, _MIN_IS_BLACK, _RGB) and not is_jpeg:
        return "has a palette or other colours: save it as RGB or grey"
    orientation = page.tags.get(_ORIENTATION)
    if orientation is not None and int(orientation.value) != 1:
        return "has an orientation: save it upright"
    if not page.is_memmappable and math.prod(page.chunks) * page.dtype.itemsize > _MOST_SEGMENT_BYTES:
        return "is compressed in one piece: save it in tiles of 256 × 256 pixels"
    return ""


class _Sums:
    """Sums of a picture's pixels over squares, from rows as they come."""

    def __init__(self, size: tuple[int, int], factor: int) -> None:
        self._shape = tuple(-(-length // factor) for length in size)
        self._factor = factor
        self._sums: NDArray[np.float32] | None = None
        self._counts = np.zeros(self._shape, np.float32)

    def add(self, rows: slice, values: NDArray[Any], valid: NDArray[np.bool_]) -> None:
        if self._sums is None:
            self._sums = np.zeros((*self._shape, values.shape[2]), np.float32)
        everything = bool(valid.all())
        place = slice(rows.start // self._factor, (rows.stop - 1) // self._factor + 1)
        self._counts[place] += self._summed(rows, valid.astype(np.float32))
        for channel in range(values.shape[2]):
            plane = values[:, :, channel].astype(np.float32)
            if not everything:
                plane[~valid] = 0
            self._sums[place, :, channel] += self._summed(rows, plane)

    def means(self) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Return the means, (h, w, channels), and where there are any."""
        if self._sums is None:
            raise ValueError("a picture without rows has no means")
        self._sums /= np.maximum(self._counts, 1)[:, :, np.newaxis]
        return self._sums, self._counts > 0

    def _summed(self, rows: slice, plane: NDArray[np.float32]) -> NDArray[np.float32]:
        if self._factor == 1:
            return plane
        starts = np.arange(-(-rows.start // self._factor) * self._factor, rows.stop, self._factor) - rows.start
        starts = starts if starts.size and starts[0] == 0 else np.append(0, starts)
        summed: NDArray[np.float32] = np.add.reduceat(plane, starts, axis=0)
        return np.add.reduceat(summed, np.arange(0, plane.shape[1], self._factor), axis=1)
