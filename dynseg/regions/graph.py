"""The graph of an image's leaves: which are neighbours, and the strength of the arcs between them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class RegionGraph:
    """Pairs of neighbouring leaves, (arcs, 2); the sum of strength along each arc; its length in pixel sides."""

    pairs: NDArray[np.int64]
    sums: NDArray[np.float64]
    lengths: NDArray[np.int64]


def region_graph(
    leaves: NDArray[np.int32], vertical: NDArray[np.float32], horizontal: NDArray[np.float32]
) -> RegionGraph:
    """Return which leaves are neighbours, and the strength of the arcs between them; pixels of leaf -1 have none."""
    ones = np.concatenate([leaves[:-1].ravel(), leaves[:, :-1].ravel()]).astype(np.int64)
    others = np.concatenate([leaves[1:].ravel(), leaves[:, 1:].ravel()]).astype(np.int64)
    strengths = np.concatenate([vertical.ravel(), horizontal.ravel()])
    differ = (ones != others) & (ones >= 0) & (others >= 0)
    count = int(leaves.max()) + 1
    codes = np.minimum(ones, others)[differ] * count + np.maximum(ones, others)[differ]
    arcs, arc_of_side = np.unique(codes, return_inverse=True)
    sums = np.bincount(arc_of_side, strengths[differ], minlength=arcs.size).astype(np.float64)
    return RegionGraph(np.stack(np.divmod(arcs, count), axis=1), sums, np.bincount(arc_of_side, minlength=arcs.size))


def mixed(graph: RegionGraph, terms: NDArray[np.float64], weight: float, largest: float) -> RegionGraph:
    """Mix the mean of terms (arcs, terms) into strengths, each brought to their mean and then cut at the largest."""
    if not graph.lengths.size:
        return graph
    strengths = graph.sums / graph.lengths
    means = np.average(terms, axis=0, weights=graph.lengths)
    if means.min() <= 0:
        return graph
    term = np.minimum(terms * (np.average(strengths, weights=graph.lengths) / means), largest).mean(axis=1)
    return RegionGraph(graph.pairs, (strengths + weight * term) / (1 + weight) * graph.lengths, graph.lengths)
