"""A segmentation hierarchy: connected leaf regions, the order in which they merge, and its cuts."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Hierarchy:
    """A binary merging tree over connected leaf regions.

    The leaves are nodes 0 ... L - 1; the k-th merge makes node L + k.

    Attributes
    ----------
    leaves : ndarray, (H, W), int32
        The leaf of each pixel; every leaf is 4-connected. -1 where a pixel has no data, and is of no region.
    children : ndarray, (L - 1, 2), int32
        The nodes that each merge joins, in the order of merging; they are neighbours.
    altitudes : ndarray, (L - 1,), float32 or float64
        The threshold from which on each merge is done, in [0, 1], not decreasing. Parts that pixels without data keep
        apart are joined at infinity: by no cut.

    Examples
    --------
    >>> import numpy as np
    >>> leaves = np.array([[0, 1, 2]], np.int32)
    >>> hierarchy = Hierarchy(leaves, np.array([[1, 2], [0, 3]], np.int32), np.array([0.25, 0.5]))
    >>> hierarchy.leaf_count, hierarchy.parents.tolist()
    (3, [4, 3, 3, 4, 4])
    """

    leaves: NDArray[np.int32]
    children: NDArray[np.int32]
    altitudes: NDArray[np.floating]

    @property
    def leaf_count(self) -> int:
        """L: the largest number of regions of a cut."""
        return len(self.altitudes) + 1

    @cached_property
    def valid(self) -> NDArray[np.bool_] | None:
        """Which pixels have data, (H, W) bool; None if all have."""
        valid: NDArray[np.bool_] = self.leaves >= 0
        return None if valid.all() else valid

    @cached_property
    def parents(self) -> NDArray[np.int64]:
        """The parent of each node, (2 L - 1,) int64; the root's is itself."""
        parents = np.arange(2 * self.leaf_count - 1)
        parents[self.children.ravel()] = np.repeat(np.arange(self.leaf_count, 2 * self.leaf_count - 1), 2)
        return parents

    def cut_at(self, threshold: float) -> NDArray[np.int32]:
        """Return the regions whose boundaries are stronger than a threshold.

        Parameters
        ----------
        threshold : float
            In units of `altitudes`: from 0 to 1.

        Returns
        -------
        ndarray, (H, W), int32
            4-connected regions, numbered from 0 in the order of their first pixels; from 1 where there are pixels
            without data, which are 0.

        Examples
        --------
        >>> import numpy as np
        >>> leaves = np.array([[0, 1, 2]], np.int32)
        >>> hierarchy = Hierarchy(leaves, np.array([[1, 2], [0, 3]], np.int32), np.array([0.25, 0.5]))
        >>> hierarchy.cut_at(0.3).tolist()
        [[0, 1, 1]]
        """
        return self._after(self.merges_at(threshold))

    def cut_into(self, regions: int) -> NDArray[np.int32]:
        """Return exactly so many regions, or all leaves if there are fewer.

        Cuts into K and K + 1 regions differ by one merge. Parts that pixels without data keep apart stay apart.

        Parameters
        ----------
        regions : int
            At least 1.

        Returns
        -------
        ndarray, (H, W), int32
            As from `cut_at`.

        Raises
        ------
        ValueError
            If `regions` is below 1.

        Examples
        --------
        >>> import numpy as np
        >>> leaves = np.array([[0, 1, 2]], np.int32)
        >>> hierarchy = Hierarchy(leaves, np.array([[1, 2], [0, 3]], np.int32), np.array([0.25, 0.5]))
        >>> hierarchy.cut_into(2).tolist()
        [[0, 1, 1]]
        """
        if regions < 1:
            raise ValueError(f"an image has at least 1 region, not {regions}")
        joined = int(np.count_nonzero(np.isfinite(self.altitudes)))
        return self._after(min(joined, max(0, self.leaf_count - regions)))

    def merges_at(self, threshold: float) -> int:
        """Return how many merges are done at a threshold.

        Examples
        --------
        >>> import numpy as np
        >>> leaves = np.array([[0, 1, 2]], np.int32)
        >>> hierarchy = Hierarchy(leaves, np.array([[1, 2], [0, 3]], np.int32), np.array([0.25, 0.5]))
        >>> hierarchy.merges_at(0.3)
        1
        """
        return int(np.searchsorted(self.altitudes, np.float64(threshold), side="right"))

    def joined_at(self, threshold: float) -> NDArray[np.int64]:
        """Return the region that each leaf belongs to at a threshold, (L,) int64, in any non-negative numbers.

        Examples
        --------
        >>> import numpy as np
        >>> leaves = np.array([[0, 1, 2]], np.int32)
        >>> hierarchy = Hierarchy(leaves, np.array([[1, 2], [0, 3]], np.int32), np.array([0.25, 0.5]))
        >>> hierarchy.joined_at(0.3).tolist()
        [0, 3, 3]
        """
        return self._joined_after(self.merges_at(threshold))

    def threshold_of(self, regions: int) -> float:
        """Return the lowest threshold at which no more than so many regions are left.

        Where several merges have one altitude there may be fewer.

        Examples
        --------
        >>> import numpy as np
        >>> leaves = np.array([[0, 1, 2]], np.int32)
        >>> hierarchy = Hierarchy(leaves, np.array([[1, 2], [0, 3]], np.int32), np.array([0.25, 0.5]))
        >>> hierarchy.threshold_of(2)
        0.25
        """
        merges = min(self.leaf_count - regions, len(self.altitudes))
        return float(self.altitudes[merges - 1]) if merges > 0 else 0.0

    def ucm(self) -> NDArray[np.floating]:
        """Return the ultrametric contour map in the double size of the BSDS benchmark (its `ucm2`).

        The 8-connected components of `ucm <= threshold`, of which every second row and column from index 1 on are
        the pixels, are the regions of `cut_at(threshold)`.

        Returns
        -------
        ndarray, (2 H + 1, 2 W + 1), as `altitudes`
            The altitude at which the regions on the two sides merge, on the elements between pixels, or 1 if no cut
            joins them; the largest of those that meet there, on corners; 0 on pixels. The frame repeats what lies
            inside it.

        Examples
        --------
        >>> import numpy as np
        >>> leaves = np.array([[0, 1, 2]], np.int32)
        >>> hierarchy = Hierarchy(leaves, np.array([[1, 2], [0, 3]], np.int32), np.array([0.25, 0.5]))
        >>> hierarchy.ucm()[1].tolist()
        [0.0, 0.0, 0.5, 0.0, 0.25, 0.0, 0.0]
        """
        height, width = self.leaves.shape
        contours = np.zeros((2 * height + 1, 2 * width + 1), self.altitudes.dtype)
        contours[2:-2:2, 1::2] = self.joining_altitudes(self.leaves[:-1], self.leaves[1:])
        contours[1::2, 2:-2:2] = self.joining_altitudes(self.leaves[:, :-1], self.leaves[:, 1:])
        contours[2:-2:2, 2:-2:2] = np.maximum.reduce(
            [contours[1:-3:2, 2:-2:2], contours[3:-1:2, 2:-2:2], contours[2:-2:2, 1:-3:2], contours[2:-2:2, 3:-1:2]]
        )
        contours[0], contours[-1] = contours[1], contours[-2]
        contours[:, 0], contours[:, -1] = contours[:, 1], contours[:, -2]
        return contours

    def joining_altitudes(self, one: NDArray[np.integer], other: NDArray[np.integer]) -> NDArray[np.floating]:
        """Return the altitude at which each pair of leaves is joined, at most 1; 0 where both are the same leaf.

        A pixel without data, -1, is joined with none, which is 1.
        """
        joined = np.zeros(one.shape, self.altitudes.dtype)
        differ = one != other
        with_data = differ & (one >= 0) & (other >= 0)
        joined[differ & ~with_data] = 1
        if with_data.any():
            import higra as hg

            ancestors = hg.Tree(self.parents).lowest_common_ancestor(
                one[with_data].astype(np.int64), other[with_data].astype(np.int64)
            )
            altitudes = np.where(np.isfinite(self.altitudes), self.altitudes, 1)
            joined[with_data] = altitudes[ancestors - self.leaf_count]
        return joined

    def with_gaps_as_leaf(self) -> "Hierarchy":
        """Return the hierarchy with the pixels without data as one more leaf, which no cut joins; itself if all have.

        For what has no notion of such pixels. The leaf needn't be connected.

        Examples
        --------
        >>> import numpy as np
        >>> hierarchy = Hierarchy(np.array([[0, 1, -1]], np.int32), np.array([[0, 1]], np.int32), np.array([0.5]))
        >>> filled = hierarchy.with_gaps_as_leaf()
        >>> filled.leaves.tolist(), filled.children.tolist(), filled.altitudes.tolist()
        ([[0, 1, 2]], [[0, 1], [3, 2]], [0.5, inf])
        """
        if self.valid is None:
            return self
        if not self.valid.any():
            return Hierarchy(np.zeros_like(self.leaves), self.children, self.altitudes)
        count = self.leaf_count
        children = self.children + (self.children >= count)
        root = 2 * count - 1 if count > 1 else 0
        return Hierarchy(
            np.where(self.valid, self.leaves, count).astype(np.int32),
            np.concatenate([children, [[root, count]]]).astype(np.int32),
            np.append(self.altitudes, self.altitudes.dtype.type(np.inf)),
        )

    def _after(self, merges: int) -> NDArray[np.int32]:
        """Return the regions after so many merges."""
        regions = self._joined_after(merges)
        if self.valid is None:
            return number_regions(regions[self.leaves])
        cut = np.zeros(self.leaves.shape, np.int32)
        cut[self.valid] = number_regions(regions[self.leaves[self.valid]]) + 1
        return cut

    def _joined_after(self, merges: int) -> NDArray[np.int64]:
        """Return the node that stands for each leaf after so many merges."""
        nodes = np.where(self.parents < self.leaf_count + merges, self.parents, np.arange(self.parents.size))
        while not np.array_equal(jumped := nodes[nodes], nodes):
            nodes = jumped
        return nodes[: self.leaf_count]


def number_regions(labels: NDArray[np.integer]) -> NDArray[np.int32]:
    """Number labels from 0 in the order of their first pixels.

    Examples
    --------
    >>> import numpy as np
    >>> number_regions(np.array([[7, 7, 3, 7]])).tolist()
    [[0, 0, 1, 0]]
    """
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    ranks = np.empty(first.size, np.int32)
    ranks[np.argsort(first)] = np.arange(first.size, dtype=np.int32)
    return ranks[inverse].reshape(labels.shape)


def single_linkage(
    leaf_count: int, pairs: NDArray[np.int64], strengths: NDArray[np.floating]
) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """Merge leaves along arcs, weakest first (Kruskal 1956).

    Parameters
    ----------
    leaf_count : int
    pairs : ndarray, (arcs, 2), int64
        Two leaves each, in the order of their strengths.
    strengths : ndarray, (arcs,), float
        Ascending.

    Returns
    -------
    children : ndarray, (merges, 2), int32
    altitudes : ndarray, (merges,), float64

    Examples
    --------
    >>> import numpy as np
    >>> children, altitudes = single_linkage(3, np.array([[1, 2], [0, 2], [0, 1]]), np.array([0.1, 0.4, 0.5]))
    >>> children.tolist(), altitudes.tolist()
    ([[1, 2], [0, 3]], [0.1, 0.4])
    """
    parents = list(range(2 * leaf_count - 1))

    def root(node: int) -> int:
        while parents[node] != node:
            parents[node] = parents[parents[node]]
            node = parents[node]
        return node

    children: list[tuple[int, int]] = []
    altitudes: list[float] = []
    for (first, second), strength in zip(pairs.tolist(), strengths.tolist(), strict=True):
        joined = root(first), root(second)
        if joined[0] != joined[1]:
            parents[joined[0]] = parents[joined[1]] = leaf_count + len(children)
            children.append(joined)
            altitudes.append(strength)
    return np.array(children, np.int32).reshape(-1, 2), np.array(altitudes, np.float64)


def join_parts(
    leaf_count: int, children: NDArray[np.int32], altitudes: NDArray[np.floating]
) -> tuple[NDArray[np.int32], NDArray[np.floating]]:
    """Make one tree of several, whose roots no cut joins: merges at infinity.

    Parameters
    ----------
    leaf_count : int
    children : ndarray, (merges, 2), int32
        Fewer merges than `leaf_count` - 1 if there are several trees.
    altitudes : ndarray, (merges,), float

    Examples
    --------
    >>> import numpy as np
    >>> children, altitudes = join_parts(3, np.array([[0, 2]], np.int32), np.array([0.5]))
    >>> children.tolist(), altitudes.tolist()
    ([[0, 2], [1, 3]], [0.5, inf])
    """
    roots = np.setdiff1d(np.arange(leaf_count + len(children)), children)
    if roots.size < 2:
        return children, altitudes
    nodes = leaf_count + len(children) + np.arange(roots.size - 2)
    joined = np.stack([np.concatenate([roots[:1], nodes]), roots[1:]], axis=1)
    joined.sort(axis=1)
    infinite = np.full(len(joined), np.inf, altitudes.dtype)
    return np.concatenate([children, joined]).astype(np.int32), np.concatenate([altitudes, infinite])
