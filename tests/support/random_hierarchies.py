"""Random hierarchies for property tests."""

import numpy as np
from hypothesis import strategies
from numpy.typing import NDArray

from dynseg.hierarchy import Hierarchy
from dynseg.metrics import connected_components

# Multiples of a hundredth, where ties with thresholds happen.
STRENGTHS = 100


@strategies.composite
def hierarchies(draw: strategies.DrawFn, max_side: int = 7) -> Hierarchy:
    """Neighbouring leaves, merged in a random order."""
    shape = draw(strategies.tuples(strategies.integers(1, max_side), strategies.integers(1, max_side)))
    random = np.random.default_rng(draw(strategies.integers(0, 1 << 32)))
    return hierarchy_over(random, random.integers(0, 4, shape))


def hierarchy_over(random: np.random.Generator, labels: NDArray[np.integer]) -> Hierarchy:
    """Return a hierarchy whose leaves are the connected regions of a label map."""
    leaves = connected_components(labels).astype(np.int32) - 1
    children = _merges(random, leaves)
    altitudes = np.sort(random.integers(0, STRENGTHS + 1, len(children))) / STRENGTHS
    return Hierarchy(leaves, children, altitudes)


def _merges(random: np.random.Generator, leaves: NDArray[np.int32]) -> NDArray[np.int32]:
    nodes = leaves.copy()
    count = int(leaves.max()) + 1
    children = []
    for node in range(count, 2 * count - 1):
        first = np.concatenate([nodes[:-1].ravel(), nodes[:, :-1].ravel()])
        second = np.concatenate([nodes[1:].ravel(), nodes[:, 1:].ravel()])
        pairs = np.stack([first, second], axis=1)[first != second]
        pair = pairs[random.integers(len(pairs))]
        nodes[np.isin(nodes, pair)] = node
        children.append(pair)
    return np.array(children, np.int32).reshape(-1, 2)
