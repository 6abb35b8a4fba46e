"""Ultrametric contour maps as hierarchies: the merging tree whose cuts are theirs."""

import numpy as np
from numpy.typing import NDArray

from dynseg.hierarchy import Hierarchy, single_linkage
from dynseg.io.contour_maps import cut_contour_map


def hierarchy_of_contour_map(contour_map: NDArray[np.float64]) -> Hierarchy | None:
    """Return the hierarchy that has the regions of a contour map at every threshold from 0 on.

    Two pixels that are neighbours are joined from the strength of the element between them on, and what is joined to
    the same region is joined: single linkage, a minimum spanning tree of the regions at threshold 0.

    Parameters
    ----------
    contour_map : ndarray, (2 H + 1, 2 W + 1), float64
        As `dynseg.io.predictions.read_contour_map` returns it.

    Returns
    -------
    Hierarchy or None
        With altitudes in float64, as they are in the map. None if regions of the map may be joined elsewhere than
        between neighbouring pixels: if pixels are contours themselves, or a corner or the frame is weaker than the
        contours that meet there.
    """
    if not _joins_neighbours_alone(contour_map):
        return None
    leaves = cut_contour_map(contour_map, 0.0).astype(np.int32) - 1
    pairs, strengths = _arcs(leaves, contour_map)
    children, altitudes = single_linkage(int(leaves.max()) + 1, pairs, strengths)
    return Hierarchy(leaves, children, altitudes)


def _joins_neighbours_alone(contour_map: NDArray[np.float64]) -> bool:
    corners = contour_map[2:-2:2, 2:-2:2]
    beside = np.stack(
        [
            contour_map[1:-3:2, 2:-2:2],
            contour_map[3:-1:2, 2:-2:2],
            contour_map[2:-2:2, 1:-3:2],
            contour_map[2:-2:2, 3:-1:2],
        ]
    )
    frame = [(contour_map[0], contour_map[1]), (contour_map[-1], contour_map[-2])]
    frame += [(contour_map[:, 0], contour_map[:, 1]), (contour_map[:, -1], contour_map[:, -2])]
    return bool(
        (contour_map[1::2, 1::2] == 0).all()
        and (contour_map >= 0).all()
        and (corners >= beside.max(axis=0)).all()
        and all((outer[2:-2:2] >= inner[2:-2:2]).all() for outer, inner in frame)
    )


def _arcs(leaves: NDArray[np.int32], contour_map: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return each pair of neighbouring leaves once, (arcs, 2), and the weakest contour between them, ascending."""
    first = np.concatenate([leaves[:-1].ravel(), leaves[:, :-1].ravel()]).astype(np.int64)
    second = np.concatenate([leaves[1:].ravel(), leaves[:, 1:].ravel()]).astype(np.int64)
    strengths = np.concatenate([contour_map[2:-2:2, 1::2].ravel(), contour_map[1::2, 2:-2:2].ravel()])
    differ = first != second
    pairs = np.sort(np.stack([first[differ], second[differ]], axis=1), axis=1)
    order = np.lexsort((pairs[:, 1], pairs[:, 0], strengths[differ]))
    _, earliest = np.unique(pairs[order], axis=0, return_index=True)
    chosen = order[np.sort(earliest)]
    return pairs[chosen], strengths[differ][chosen]
