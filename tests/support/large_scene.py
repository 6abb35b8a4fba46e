"""A scene of textured fields of any size, written by windows: its truth is known, and it never lies in memory whole."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

TILE = 256
# Pixels of the scene for one of the map of fields, and the side of the patterns, which repeat.
_COARSE = 8
_PATTERN = 512
_PATTERNS = 8


def write_scene(
    path: Path, side: int, *, bands: int = 3, dtype: str = "uint8", field: int = 600, no_data: int | None = None
) -> None:
    """Write a tiled TIFF (side, side, bands), without compression.

    Parameters
    ----------
    path : path
    side : int
        Pixels along each side.
    bands : int
    dtype : {"uint8", "uint16"}
    field : int
        About how many pixels a field measures along each side.
    no_data : int, optional
        Value of a corner without data, which GDAL's tag says.
    """
    import tifffile

    fields = _Fields(side, bands, field)
    top = np.iinfo(dtype).max / 255

    def tiles() -> Iterator[NDArray[Any]]:
        for y in range(0, side, TILE):
            for x in range(0, side, TILE):
                values = (fields.window(y, x)[1] * top).astype(dtype)
                if no_data is not None:
                    rows, columns = np.ogrid[y : y + TILE, x : x + TILE]
                    values[rows + columns < side // 4] = no_data
                yield values

    extra = [] if no_data is None else [(42113, "s", 0, str(no_data), True)]
    tifffile.imwrite(
        path,
        tiles(),
        shape=(side, side, bands),
        dtype=dtype,
        tile=(TILE, TILE),
        photometric="rgb" if bands == 3 else "minisblack",
        planarconfig="contig",
        extratags=extra,
        bigtiff=True,
        metadata=None,
    )


def scene_truth(side: int, step: int, field: int = 600) -> NDArray[np.int32]:
    """Return the fields at every `step`-th pixel of the scene of `write_scene`."""
    fields = _Fields(side, 1, field)
    rows = []
    for y in range(0, side, TILE):
        row = [fields.window(y, x)[0][:, : min(TILE, side - x)] for x in range(0, side, TILE)]
        offset = -y % step
        rows.append(np.concatenate(row, axis=1)[: min(TILE, side - y)][offset::step, ::step])
    return np.concatenate(rows)


class _Fields:
    def __init__(self, side: int, bands: int, field: int) -> None:
        from scipy.ndimage import gaussian_filter
        from scipy.spatial import cKDTree

        random = np.random.default_rng(0)
        coarse = side // _COARSE + 66
        count = max(4, (side // field) ** 2)
        centres = random.random((count, 2)) * coarse
        places = np.indices((coarse, coarse)).reshape(2, -1).T
        self._fields = cKDTree(centres).query(places)[1].reshape(coarse, coarse).astype(np.int32)
        self._colours = random.integers(50, 200, (count, bands)).astype(np.float32)
        noise = random.standard_normal((_PATTERNS, _PATTERN, _PATTERN)).astype(np.float32)
        smooth = np.stack(
            [gaussian_filter(each, (1 + number % 3, 1 + number // 3), mode="wrap") for number, each in enumerate(noise)]
        )
        self._patterns = smooth / smooth.std(axis=(1, 2), keepdims=True) * 14
        # Boundaries waver, so that none is straight.
        self._waver = gaussian_filter(noise[:2], (0, 12, 12), mode="wrap")
        self._waver *= 10 / self._waver.std()

    def window(self, y: int, x: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Return the fields of a tile, and its values from 0 to 255, (TILE, TILE, bands)."""
        rows, columns = np.arange(y, y + TILE), np.arange(x, x + TILE)
        wrapped = np.ix_(rows % _PATTERN, columns % _PATTERN)
        down, right = (self._waver[axis][wrapped] for axis in (0, 1))
        at_row = ((rows[:, np.newaxis] + down) / _COARSE + 16).astype(np.intp)
        at_column = ((columns + right) / _COARSE + 16).astype(np.intp)
        numbers = self._fields[at_row, at_column]
        pattern = self._patterns[
            numbers % _PATTERNS, (rows % _PATTERN)[:, np.newaxis], (columns % _PATTERN)[np.newaxis]
        ]
        return numbers, np.clip(self._colours[numbers] + pattern[:, :, np.newaxis], 1, 255)
