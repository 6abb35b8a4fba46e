"""The same label for the same thing in a series of images that were segmented each alone."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dynseg.errors import UserError
from dynseg.io.files import written_aside
from dynseg.io.hdf5 import smallest_unsigned

MATCHING = "dynseg-match.npz"
"""What a folder of outputs keeps for --resume."""

# Of 0.15 to 0.3, on windows that move over three photographs of BSDS500 train.
_THRESHOLD = 0.2
_COLOUR_SPREAD = 0.1
_OTHER_COLOUR = 0.3
_PLACE_SPREAD = 0.15
# A thing that was hidden, or merged into another, for fewer images keeps its label.
_REMEMBERED = 5
_MAP_SIDE = 512
_MOST_LABELS = 65535


class _Regions(NamedTuple):
    """What is compared of the areas of a label map: n of them, in the order of their first pixels.

    `colours` (n, channels) are means from 0 to 1, `places` (n, 2) centres in shares of the image's diagonal and `areas`
    (n,) shares of the image.
    """

    colours: NDArray[np.float64]
    places: NDArray[np.float64]
    areas: NDArray[np.float64]


@dataclass
class Series:
    """The things that the images of a series have shown so far.

    Attributes
    ----------
    names : list of str
        What the images are called, in order.
    things : _Regions or None
        Every thing as it was seen last; the label of a thing is its place here, from 1.
    seen : ndarray, (things,), int
        The image that showed it last.
    maps : list of ndarray, (h, w), integer
        The last label maps, reduced, the newest last; 0 is what has no label.

    Examples
    --------
    >>> import numpy as np
    >>> series, image = Series(), np.zeros((2, 4, 3))
    >>> image[:, 2:] = 1
    >>> series.match("a", np.array([[0, 0, 1, 1]] * 2), image)[0].tolist()
    [1, 1, 2, 2]
    >>> series.match("b", np.array([[7, 7, 0, 0]] * 2), image)[0].tolist()
    [1, 1, 2, 2]
    """

    names: list[str] = field(default_factory=list)
    things: _Regions | None = None
    seen: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    maps: list[NDArray[np.integer]] = field(default_factory=list)
    _new: int = 0

    @property
    def told(self) -> str:
        """How many things the last image shows, and how many of them are new, in words."""
        shown = int(np.count_nonzero(self.seen == len(self.names) - 1))
        return f"{self._new} of {shown} things are new"

    def match(
        self,
        name: str,
        labels: NDArray[np.integer],
        pixels: NDArray[np.uint8] | NDArray[np.floating],
        valid: NDArray[np.bool_] | None = None,
    ) -> NDArray[np.unsignedinteger]:
        """Return the next image's label map in the labels of the series.

        Each area takes the label of one thing at most and each thing goes to one area at most, so that the sum of their
        similarities is largest (Kuhn 1955, Munkres 1957). The similarity is the mean of two numbers from 0 to 1: the
        share that area and thing have in common of what both cover (IoU), in the image that showed the thing last, less
        if their mean colours differ by far; and how alike they are in mean colour, place and size. What is less similar
        than 0.2 to everything is new.

        Parameters
        ----------
        name : str
        labels : ndarray, (H, W), integer
            In any numbers.
        pixels : ndarray, (H, W, channels), uint8 or floating from 0 to 1
        valid : ndarray, (H, W), bool, optional
            Which pixels have data; by default all. The others become 0.

        Raises
        ------
        UserError
            If the image has another number of channels than those before it, or there are more than 65535 things.
        """
        compact, regions = _describe(labels, pixels, valid)
        if self.things is not None and regions.colours.shape[1] != self.things.colours.shape[1]:
            raise UserError(
                f"it has {regions.colours.shape[1]} channels and the images before it {self.things.colours.shape[1]}: "
                "choose the same with --channels, or segment it apart"
            )
        reduced = _reduced(compact)
        found = self._assigned(regions, reduced)
        known = 0 if self.things is None else len(self.things.areas)
        is_new = found == 0
        self._new = int(np.count_nonzero(is_new))
        found[is_new] = known + 1 + np.arange(self._new)
        if found.max(initial=0) > _MOST_LABELS:
            raise UserError(f"the series has more than {_MOST_LABELS:,} things: segment it in parts, or --scale higher")
        self._remember(name, regions, found, np.concatenate([[0], found])[reduced])
        return smallest_unsigned(np.concatenate([[0], found])[compact])

    def save(self, path: Path) -> None:
        """Write the series to a file.

        Raises
        ------
        UserError
            If it can't be written.
        """
        things = self.things or _Regions(np.zeros((0, 0)), np.zeros((0, 2)), np.zeros(0))
        content: dict[str, Any] = {"names": np.array(json.dumps(self.names)), "seen": self.seen, **things._asdict()}
        content |= {f"map{place}": smallest_unsigned(each) for place, each in enumerate(self.maps)}
        with written_aside(path) as aside:
            np.savez_compressed(aside, **content)

    @classmethod
    def load(cls, path: Path) -> "Series":
        """Read a series from a file that `save` wrote.

        Raises
        ------
        UserError
            If it can't be read.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                names = json.loads(str(file["names"]))
                maps = [file[f"map{place}"] for place in range(min(len(names), _REMEMBERED))]
                things = _Regions(file["colours"], file["places"], file["areas"])
                return cls(names, things if names else None, file["seen"], maps)
        except Exception as error:
            # The reader raises almost anything on broken input.
            raise UserError(f"{path} can't be read ({error}): leave out --resume") from error

    def _assigned(self, regions: _Regions, reduced: NDArray[np.integer]) -> NDArray[np.int64]:
        """Return the label of the thing that each area is, 0 for none."""
        found = np.zeros(len(regions.areas), np.int64)
        if self.things is None:
            return found
        known = np.flatnonzero(self.seen >= len(self.names) - _REMEMBERED)
        things = _Regions(*(each[known] for each in self.things))
        colour, place, size = _differences(things, regions)
        overlap = self._overlap(known, reduced, len(found)) * np.exp(-colour / _OTHER_COLOUR**2 / 2)
        likeness = size * np.exp(-(colour / _COLOUR_SPREAD**2 + place / _PLACE_SPREAD**2) / 2)
        similarity = (overlap + likeness) / 2
        similarity[similarity < _THRESHOLD] = 0
        from scipy.optimize import linear_sum_assignment

        rows, columns = linear_sum_assignment(similarity, maximize=True)
        is_match = similarity[rows, columns] > 0
        found[columns[is_match]] = known[rows[is_match]] + 1
        return found

    def _overlap(self, known: NDArray[np.intp], reduced: NDArray[np.integer], count: int) -> NDArray[np.float64]:
        """Return the IoU of things, each where it was seen last, and areas, (things, areas)."""
        overlap = np.zeros((len(known), count))
        for place, earlier in enumerate(self.maps, start=len(self.names) - len(self.maps)):
            rows = np.flatnonzero(self.seen[known] == place)
            if not len(rows):
                continue
            rank = np.zeros(len(self.seen) + 1, np.int64)
            rank[known[rows] + 1] = np.arange(1, len(rows) + 1)
            codes = rank[_resized(earlier, reduced.shape)] * (count + 1) + reduced
            shape = len(rows) + 1, count + 1
            common = np.bincount(codes.ravel(), minlength=shape[0] * shape[1]).reshape(shape)
            both = common.sum(axis=1, keepdims=True) + common.sum(axis=0, keepdims=True) - common
            overlap[rows] = (common / np.maximum(both, 1))[1:, 1:]
        return overlap

    def _remember(self, name: str, regions: _Regions, found: NDArray[np.int64], reduced: NDArray[np.integer]) -> None:
        known = self.things or _Regions(*(each[:0] for each in regions))
        count = int(max(len(known.areas), found.max(initial=0)))
        grown = []
        for old, new in zip(known, regions, strict=True):
            values = np.zeros((count, *new.shape[1:]))
            values[: len(old)] = old
            values[found - 1] = new
            grown.append(values)
        self.things = _Regions(*grown)
        self.seen = np.pad(self.seen, (0, count - len(self.seen)))
        self.seen[found - 1] = len(self.names)
        self.names.append(name)
        self.maps = [*self.maps, reduced][-_REMEMBERED:]


def in_order(names: Sequence[str]) -> list[int]:
    """Return the places of names in the order of a series: numbers in them count by their values.

    Examples
    --------
    >>> in_order(["t10.png", "t9.png", "a.png"])
    [2, 1, 0]
    """

    def key(place: int) -> list[tuple[bool, int, str]]:
        parts = re.split(r"(\d+)", names[place])
        return [(part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in parts]

    return sorted(range(len(names)), key=key)


def _describe(
    labels: NDArray[np.integer],
    pixels: NDArray[np.uint8] | NDArray[np.floating],
    valid: NDArray[np.bool_] | None,
) -> tuple[NDArray[np.int64], _Regions]:
    """Return the areas of a label map numbered from 1 by their first pixels, 0 without data, and what they are like."""
    height, width = labels.shape
    numbers = labels.astype(np.int64)
    if valid is not None:
        numbers = np.where(valid, numbers, -1)
    found, first, inverse = np.unique(numbers, return_index=True, return_inverse=True)
    order = np.argsort(np.where(found < 0, -1, first))
    rank = np.empty(len(found), np.int64)
    rank[order] = np.arange(len(found)) + (found.min() >= 0)
    compact = rank[inverse].reshape(labels.shape)
    flat = compact.ravel()
    count = int(flat.max()) + 1
    areas = np.bincount(flat, minlength=count)[1:]
    rows: NDArray[Any] = np.broadcast_to(np.arange(height)[:, None], labels.shape)
    columns: NDArray[Any] = np.broadcast_to(np.arange(width), labels.shape)
    diagonal = float(np.hypot(height, width))
    scale = 255.0 if pixels.dtype == np.uint8 else 1.0

    def means(values: NDArray[Any]) -> NDArray[np.float64]:
        total = np.bincount(flat, weights=values.ravel(), minlength=count)[1:]
        return np.asarray(total / np.maximum(areas, 1), np.float64)

    colours = np.stack([means(pixels[:, :, channel]) / scale for channel in range(pixels.shape[2])], axis=1)
    places = np.stack([means(rows), means(columns)], axis=1) / diagonal
    return compact, _Regions(colours, places, areas / labels.size)


def _differences(
    things: _Regions, regions: _Regions
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return how things and areas, (things, areas), differ: by squares in colour and place, by the ratio in size."""
    channels = max(things.colours.shape[1], 1)
    smaller = np.minimum(things.areas[:, None], regions.areas)
    larger = np.maximum(things.areas[:, None], regions.areas)
    return (
        _squared_distances(things.colours, regions.colours) / channels,
        _squared_distances(things.places, regions.places),
        np.sqrt(smaller / larger),
    )


def _squared_distances(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    total = np.zeros((len(first), len(second)))
    for one, other in zip(first.T, second.T, strict=True):
        total += (one[:, None] - other) ** 2
    return total


def _reduced(labels: NDArray[np.integer]) -> NDArray[np.integer]:
    step = -(-max(labels.shape) // _MAP_SIDE)
    return labels[step // 2 :: step, step // 2 :: step]


def _resized(labels: NDArray[np.integer], shape: tuple[int, ...]) -> NDArray[np.integer]:
    if labels.shape == shape:
        return labels
    places = [(np.arange(size) * old + old // 2) // size for size, old in zip(shape, labels.shape, strict=True)]
    resized: NDArray[np.integer] = labels[np.ix_(*places)]
    return resized
