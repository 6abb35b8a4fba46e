"""The hierarchy of an image that is too large for boundary evidence and watershed in one piece: window by window.

One set of networks, and one set of statistics of colours, is learned from windows all over the image, so that textons
and rarity mean the same everywhere. Evidence is computed in windows that overlap by more than its filters reach, so
that at a pixel it is nearly what it would be in one piece. Leaves are cut where windows meet; two are joined again if
neither of the two windows sees a boundary between them there. What merges then is one graph of all leaves.
"""

import dataclasses
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from dynseg.hierarchy import Hierarchy
from dynseg.regions.boundaries import boundary_evidence
from dynseg.regions.ensemble import Ensemble, at_size
from dynseg.regions.graph import RegionGraph, region_graph
from dynseg.regions.merging import (
    LEAF_CONTRAST_WEIGHT,
    LEAF_SHARE,
    REGIONS,
    MergingParameters,
    colour_sums,
    find_leaves,
    merge_leaves,
    strengths_of_sides,
)
from dynseg.regions.parts import connected_parts
from dynseg.regions.rarity import PairStatistics
from dynseg.training.frozen import FrozenNetwork
from dynseg.training.loop import OnIteration
from dynseg.training.network import initial_network
from dynseg.training.parameters import LARGEST_SEED
from dynseg.training.run import train_network
from dynseg.training.validity import nearest
from dynseg.training.weighting import weight_of

# Pixels along a window's sides, and of the image around it that its evidence is computed with. The widest window of a
# histogram ends after 4 standard deviations of 8 pixels, 10 from the pixel. Multiples of the steps of samples.
WINDOW = 1024
MARGIN = 64
# The images that the methods' constants were chosen on are about this large: leaves are as small as there, and so are
# regions whose area doesn't count against them, unless there would be more leaves than merge in reasonable time.
PICTURE_SIDE = 512
MOST_LEAVES = 50_000
# Windows that networks and statistics learn from, along each side of the image.
SAMPLES_ALONG = 4

Image = NDArray[np.uint8] | NDArray[np.float32]


@dataclass(frozen=True)
class _Textons:
    """Networks that are trained on samples of an image, with their statistics."""

    ensemble: Ensemble
    networks: Sequence[FrozenNetwork]
    device: str

    def label_maps(self, image: Image) -> list[NDArray[np.integer]]:
        height, width = image.shape[:2]
        reduced, _ = at_size(image, None, self.ensemble.applied_size(height, width), self.device)
        return [network.label_map(reduced).cpu().numpy() for network in self.networks]


@dataclass
class _Seams:
    """What two windows see on the sides of pixels between them, along each line of pixels where windows meet.

    Attributes
    ----------
    votes : dict of int to ndarray, (length,), int8
        By the first row or column after the seam: how many of the two windows have one leaf on both sides.
    strengths, rarity : dict of int to ndarray, (length,), float32
    """

    length: int
    votes: dict[int, NDArray[np.int8]] = dataclasses.field(default_factory=dict)
    strengths: dict[int, NDArray[np.float32]] = dataclasses.field(default_factory=dict)
    rarity: dict[int, NDArray[np.float32]] = dataclasses.field(default_factory=dict)

    def vote(self, place: int, along: slice, same: NDArray[np.bool_]) -> None:
        self.votes.setdefault(place, np.zeros(self.length, np.int8))[along] += same

    def measure(
        self, place: int, along: slice, strength: NDArray[np.float32], rarity: NDArray[np.float32] | None
    ) -> None:
        self.strengths.setdefault(place, np.zeros(self.length, np.float32))[along] = strength
        if rarity is not None:
            self.rarity.setdefault(place, np.zeros(self.length, np.float32))[along] = rarity


def windowed_hierarchy(
    image: Image,
    ensemble: Ensemble,
    seed: int,
    device: str = "cpu",
    parameters: MergingParameters = REGIONS,
    valid: NDArray[np.bool_] | None = None,
    *,
    on_iteration: OnIteration | None = None,
    on_window: Callable[[int, int], None] | None = None,
    window: int | None = None,
) -> Hierarchy:
    """Return the hierarchy of an image's regions, from windows of it.

    Parameters
    ----------
    image : ndarray, (H, W, bands), uint8 or float32
        Values of float32 are in [0, 1]. Three bands are RGB.
    ensemble : Ensemble
    seed : int
    device : {"cpu", "cuda"}
    parameters : MergingParameters
    valid : ndarray, (H, W), bool, optional
        The pixels that count, at least one; by default all.
    on_iteration : callable, optional
        Called at every iteration of every network; see `dynseg.training.loop.OnIteration`.
    on_window : callable, optional
        Called after each window with its number from 1, and how many there are.
    window : int, optional
        Pixels along the sides of a window, a multiple of 8; by default `WINDOW`.

    Raises
    ------
    UserError
        If a loss is not finite.
    """
    window = WINDOW if window is None else window
    samples = _samples(image, valid)
    textons = _train(samples, ensemble, seed, device, on_iteration)
    statistics = None
    if parameters.rarity_weight > 0:
        statistics = PairStatistics.of([each for each, _ in samples], [counts for _, counts in samples])
    height, width = image.shape[:2]
    counting = height * width if valid is None else int(np.count_nonzero(valid))
    least_area = _least_area(height, width)
    work = _Work(image, valid, textons, statistics, parameters, least_area, window)
    windows = list(_cores(height, width, window))
    for number, core in enumerate(windows, start=1):
        work.add(*core)
        if on_window is not None:
            on_window(number, len(windows))
    leaves, graph, rarity, areas, colours = work.joined()
    # A share of the image that the constants were chosen on.
    share = min(1.0, least_area / (LEAF_SHARE * counting))
    merging = dataclasses.replace(parameters, area_share=parameters.area_share * share)
    return Hierarchy(leaves, *merge_leaves(graph, rarity, areas, colours, merging))


def estimate_windowed_memory(height: int, width: int, bands: int, itemsize: int) -> int:
    """Estimate the peak memory, in bytes, of `windowed_hierarchy`, its arguments included."""
    of_window = _BYTES_PER_WINDOW_PIXEL * min(height * width, (WINDOW + 2 * MARGIN) ** 2)
    return height * width * (bands * itemsize + 1 + _BYTES_PER_PIXEL) + of_window + MOST_LEAVES * _BYTES_PER_LEAF


# Leaves and the copy that joins them; Higra's graph of a window's pixels; neighbours, histograms and eigenvectors.
_BYTES_PER_PIXEL = 8
_BYTES_PER_WINDOW_PIXEL = 500
_BYTES_PER_LEAF = 8_000


class _Work:
    """The leaves of all windows so far, and the graph between them."""

    def __init__(
        self,
        image: Image,
        valid: NDArray[np.bool_] | None,
        textons: _Textons,
        statistics: PairStatistics | None,
        parameters: MergingParameters,
        least_area: float,
        window: int,
    ) -> None:
        self._image, self._valid = image, valid
        self._textons, self._statistics, self._parameters = textons, statistics, parameters
        self._least_area, self._window = least_area, window
        height, width = image.shape[:2]
        self._leaves = np.full((height, width), -1, np.int32)
        self._count = 0
        self._graphs: list[tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]]] = []
        self._colours: list[NDArray[np.float32]] = []
        self._areas: list[NDArray[np.int64]] = []
        self._below, self._beside = _Seams(width), _Seams(height)

    def add(self, rows: slice, columns: slice) -> None:
        """Find the leaves of a window and the arcs between them."""
        outer = tuple(
            slice(max(0, each.start - MARGIN), min(length, each.stop + MARGIN))
            for each, length in zip((rows, columns), self._leaves.shape, strict=True)
        )
        valid = None if self._valid is None else self._valid[outer]
        if valid is not None and not valid[_inside(rows, columns, outer)].any():
            return
        part = self._image[outer] if valid is None or valid.all() else self._image[outer][nearest(valid)]
        evidence = boundary_evidence(part, self._textons.label_maps(part))
        found = find_leaves(*strengths_of_sides(evidence, LEAF_CONTRAST_WEIGHT), self._least_area)
        local = strengths_of_sides(evidence, self._parameters.contrast_weight)
        rarity = None if self._statistics is None else self._statistics.between(part)
        valid = np.ones(found.shape, np.bool_) if valid is None else valid
        inside = _inside(rows, columns, outer)
        parts = connected_parts(found[inside], valid[inside])
        self._leaves[rows, columns] = np.where(parts >= 0, parts + self._count, -1)
        self._add_graph(parts, local, rarity, inside)
        self._areas.append(np.bincount(parts[parts >= 0]))
        self._colours.append(colour_sums(part[inside], parts, every_bin=True))
        for seams, turned, at, along in (
            (self._below, False, rows, columns),
            (self._beside, True, columns, rows),
        ):
            sides = (found, local[0], None if rarity is None else rarity[0])
            if turned:
                sides = (found.T, local[1].T, None if rarity is None else rarity[1].T)
            offsets = (outer[1].start, outer[0].start) if turned else (outer[0].start, outer[1].start)
            _add_to_seams(seams, at, along, offsets, *sides)
        self._count += int(parts.max()) + 1

    def joined(
        self,
    ) -> tuple[NDArray[np.int32], RegionGraph, NDArray[np.float64] | None, NDArray[np.int64], NDArray[np.float32]]:
        """Return leaves without those that seams cut, their graph, the rarity along arcs, areas and colours."""
        seams = [*self._arcs_of(self._below, False), *self._arcs_of(self._beside, True)]
        pairs, sums, lengths, rarity = (
            np.concatenate(each) for each in zip(*self._graphs, *(arcs[:4] for arcs in seams), strict=True)
        )
        number = np.arange(self._count)
        if seams:
            cut = [arcs[0][2 * arcs[4] >= arcs[2]] for arcs in seams]
            number = _united(self._count, np.concatenate(cut))
        areas = np.bincount(number, np.concatenate(self._areas)).astype(np.int64)
        one, other = number[pairs].T
        small = _weakest_of_small(areas, one, other, sums / lengths, self._least_area if seams else 0)
        again = _united(areas.size, small)
        number, one, other = again[number], again[one], again[other]
        count = int(number.max()) + 1
        for start in range(0, len(self._leaves), self._window):
            strip = self._leaves[start : start + self._window]
            strip[strip >= 0] = number[strip[strip >= 0]]
        areas = np.bincount(number, np.concatenate(self._areas), count).astype(np.int64)
        colours = np.zeros((count, self._colours[0].shape[1]), np.float32)
        np.add.at(colours, number, np.concatenate(self._colours))
        differ = one != other
        codes = np.minimum(one, other)[differ] * count + np.maximum(one, other)[differ]
        arcs, arc_of = np.unique(codes, return_inverse=True)
        sums, lengths, rarity = (
            np.bincount(arc_of, each[differ], arcs.size).astype(np.float64) for each in (sums, lengths, rarity)
        )
        graph = RegionGraph(np.stack(np.divmod(arcs, count), axis=1), sums, lengths.astype(np.int64))
        has_rarity = self._statistics is not None and arcs.size > 0
        return self._leaves, graph, rarity if has_rarity else None, areas, colours

    def _add_graph(self, parts: NDArray[np.int32], local: Any, rarity: Any, inside: tuple[slice, slice]) -> None:
        down, across = (slice(each.start, each.stop - 1) for each in inside)
        places = (down, inside[1]), (inside[0], across)
        graph = region_graph(parts, *(each[place] for each, place in zip(local, places, strict=True)))
        sums = np.zeros_like(graph.sums)
        if rarity is not None:
            sums = region_graph(parts, *(each[place] for each, place in zip(rarity, places, strict=True))).sums
        self._graphs.append((graph.pairs + self._count, graph.sums, graph.lengths, sums))

    def _arcs_of(self, seams: _Seams, turned: bool) -> Iterator[tuple[NDArray[Any], ...]]:
        """Yield the arcs over each seam: pairs, sums, lengths, sums of rarity, and sides where all see one leaf."""
        leaves = self._leaves.T if turned else self._leaves
        for place, strengths in seams.strengths.items():
            one, other = leaves[place - 1].astype(np.int64), leaves[place].astype(np.int64)
            there = (one >= 0) & (other >= 0)
            if not there.any():
                continue
            codes, arc_of, lengths = np.unique(
                one[there] * self._count + other[there], return_inverse=True, return_counts=True
            )
            rarity = seams.rarity.get(place, np.zeros(seams.length, np.float32))
            sums = [np.bincount(arc_of, each[there], codes.size) for each in (strengths, rarity)]
            same = np.bincount(arc_of, seams.votes[place][there] == 2, codes.size)
            yield np.stack(np.divmod(codes, self._count), axis=1), sums[0], lengths, sums[1], same


def _add_to_seams(
    seams: _Seams,
    at: slice,
    along: slice,
    offsets: tuple[int, int],
    found: NDArray[np.int32],
    strengths: NDArray[np.float32],
    rarity: NDArray[np.float32] | None,
) -> None:
    """Note what a window sees at the two seams across its rows (or columns, turned)."""
    inner = slice(along.start - offsets[1], along.stop - offsets[1])
    for place in (at.start, at.stop):
        row = place - offsets[0]
        if not 0 < row < len(found):
            continue
        seams.vote(place, along, found[row - 1, inner] == found[row, inner])
        if place == at.stop or place not in seams.strengths or not seams.strengths[place][along].any():
            seams.measure(place, along, strengths[row - 1, inner], None if rarity is None else rarity[row - 1, inner])


def _inside(rows: slice, columns: slice, outer: tuple[slice, ...]) -> tuple[slice, slice]:
    return (
        slice(rows.start - outer[0].start, rows.stop - outer[0].start),
        slice(columns.start - outer[1].start, columns.stop - outer[1].start),
    )


def _cores(height: int, width: int, window: int) -> Iterator[tuple[slice, slice]]:
    for top in range(0, height, window):
        for left in range(0, width, window):
            yield slice(top, min(top + window, height)), slice(left, min(left + window, width))


def _least_area(height: int, width: int) -> float:
    """Return the least area of a leaf, in pixels: as in a picture of usual size, or more where leaves are too many."""
    return max(LEAF_SHARE * min(height * width, PICTURE_SIDE**2), height * width / MOST_LEAVES)


def _united(count: int, pairs: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return new numbers, from 0 in the order of the old ones, that are the same for those that pairs unite."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    one, other = pairs.reshape(-1, 2).T
    graph = coo_array((np.ones(one.size), (one, other)), shape=(count, count))
    numbers: NDArray[np.int64] = connected_components(graph, directed=False)[1].astype(np.int64)
    return numbers


def _weakest_of_small(
    areas: NDArray[np.int64],
    one: NDArray[np.int64],
    other: NDArray[np.int64],
    strengths: NDArray[np.float64],
    least_area: float,
) -> NDArray[np.int64]:
    """Return each leaf below the least area with the neighbour over its weakest arc, (pairs, 2)."""
    pairs = []
    apart = one != other
    for small, large in ((one, other), (other, one)):
        counts = apart & (areas[small] < least_area) & (areas[large] >= areas[small])
        pairs.append(np.stack([small[counts], large[counts], np.flatnonzero(counts)], axis=1))
    found = np.concatenate(pairs)
    order = np.lexsort((strengths[found[:, 2]], found[:, 0]))
    found = found[order]
    weakest: NDArray[np.int64] = found[np.unique(found[:, 0], return_index=True)[1], :2]
    return weakest


def _samples(image: Image, valid: NDArray[np.bool_] | None) -> list[tuple[Image, NDArray[np.bool_] | None]]:
    """Return windows of an image's usual size, evenly spread, and which of their pixels count; None for all."""
    height, width = image.shape[:2]
    tops, lefts = (_spread(length) for length in (height, width))
    places = [(slice(top, top + PICTURE_SIDE), slice(left, left + PICTURE_SIDE)) for top in tops for left in lefts]
    if valid is not None:
        shares = [float(valid[place].mean()) for place in places]
        half = [place for place, share in zip(places, shares, strict=True) if share >= 0.5]
        places = half or [places[int(np.argmax(shares))]]
        if not valid[places[0]].any():
            row, column = (
                np.argwhere(valid)[0] if valid.size < 1 << 24 else np.unravel_index(valid.argmax(), valid.shape)
            )
            top, left = (
                max(0, min(int(at) - PICTURE_SIDE // 2, length - PICTURE_SIDE))
                for at, length in ((row, height), (column, width))
            )
            places = [(slice(top, top + PICTURE_SIDE), slice(left, left + PICTURE_SIDE))]
    samples: list[tuple[Image, NDArray[np.bool_] | None]] = []
    for place in places:
        counts = None if valid is None or valid[place].all() else valid[place]
        samples.append((image[place] if counts is None else image[place][nearest(counts)], counts))
    return samples


def _spread(length: int) -> list[int]:
    count = min(SAMPLES_ALONG, math.ceil(length / PICTURE_SIDE))
    last = max(0, length - PICTURE_SIDE)
    return sorted({round(last * place / max(1, count - 1)) for place in range(count)})


def _train(
    samples: Sequence[tuple[Image, NDArray[np.bool_] | None]],
    ensemble: Ensemble,
    seed: int,
    device: str,
    on_iteration: OnIteration | None,
) -> _Textons:
    sizes = [image.shape[:2] for image, _ in samples]
    applied = [at_size(*each, ensemble.applied_size(*size), device) for each, size in zip(samples, sizes, strict=True)]
    trained = [
        at_size(*each, ensemble.trained_size(*size), device, rounded=False)
        for each, size in zip(samples, sizes, strict=True)
    ]
    parameters, networks = ensemble.training, []
    with torch.inference_mode(False), torch.enable_grad():
        for number in range(ensemble.networks):
            network_seed = (seed * ensemble.networks + number) % (LARGEST_SEED + 1)
            network = initial_network(
                parameters.components,
                parameters.channels,
                network_seed,
                parameters.initialisation,
                samples[0][0].shape[2],
            ).to(device)
            train_network(
                network,
                [image for image, _ in trained],
                parameters,
                weight_of("fsf", ensemble.mu),
                valid=[counts for _, counts in trained],
                on_iteration=on_iteration,
            )
            networks.append(
                FrozenNetwork.of(network, [image for image, _ in applied], [counts for _, counts in applied])
            )
    return _Textons(ensemble, networks, device)
