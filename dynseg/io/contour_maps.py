"""Ultrametric contour maps (Arbeláez et al. 2011), cut into regions as the BSDS benchmark does."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import cc3d
import numpy as np
from numpy.typing import NDArray

from dynseg.io.files import written_aside

# The 99 thresholds of the BSDS benchmark.
CONTOUR_THRESHOLDS = np.arange(1, 100) / 100


def cut_contour_map(contour_map: NDArray[np.floating], threshold: float) -> NDArray[np.unsignedinteger]:
    """Return the regions of an ultrametric contour map whose contours are stronger than a threshold.

    As the BSDS benchmark has it: 8-connected components of `contour_map <= threshold`, of which every second row and
    column from index 1 on are the pixels.

    Parameters
    ----------
    contour_map : ndarray, (2 H + 1, 2 W + 1), floating
    threshold : float

    Returns
    -------
    ndarray, (H, W), unsigned integer
        Regions from 1 on; 0 for pixels that are contours themselves.
    """
    return _regions(contour_map <= threshold)


def cut_at_thresholds(
    contour_map: NDArray[np.floating], thresholds: Iterable[float]
) -> Iterator[NDArray[np.unsignedinteger]]:
    """Yield the regions at each threshold; the same object again where a higher threshold joins no regions.

    Parameters
    ----------
    contour_map : ndarray, (2 H + 1, 2 W + 1), floating
    thresholds : iterable of float
        Ascending.

    Yields
    ------
    ndarray, (H, W), unsigned integer
        As `cut_contour_map`.
    """
    size = -1
    for threshold in thresholds:
        inside = contour_map <= threshold
        # What is below a threshold is below a higher one, so that the same number is the same pixels.
        if np.count_nonzero(inside) != size:
            size = int(np.count_nonzero(inside))
            regions = _regions(inside)
        yield regions


def write_contour_map(path: str | Path, contour_map: NDArray[np.floating]) -> None:
    """Write an ultrametric contour map as the BSDS has them: a MATLAB 5 file with `ucm2`, double, compressed.

    Parameters
    ----------
    path : path
    contour_map : ndarray, (2 H + 1, 2 W + 1), floating

    Raises
    ------
    UserError
        If the file can't be written.
    """
    from scipy.io import savemat

    with written_aside(path) as aside, aside.open("wb") as file:
        savemat(file, {"ucm2": contour_map.astype(np.float64)}, do_compression=True)


def _regions(inside: NDArray[np.bool_]) -> NDArray[np.unsignedinteger]:
    regions = cc3d.connected_components(inside, connectivity=8)
    return np.ascontiguousarray(regions[1::2, 1::2])
