"""Cuts of a hierarchy whose regions keep their labels, and so their colours, from one cut to the next."""

import dataclasses

import numpy as np
from numpy.typing import NDArray

from dynseg.errors import UserError
from dynseg.hierarchy import Hierarchy
from dynseg.regions.scribbles import cut_by_scribbles
from dynseg.result import UNLABELLED


class StableCuts:
    """Cuts of a hierarchy as label maps from 1, in which a region is called after one of its leaves.

    Where two regions merge, the larger one gives the label. So a cut into one region less changes the label of the
    smaller of two regions, and of nothing else.

    Parameters
    ----------
    hierarchy : Hierarchy

    Examples
    --------
    >>> import numpy as np
    >>> leaves = np.array([[0, 1, 1, 2]], np.int32)
    >>> cuts = StableCuts(Hierarchy(leaves, np.array([[0, 1], [2, 3]], np.int32), np.array([0.25, 0.5])))
    >>> [cuts.into(regions).tolist() for regions in (3, 2, 1)]
    [[[1, 2, 2, 3]], [[2, 2, 2, 3]], [[2, 2, 2, 2]]]
    """

    def __init__(self, hierarchy: Hierarchy) -> None:
        self.hierarchy = hierarchy
        # Where several merges have one altitude, thresholds can't tell them apart; their ranks can.
        ranks = np.arange(1, hierarchy.leaf_count, dtype=np.float64)
        self._ranked = dataclasses.replace(hierarchy, altitudes=ranks)
        self._last = _last_nodes(hierarchy)
        self._first_pixels = np.unique(hierarchy.leaves, return_index=True)[1]

    @property
    def leaf_count(self) -> int:
        """The largest number of regions."""
        return self.hierarchy.leaf_count

    def into(self, regions: int) -> NDArray[np.int32]:
        """Return exactly so many regions, or all leaves if there are fewer: (H, W), int32."""
        merges = max(0, self.leaf_count - regions)
        return self._labels(self._ranked.joined_at(merges))[self.hierarchy.leaves]

    def by_scribbles(self, scribbles: NDArray[np.integer]) -> NDArray[np.int32]:
        """Return the largest regions that hold no two different labels of scribbles.

        Parameters
        ----------
        scribbles : ndarray, (H, W), integer
            Labels from 1; 0 where there is none.

        Returns
        -------
        ndarray, (H, W), int32
            The scribbles' own labels, and larger ones for regions without a scribble.

        Raises
        ------
        UserError
            If the scribbles have another size than the image, no label, or too large ones.

        Examples
        --------
        >>> import numpy as np
        >>> leaves = np.array([[0, 1, 1, 2]], np.int32)
        >>> cuts = StableCuts(Hierarchy(leaves, np.array([[0, 1], [2, 3]], np.int32), np.array([0.25, 0.5])))
        >>> cuts.by_scribbles(np.array([[7, 0, 0, 4]])).tolist()
        [[7, 7, 7, 4]]
        """
        names = self._check_scribbles(scribbles)
        numbers = np.arange(names.size)
        numbers[numbers >= UNLABELLED] += 1
        marked = scribbles > 0
        numbered = np.full(scribbles.shape, UNLABELLED)
        numbered[marked] = numbers[np.searchsorted(names, scribbles[marked])]
        cut = cut_by_scribbles(self.hierarchy, numbered)
        regions = cut.ravel()[self._first_pixels]
        label_of = np.zeros(int(cut.max()) + 1, np.int32)
        label_of[regions] = names[-1] + self._labels(regions)
        label_of[numbers] = names
        return label_of[cut]

    def of_label_map(self, label_map: NDArray[np.integer]) -> NDArray[np.integer]:
        """Return a label map with these labels if it is a cut, or else with its own labels plus one."""
        regions = label_map.ravel()[self._first_pixels]
        is_cut = np.array_equal(regions[self.hierarchy.leaves], label_map)
        return self._labels(regions)[self.hierarchy.leaves] if is_cut else label_map.astype(np.int32) + 1

    def steps(self, positions: int) -> list[int]:
        """Return numbers of regions from 1 to all leaves, evenly spaced by their logarithms before they are rounded.

        Examples
        --------
        >>> import numpy as np
        >>> leaves = np.array([[0, 1, 1, 2]], np.int32)
        >>> cuts = StableCuts(Hierarchy(leaves, np.array([[0, 1], [2, 3]], np.int32), np.array([0.25, 0.5])))
        >>> cuts.steps(4)
        [1, 1, 2, 3]
        """
        numbers: list[int] = np.rint(np.geomspace(1, self.leaf_count, positions)).astype(int).tolist()
        return numbers

    def _labels(self, regions: NDArray[np.integer]) -> NDArray[np.int32]:
        """Return each leaf's label, given the number of the region that it is in."""
        _, numbers = np.unique(regions, return_inverse=True)
        order = np.lexsort((self._last, numbers))
        # Later ones overwrite earlier ones: the leaf that gives its label longest is the last of its region.
        leaf_of = np.empty(int(numbers.max()) + 1, np.int32)
        leaf_of[numbers[order]] = order
        return leaf_of[numbers] + np.int32(1)

    def _check_scribbles(self, scribbles: NDArray[np.integer]) -> NDArray[np.integer]:
        """Return the labels of scribbles, sorted; refuse scribbles that can't be used."""
        size = self.hierarchy.leaves.shape
        if scribbles.shape != size:
            raise UserError(
                f"the scribbles are {scribbles.shape[1]} × {scribbles.shape[0]} pixels and the image {size[1]} × "
                f"{size[0]}: draw them in a labels layer of the image's shape"
            )
        names: NDArray[np.integer] = np.unique(scribbles[scribbles > 0])
        if not names.size:
            raise UserError("the scribbles are empty: paint labels into their layer")
        if names[-1] > np.iinfo(np.int32).max - self.leaf_count:
            raise UserError(f"the scribbles have the label {names[-1]}: use smaller numbers")
        return names.astype(np.int64)


def _last_nodes(hierarchy: Hierarchy) -> NDArray[np.int64]:
    """Return the last node that is called after each leaf, (L,)."""
    count = hierarchy.leaf_count
    areas = np.bincount(hierarchy.leaves.ravel(), minlength=count).tolist()
    names = list(range(count))
    last = np.arange(count)
    for node, (one, other) in enumerate(hierarchy.children.tolist(), start=count):
        areas.append(areas[one] + areas[other])
        names.append(names[one] if areas[one] >= areas[other] else names[other])
        last[names[-1]] = node
    return last
