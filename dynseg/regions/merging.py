"""From boundary evidence to a hierarchy: watershed leaves, and the order in which they merge."""

import heapq
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dynseg.hierarchy import Hierarchy, join_parts, number_regions
from dynseg.regions.affinities import with_global_term
from dynseg.regions.boundaries import BoundaryEvidence, colour_memberships, colour_planes
from dynseg.regions.graph import RegionGraph, mixed, region_graph
from dynseg.regions.parts import connected_parts
from dynseg.regions.rarity import pair_rarity

# Chosen on train and val images of BSD500, as are those of `boundaries`.
# Weight of the contrast between neighbouring pixels beside the strength (1) where leaves are found: it places
# boundaries exactly, and so counts for more than in the merging.
LEAF_CONTRAST_WEIGHT = 1.0
# Smaller basins, as shares of the image, are joined to a neighbour before merging begins: this also bounds the number
# of leaves, and so the time and memory of merging, for images of any size.
LEAF_SHARE = 1 / 5000


@dataclass(frozen=True)
class MergingParameters:
    """What makes two neighbouring regions dissimilar.

    The dissimilarity is (mean of (local + `global_weight` x global) / (1 + `global_weight`) along their boundary +
    `colour_weight` x distance of their colour histograms) x min(1, smaller area / `area_share`) ^ `area_power`,
    computed anew at every merge. Local is strength + `contrast_weight` x contrast. Global is how far the eigenvectors
    of the leaves' normalised cut lie apart there: large where a boundary is part of one that divides the image.

    Attributes
    ----------
    rarity_weight : float
        Local is the weighted mean of that and, with this weight, how rare the pair of colours across the boundary is
        in this image; as large as the former in the mean over the image and at most.
    contrast_weight, colour_weight : float
        Both terms are in [0, 1], as the strength is.
    global_weight : float
        The term has the mean over the image of the local one, and its largest possible value.
    area_share : float
        Share of the image from which on a region's area doesn't count: without this factor small strong fragments
        outlive everything.
    area_power : float
    """

    contrast_weight: float = 0.6
    colour_weight: float = 0.6
    rarity_weight: float = 0.5
    global_weight: float = 0.6
    area_share: float = 0.003
    area_power: float = 0.3

    @property
    def largest(self) -> float:
        """The largest possible dissimilarity."""
        return 1 + self.contrast_weight + self.colour_weight


# For covering, Rand index and variation of information, and for people.
REGIONS = MergingParameters()
# Keeps small regions: for the pooled mIOU, where each small segment counts as much as a large one.
DETAILS = MergingParameters(contrast_weight=1.0, colour_weight=1.0, area_share=0.0003, area_power=1.0)


def build_hierarchy(
    image: NDArray[Any],
    evidence: BoundaryEvidence,
    parameters: MergingParameters = REGIONS,
    valid: NDArray[np.bool_] | None = None,
) -> Hierarchy:
    """Return the merging tree of an image from its boundary evidence.

    Parameters
    ----------
    image : ndarray, (H, W, bands), uint8 or float32
        RGB where there are three bands; values of float32 are in [0, 1].
    evidence : BoundaryEvidence
        Of the image, from `dynseg.regions.boundaries.boundary_evidence`.
    parameters : MergingParameters
    valid : ndarray, (H, W), bool, optional
        The pixels that count; by default all. The others are of no leaf and in no sum, and nothing merges across them.
    """
    strength = evidence.strength
    vertical = (strength[:-1] + strength[1:]) / 2
    horizontal = (strength[:, :-1] + strength[:, 1:]) / 2
    leaves = _leaves(
        vertical + LEAF_CONTRAST_WEIGHT * evidence.vertical_contrast,
        horizontal + LEAF_CONTRAST_WEIGHT * evidence.horizontal_contrast,
    )
    if valid is not None:
        leaves = connected_parts(leaves, valid)
    graph = region_graph(
        leaves,
        vertical + parameters.contrast_weight * evidence.vertical_contrast,
        horizontal + parameters.contrast_weight * evidence.horizontal_contrast,
    )
    areas, colours = np.bincount(leaves[leaves >= 0]), _colour_sums(image, leaves)
    if parameters.rarity_weight > 0 and graph.lengths.size:
        rarity = region_graph(leaves, *pair_rarity(image, valid))
        graph = mixed(
            graph,
            (rarity.sums / rarity.lengths)[:, np.newaxis],
            parameters.rarity_weight,
            1 + parameters.contrast_weight,
        )
    graph = with_global_term(graph, areas, colours, parameters.global_weight, 1 + parameters.contrast_weight)
    children, altitudes = _Merging(graph, areas, colours, parameters).run()
    altitudes = np.minimum(altitudes / parameters.largest, 1)
    return Hierarchy(leaves, *join_parts(areas.size, children, altitudes.astype(np.float32)))


def estimate_hierarchy_memory(height: int, width: int) -> int:
    """Estimate the peak memory, in bytes, that `build_hierarchy` takes beside its arguments.

    Parameters
    ----------
    height, width : int
        Of the image, in pixels.
    """
    return _BYTES_PER_PIXEL * height * width


# Higra's graph of pixels and its hierarchy: the peak was 465 at 1600 × 1600 pixels, the evidence included.
_BYTES_PER_PIXEL = 500


def _leaves(vertical: NDArray[np.float32], horizontal: NDArray[np.float32]) -> NDArray[np.int32]:
    """Return watershed basins of at least so many pixels: the area hierarchy of basins, cut at their area."""
    height, width = horizontal.shape[0], vertical.shape[1]
    if height * width == 1:
        return np.zeros((1, 1), np.int32)
    import higra as hg

    graph = hg.get_4_adjacency_graph((height, width))
    sources, targets = graph.edge_list()
    weights = np.empty(sources.size, np.float64)
    down = targets - sources == width
    # With a single column, the pixel to the right would be the one below.
    down = np.ones_like(down) if width == 1 else down
    weights[down] = vertical.ravel()[sources[down]]
    rows, columns = np.divmod(sources[~down], width)
    weights[~down] = horizontal[rows, columns]
    tree, altitudes = hg.watershed_hierarchy_by_area(graph, weights)
    basins = hg.labelisation_horizontal_cut_from_threshold(tree, altitudes, LEAF_SHARE * height * width)
    return number_regions(basins.reshape(height, width))


def _colour_sums(image: NDArray[Any], leaves: NDArray[np.int32]) -> NDArray[np.float32]:
    """Return the sums over each leaf of its pixels' memberships of colour bins, (L, bins), float32."""
    valid = leaves >= 0
    numbers = leaves[valid]
    planes = colour_planes(image)
    sums = [np.bincount(numbers, weights=each[valid]) for each in colour_memberships(planes)]
    return np.stack(sums, axis=1).astype(np.float32) / np.float32(len(planes))


@dataclass
class _Arc:
    """What two neighbouring regions share: sum of strength and length of their boundary, current dissimilarity."""

    strength: float
    length: int
    dissimilarity: float = 0.0


class _Merging:
    """Merges the two least dissimilar neighbours until one region is left.

    Higra's linkages know neither areas nor colours, and its callback for one's own makes quadratic work of a region
    with many neighbours. Here a region keeps its place in the graph when one with fewer neighbours joins it; an entry
    of the heap is valid as long as its arc still has that dissimilarity.

    Parameters
    ----------
    graph : RegionGraph
    areas : ndarray, (L,), int64
        Pixels of each leaf.
    colours : ndarray, (L, bins), float32
        Sums over each leaf's pixels of their memberships of colour bins; changed in place.
    parameters : MergingParameters
    """

    def __init__(
        self,
        graph: RegionGraph,
        areas: NDArray[np.int64],
        colours: NDArray[np.float32],
        parameters: MergingParameters,
    ) -> None:
        self.parameters = parameters
        self.full_area = parameters.area_share * float(areas.sum())
        self.areas = areas.astype(np.float32)
        self.colours = colours
        self.factors = [self._factor(area) for area in areas.tolist()]
        # neighbours[i][j] is neighbours[j][i].
        self.neighbours: list[dict[int, _Arc]] = [{} for _ in range(areas.size)]
        self.heap: list[tuple[float, int, int]] = []
        for (one, other), strength, length in zip(
            graph.pairs.tolist(), graph.sums.tolist(), graph.lengths.tolist(), strict=True
        ):
            self.neighbours[one][other] = self.neighbours[other][one] = _Arc(strength, length)
        for region, neighbours in enumerate(self.neighbours):
            self._renew(region, [other for other in neighbours if other > region])

    def run(self) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
        """Return the merges, (L - 1, 2) int32, and the running maxima of their dissimilarities, (L - 1,) float64."""
        leaf_count = len(self.neighbours)
        nodes = list(range(leaf_count))
        children: list[tuple[int, int]] = []
        altitudes: list[float] = []
        while self.heap:
            dissimilarity, one, other = heapq.heappop(self.heap)
            arc = self.neighbours[one].get(other)
            if arc is None or arc.dissimilarity != dissimilarity:
                continue
            kept, joined = sorted((one, other), key=lambda region: (-len(self.neighbours[region]), region))
            children.append((nodes[kept], nodes[joined]))
            altitudes.append(dissimilarity)
            nodes[kept] = leaf_count + len(children) - 1
            self._join(kept, joined)
        return np.array(children, np.int32).reshape(-1, 2), np.maximum.accumulate(np.array(altitudes, np.float64))

    def _join(self, kept: int, joined: int) -> None:
        of_kept, of_joined = self.neighbours[kept], self.neighbours[joined]
        del of_kept[joined], of_joined[kept]
        for other, arc in of_joined.items():
            del self.neighbours[other][joined]
            if other in of_kept:
                of_kept[other].strength += arc.strength
                of_kept[other].length += arc.length
            else:
                of_kept[other] = self.neighbours[other][kept] = arc
        of_joined.clear()
        self.colours[kept] += self.colours[joined]
        self.areas[kept] += self.areas[joined]
        self.factors[kept] = self._factor(float(self.areas[kept]))
        self._renew(kept, list(of_kept))

    def _renew(self, region: int, others: list[int]) -> None:
        """Compute the dissimilarities of a region and some of its neighbours."""
        if not others:
            return
        histograms = self.colours[others] / self.areas[others, np.newaxis]
        distances = np.abs(histograms - self.colours[region] / self.areas[region]).sum(axis=1) / 2
        factor = self.factors[region]
        for other, distance in zip(others, distances.tolist(), strict=True):
            arc = self.neighbours[region][other]
            unlike = arc.strength / arc.length + self.parameters.colour_weight * distance
            arc.dissimilarity = unlike * min(factor, self.factors[other])
            heapq.heappush(self.heap, (arc.dissimilarity, region, other))

    def _factor(self, area: float) -> float:
        return float(min(1.0, area / self.full_area) ** self.parameters.area_power)
