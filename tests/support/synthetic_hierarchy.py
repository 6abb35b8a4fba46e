"""An image of coloured tiles with a binary partition tree over them, made from a seed."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class SyntheticHierarchy:
    """What `dynseg.viewer.data.hierarchy_data` is given, and what it must show."""

    image: NDArray[np.uint8]
    leaves: NDArray[np.int32]
    parents: NDArray[np.int64]
    altitudes: NDArray[np.float64]

    @property
    def arrays(self) -> tuple[NDArray, NDArray, NDArray, NDArray]:
        return self.image, self.leaves, self.parents, self.altitudes

    def labels(self, regions: int) -> NDArray[np.int64]:
        """Make the first n − K merges, one after another."""
        count = (len(self.parents) + 1) // 2
        groups = {leaf: {leaf} for leaf in range(count)}
        for node in range(count, 2 * count - regions):
            children = [child for child in groups if self.parents[child] == node]
            groups[node] = set().union(*(groups.pop(child) for child in children))
        labels = np.empty(count, dtype=np.int64)
        for label, members in enumerate(groups.values()):
            labels[list(members)] = label
        return labels[self.leaves]

    def mean_colours(self, regions: int) -> NDArray[np.float64]:
        """Return (H, W, 3): the mean of the image in the region of every pixel."""
        labels = self.labels(regions)
        sums = [np.bincount(labels.ravel(), weights=self.image[:, :, band].ravel()) for band in range(3)]
        return (np.stack(sums, axis=1) / np.bincount(labels.ravel())[:, np.newaxis])[labels]


def synthetic_hierarchy(seed: int, tiles: tuple[int, int], tile_sides: tuple[int, int]) -> SyntheticHierarchy:
    """Merge neighbouring tiles of random colours in a random order.

    `tiles` is their number (down, across), `tile_sides` their (height, width) in pixels.
    """
    rng = np.random.default_rng(seed)
    count = tiles[0] * tiles[1]
    grid = np.arange(count).reshape(tiles)
    leaves = np.repeat(np.repeat(grid, tile_sides[0], axis=0), tile_sides[1], axis=1).astype(np.int32)
    colours = rng.integers(0, 256, (count, 3), dtype=np.uint8)
    noise = rng.integers(0, 8, (*leaves.shape, 3), dtype=np.uint8)
    image = np.minimum(colours[leaves], 247) + noise
    pairs = np.concatenate(
        [
            np.stack([grid[:, :-1].ravel(), grid[:, 1:].ravel()], axis=1),
            np.stack([grid[:-1].ravel(), grid[1:].ravel()], axis=1),
        ]
    )
    parents = np.arange(2 * count - 1)
    node = count
    for pair in rng.permutation(pairs):
        first, second = (_root(parents, leaf) for leaf in pair)
        if first != second:
            parents[[first, second]] = node
            node += 1
    altitudes = np.concatenate([np.zeros(count), np.sort(rng.random(count - 1))])
    return SyntheticHierarchy(image, leaves, parents, altitudes)


def _root(parents: NDArray[np.int64], node: int) -> int:
    while parents[node] != node:
        node = parents[node]
    return node
