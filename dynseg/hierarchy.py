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
        The leaf of each pixel; every leaf is 4-connected.
    children : ndarray, (L - 1, 2), int32
        The nodes that each merge joins, in the order of merging; they are neighbours.
    altitudes : ndarray, (L - 1,), float32 or float64
        The threshold from which on each merge is done, in [0, 1], not decreasing.

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
            4-connected regions, numbered from 0 in the order of their first pixels.

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

        Cuts into K and K + 1 regions differ by one merge.

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
        return self._after(max(0, self.leaf_count - regions))

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
        merges = self.leaf_count - regions
        return float(self.altitudes[merges - 1]) if merges > 0 else 0.0

    def ucm(self) -> NDArray[np.floating]:
        """Return the ultrametric contour map in the double size of the BSDS benchmark (its `ucm2`).

        The 8-connected components of `ucm <= threshold`, of which every second row and column from index 1 on are
        the pixels, are the regions of `cut_at(threshold)`.

        Returns
        -------
        ndarray, (2 H + 1, 2 W + 1), as `altitudes`
            The altitude at which the regions on the two sides merge, on the elements between pixels; the largest of
            those that meet there, on corners; 0 on pixels. The frame repeats what lies inside it.

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
        contours[2:-2:2, 1::2] = self._saliency(self.leaves[:-1], self.leaves[1:])
        contours[1::2, 2:-2:2] = self._saliency(self.leaves[:, :-1], self.leaves[:, 1:])
        contours[2:-2:2, 2:-2:2] = np.maximum.reduce(
            [contours[1:-3:2, 2:-2:2], contours[3:-1:2, 2:-2:2], contours[2:-2:2, 1:-3:2], contours[2:-2:2, 3:-1:2]]
        )
        contours[0], contours[-1] = contours[1], contours[-2]
        contours[:, 0], contours[:, -1] = contours[:, 1], contours[:, -2]
        return contours

    def _saliency(self, one: NDArray[np.int32], other: NDArray[np.int32]) -> NDArray[np.floating]:
        """Return the altitude at which each pair of leaves is joined; 0 where both are the same leaf."""
        saliency = np.zeros(one.shape, self.altitudes.dtype)
        differ = one != other
        if differ.any():
            import higra as hg

            ancestors = hg.Tree(self.parents).lowest_common_ancestor(
                one[differ].astype(np.int64), other[differ].astype(np.int64)
            )
            saliency[differ] = self.altitudes[ancestors - self.leaf_count]
        return saliency

    def _after(self, merges: int) -> NDArray[np.int32]:
        """Return the regions after so many merges."""
        return number_regions(self._joined_after(merges)[self.leaves])

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
