"""PNG pictures with 16 bits a channel and colours or alpha, of which Pillow drops the low byte.

Follows "Portable Network Graphics (PNG) Specification, Third Edition" (W3C, 2025), sections 8 to 11.
"""

import struct
import zlib
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

SIGNATURE = b"\x89PNG\r\n\x1a\n"

_CHANNELS = {2: 3, 4: 2, 6: 4}
_WHOLE = ((0, 0, 1, 1),)
# Adam7: first column and row, steps between columns and rows.
_PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


def has_16_bit_colours(content: bytes) -> bool:
    """Tell whether a file is a PNG with 16 bits a channel and more than one channel."""
    return (
        content.startswith(SIGNATURE)
        and content[12:16] == b"IHDR"
        and content[24:25] == b"\x10"
        and (content[25:26] in (b"\x02", b"\x04", b"\x06"))
    )


def read_size(content: bytes) -> tuple[int, int]:
    """Return the height and width that a PNG declares."""
    width, height = struct.unpack_from(">II", content, 16)
    return height, width


def read_png16(content: bytes) -> NDArray[np.uint16]:
    """Read every bit of a PNG of which `has_16_bit_colours` is true.

    Returns
    -------
    ndarray, (H, W, C) uint16
        C is 2 with grey and alpha, 3 with red, green and blue, 4 with alpha after them.

    Raises
    ------
    ValueError
        If it is broken.
    """
    height, width = read_size(content)
    colour_type, interlaced = content[25], content[28]
    if not height or not width or interlaced > 1:
        raise ValueError("its header is broken")
    channels = _CHANNELS[colour_type]
    picture = np.empty((height, width, channels), np.uint16)
    passes = [each for each in (_PASSES if interlaced else _WHOLE) if each[0] < width and each[1] < height]
    shapes = [(len(range(y, height, dy)), len(range(x, width, dx))) for x, y, dx, dy in passes]
    sizes = [rows * (1 + columns * channels * 2) for rows, columns in shapes]
    data = _inflated(content, sum(sizes))
    for (x, y, dx, dy), shape, start, size in zip(passes, shapes, np.cumsum([0, *sizes]).tolist(), sizes, strict=False):
        lines = np.frombuffer(data, np.uint8, size, start).reshape(shape[0], -1)
        values = _unfiltered(lines[:, 0], lines[:, 1:].reshape(*shape, channels * 2))
        picture[y::dy, x::dx] = values.view(">u2")
    return picture


def _inflated(content: bytes, size: int) -> bytes:
    stream = zlib.decompressobj()
    data = stream.decompress(b"".join(_pieces(content)), size)
    if len(data) < size:
        raise ValueError("it ends too early")
    return data


def _pieces(content: bytes) -> Iterator[bytes]:
    position = len(SIGNATURE)
    while position + 12 <= len(content):
        length, kind = struct.unpack_from(">I4s", content, position)
        end = position + 8 + length
        if (
            end + 4 > len(content)
            or zlib.crc32(content[position + 4 : end]) != struct.unpack_from(">I", content, end)[0]
        ):
            raise ValueError("a part of it is broken")
        if kind == b"IDAT":
            yield content[position + 8 : end]
        if kind == b"IEND":
            return
        position = end + 4
    raise ValueError("it ends too early")


def _unfiltered(filters: NDArray[np.uint8], filtered: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Undo the rows' filters (section 9), along diagonals: a pixel rests on those to its left and above alone."""
    height, width, size = filtered.shape
    if filters.max(initial=0) > 4:
        raise ValueError("it has a filter that isn't known")
    # A row and a column of zeros stand for what is beyond the border.
    done = np.zeros((height + 1, width + 1, size), np.uint8)
    for diagonal in range(height + width - 1):
        rows = np.arange(max(0, diagonal - width + 1), min(height, diagonal + 1))
        columns = diagonal - rows
        left, above = done[rows + 1, columns].astype(np.int16), done[rows, columns + 1].astype(np.int16)
        corner = done[rows, columns].astype(np.int16)
        kind = filters[rows, np.newaxis]
        mean, nearest = (left + above) >> 1, _paeth(left, above, corner)
        predicted = np.select([kind == number for number in (1, 2, 3, 4)], [left, above, mean, nearest])
        done[rows + 1, columns + 1] = filtered[rows, columns] + predicted.astype(np.uint8)
    return np.ascontiguousarray(done[1:, 1:])


def _paeth(left: NDArray[np.int16], above: NDArray[np.int16], corner: NDArray[np.int16]) -> NDArray[np.int16]:
    from_left, from_above, from_corner = abs(above - corner), abs(left - corner), abs(left + above - 2 * corner)
    nearest = np.where(from_above <= from_corner, above, corner)
    return np.where((from_left <= from_above) & (from_left <= from_corner), left, nearest)
