"""The global term: how far a normalised cut of the leaves' affinities sets the two sides of an arc apart."""

import numpy as np
from numpy.typing import NDArray

from dynseg.regions.graph import RegionGraph, mixed

# Chosen on train and val images of BSD500.
# The affinity of two neighbouring leaves is their length in common x exp(-strength / (this x mean strength)).
AFFINITY_SCALE = 0.3
# That of two leaves with a neighbour in common is this x square root of the smaller area x exp(-distance of colour
# histograms / the next constant): fragments of a texture that don't touch belong together.
SECOND_RING_WEIGHT = 0.3
SECOND_RING_SCALE = 0.1
# Leaves with more neighbours don't count as one in common: a large one would join thousands of pairs.
_MOST_NEIGHBOURS = 20
# Numbers of the smallest eigenvectors of the normalised cut, each of which gives a term; the global one is their mean.
# So many eigenvectors divide an image into about so many parts.
EIGENVECTORS = (4, 8, 16)
# Shifts the Laplacian, whose smallest eigenvalue is 0, so that it can be inverted.
_SHIFT = 1e-3
_SMALLEST_EIGENVALUE = 1e-6
# For leaves behind walls so strong that nothing of their affinities is left.
_SMALLEST_DEGREE = 1e-9


def with_global_term(
    graph: RegionGraph, areas: NDArray[np.int64], colours: NDArray[np.float32], weight: float, largest: float
) -> RegionGraph:
    """Mix the global term into the strengths of arcs; it is as large as the local one at most, and in the mean.

    Parameters
    ----------
    graph : RegionGraph
        Its strengths are local.
    areas : ndarray, (L,), int64
        Pixels of each leaf.
    colours : ndarray, (L, bins), float32
        Sums over each leaf's pixels of their memberships of colour bins.
    weight, largest : float
        The weight of the term beside the local one, and the largest value that it may have.
    """
    strengths = graph.sums / graph.lengths
    mean = float(np.average(strengths, weights=graph.lengths)) if strengths.size else 0.0
    # An image of two leaves has nothing to divide but the one arc.
    if weight == 0 or mean == 0 or areas.size < 3:
        return graph
    affinities = graph.lengths * np.exp(-strengths / (AFFINITY_SCALE * mean))
    further, further_affinities = _second_ring(graph.pairs, areas, colours)
    vectors = _weighted_eigenvectors(
        np.concatenate([graph.pairs, further]), np.concatenate([affinities, further_affinities]), areas.size
    )
    jumps = np.cumsum(np.abs(vectors[graph.pairs[:, 0]] - vectors[graph.pairs[:, 1]]), axis=1)
    # A graph of few leaves has no more eigenvectors than leaves.
    jumps = jumps[:, np.minimum(EIGENVECTORS, vectors.shape[1]) - 1]
    return mixed(graph, jumps, weight, largest)


def _second_ring(
    pairs: NDArray[np.int64], areas: NDArray[np.int64], colours: NDArray[np.float32]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the pairs of leaves that have a neighbour in common, (P, 2), and their affinities, (P,)."""
    from scipy.sparse import coo_array, diags_array, triu

    one, other = pairs.T
    size = areas.size
    adjacent = coo_array((np.ones(one.size), (one, other)), shape=(size, size)).tocsr()
    adjacent = adjacent + adjacent.T
    between = diags_array((adjacent.sum(axis=1) <= _MOST_NEIGHBOURS).astype(np.float64))
    one, other = triu(adjacent @ between @ adjacent, 1).nonzero()
    histograms = colours / areas.astype(np.float32)[:, np.newaxis]
    distances = np.abs(histograms[one] - histograms[other]).sum(axis=1, dtype=np.float64) / 2
    smaller = np.minimum(areas[one], areas[other])
    affinities = SECOND_RING_WEIGHT * np.sqrt(smaller) * np.exp(-distances / SECOND_RING_SCALE)
    return np.stack([one, other], axis=1).astype(np.int64), affinities


def _weighted_eigenvectors(pairs: NDArray[np.int64], affinities: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    """Return the normalised cut's smallest eigenvectors but the constant one, over the roots of their eigenvalues.

    Returns
    -------
    ndarray, (size, max(EIGENVECTORS) or size - 1 if that is smaller), float64
    """
    from scipy.sparse import coo_array, diags_array, eye_array
    from scipy.sparse.linalg import eigsh

    one, other = pairs.T
    matrix = coo_array(
        (np.tile(affinities, 2), (np.concatenate([one, other]), np.concatenate([other, one]))), shape=(size, size)
    ).tocsr()
    scales = 1 / np.sqrt(matrix.sum(axis=1) + _SMALLEST_DEGREE)
    laplacian = eye_array(size) - diags_array(scales) @ matrix @ diags_array(scales)
    most = max(EIGENVECTORS)
    # Lanczos needs more leaves than it looks for eigenvectors, by a margin.
    if size <= 2 * most + 2:
        values, vectors = np.linalg.eigh(laplacian.toarray())
    else:
        # A fixed start, without symmetry: the same image has the same regions, and a symmetric one all its vectors.
        start = np.random.default_rng(0).random(size)
        values, vectors = eigsh(laplacian.tocsc(), most + 1, sigma=-_SHIFT, v0=start)
    order = np.argsort(values)[1 : most + 1]
    roots = np.sqrt(np.maximum(values[order], _SMALLEST_EIGENVALUE))
    weighted: NDArray[np.float64] = vectors[:, order] * scales[:, np.newaxis] / roots
    return weighted
