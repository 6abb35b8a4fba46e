"""Colours for label maps: far apart for every reader, far from the neighbours', the same for a cluster in every map."""

from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from dynseg.metrics.relabelling import relabel

PALETTE_SIZE = 32
VOID = 255
VOID_COLOUR = (226, 226, 226)
BOUNDARY_COLOUR = (255, 0, 200)

# A region of an earlier map passes its colour on to a cluster that it overlaps at least this much (IoU).
_SAME_CLUSTER = 0.25
# CIEDE2000 difference below which two adjoining areas are hard to tell apart in a small picture.
_CLEARLY_DIFFERENT = 12.0

# Machado, Oliveira and Fernandes (2009), severity 1.0, for linear RGB: protanopia, deuteranopia, tritanopia.
_COLOUR_BLINDNESS = np.array(
    [
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
    ]
)


# Each colour is as far as possible from those before it, among colours of medium lightness and chroma: farthest-point
# selection by `perceived_differences`, which tests/figures/test_palette.py repeats.
_COLOURS = """
    2776b1 d8d827 b10000 00ebeb eb8989 891462 c489ff 76894e
    274e3b c4ebc4 3b3bb1 009db1 9d6276 ebc489 c46200 27c49d
    c49d00 62623b 8962eb 89b1d8 766289 c41462 890027 b1b162
    007662 d8629d ffc4eb 3b4e76 eb4e4e c4b1ff 89d8c4 7689d8
"""


@cache
def distinct_colours() -> NDArray[np.uint8]:
    """Return the palette, each colour as far as possible from those before it.

    Returns
    -------
    ndarray, (32, 3) uint8
        sRGB colours.
    """
    return np.array([list(bytes.fromhex(colour)) for colour in _COLOURS.split()], dtype=np.uint8)


@cache
def colour_differences() -> NDArray[np.float64]:
    """Return how different the palette's colours look: `perceived_differences`, (32, 32) float64."""
    return perceived_differences(distinct_colours(), distinct_colours())


def perceived_differences(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return how different colours look, to readers of every kind of colour vision.

    The CIEDE2000 difference that most readers see, or 1.7 times the smallest one that a reader sees whose colour
    vision is protanopic, deuteranopic or tritanopic (Machado et al. 2009), whichever is smaller.

    Parameters
    ----------
    first : ndarray, (n, 3) uint8
    second : ndarray, (m, 3) uint8
        sRGB colours.

    Returns
    -------
    ndarray, (n, m) float64
    """
    from skimage.color import deltaE_ciede2000

    differences: NDArray[np.float64] = deltaE_ciede2000(_as_seen(first)[:, :, None], _as_seen(second)[:, None])
    # With equal weights, what few readers see would leave only muddy colours to all.
    shown: NDArray[np.float64] = np.minimum(differences[0], 1.7 * differences[1:].min(axis=0))
    return shown


def adjacent_labels(labels: NDArray[np.integer]) -> NDArray[np.integer]:
    """Return the pairs of labels that meet along at least one side of a pixel.

    Parameters
    ----------
    labels : ndarray, (H, W), integer
        Label map.

    Returns
    -------
    ndarray, (pairs, 2)
        Unordered pairs, the smaller label first, sorted.
    """
    found, compact = relabel(labels)
    pairs = []
    for first, second in ((compact[:, :-1], compact[:, 1:]), (compact[:-1], compact[1:])):
        differs = first != second
        pairs.append(np.stack([first[differs], second[differs]]))
    smaller, larger = np.sort(np.concatenate(pairs, axis=1), axis=0)
    codes = np.unique(smaller * len(found) + larger)
    return np.stack([found[codes // len(found)], found[codes % len(found)]], axis=1)


def assign_colours(
    labels: NDArray[np.integer], earlier: Sequence[NDArray[np.uint8]] = (), void: int | None = None
) -> NDArray[np.uint8]:
    """Choose a palette colour for every cluster of a label map.

    A cluster that overlaps an area of one colour in the `earlier` maps takes that colour (one to one, the total
    IoU being largest). The others choose by size, the largest first: a colour that is clearly different from the
    neighbours' colours, then one that is rare in this map, then one that is rare in the earlier maps, then the
    one farthest from the neighbours' colours.

    Parameters
    ----------
    labels : ndarray, (H, W), integer
        Label map.
    earlier : sequence of ndarray, (H, W) uint8
        Results of this function for other label maps of the same image, the most trusted first.
    void : int, optional
        Label of pixels that belong to no cluster.

    Returns
    -------
    ndarray, (H, W) uint8
        Each pixel's index into `distinct_colours`; 255 where the label is `void`.

    Examples
    --------
    >>> import numpy as np
    >>> first = assign_colours(np.array([[4, 4, 9, 9]]))
    >>> first.tolist()
    [[0, 0, 1, 1]]
    >>> assign_colours(np.array([[1, 1, 0, 0]]), [first]).tolist()
    [[0, 0, 1, 1]]
    """
    found, compact = relabel(labels)
    areas = np.bincount(compact.ravel(), minlength=len(found))
    void_clusters = np.flatnonzero(found == void) if void is not None else np.array([], dtype=int)

    colours = _inherited_colours(compact, len(found), earlier)
    colours[void_clusters] = VOID
    neighbours: list[list[int]] = [[] for _ in found]
    for first, second in adjacent_labels(compact):
        neighbours[first].append(second)
        neighbours[second].append(first)

    inherited = colours[colours >= 0]
    uses = np.bincount(inherited[inherited < PALETTE_SIZE], minlength=PALETTE_SIZE)
    earlier_uses = np.zeros(PALETTE_SIZE, dtype=int)
    for painted in earlier:
        earlier_uses += np.bincount(painted.ravel(), minlength=VOID + 1)[:PALETTE_SIZE] > 0
    for cluster in np.argsort(-areas, kind="stable"):
        if colours[cluster] >= 0:
            continue
        around = {int(colours[n]) for n in neighbours[cluster] if 0 <= colours[n] < PALETTE_SIZE}
        difference = colour_differences()[sorted(around)].min(axis=0, initial=100.0)
        choice = np.lexsort((-difference, earlier_uses, uses, difference < _CLEARLY_DIFFERENT))[0]
        if difference[choice] < _CLEARLY_DIFFERENT:
            choice = difference.argmax()
        colours[cluster] = choice
        uses[choice] += 1
    return colours.astype(np.uint8)[compact]


def paint(painted: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Turn palette indices, as `assign_colours` returns them, into a picture.

    Parameters
    ----------
    painted : ndarray, (H, W) uint8
        Indices into `distinct_colours`, 255 for void.

    Returns
    -------
    ndarray, (H, W, 3) uint8
        sRGB picture; void is light grey.
    """
    return colour_table()[painted]


@cache
def colour_table() -> NDArray[np.uint8]:
    """Return the palette filled up to 256 entries, light grey (void) after the last colour, (256, 3) uint8."""
    table = np.full((256, 3), VOID_COLOUR, dtype=np.uint8)
    table[:PALETTE_SIZE] = distinct_colours()
    return table


def mean_colours(image: NDArray[np.uint8], labels: NDArray[np.integer], void: int | None = None) -> NDArray[np.uint8]:
    """Paint every cluster in the mean colour of its pixels.

    Parameters
    ----------
    image : ndarray, (H, W, 3) uint8
        Photograph.
    labels : ndarray, (H, W), integer
        Label map.
    void : int, optional
        Label of pixels that belong to no cluster; they become light grey.

    Returns
    -------
    ndarray, (H, W, 3) uint8
        sRGB picture.
    """
    found, compact = relabel(labels)
    compact = compact.ravel()
    areas = np.bincount(compact)
    channels = [np.bincount(compact, weights=image[..., channel].ravel()) / areas for channel in range(3)]
    table = np.stack(channels, axis=1).round().astype(np.uint8)
    if void is not None:
        table[found == void] = VOID_COLOUR
    return table[compact].reshape(image.shape)


def draw_boundaries(image: NDArray[np.uint8], labels: NDArray[np.integer], width: int = 1) -> NDArray[np.uint8]:
    """Draw the boundaries of a label map over the photograph.

    Parameters
    ----------
    image : ndarray, (H, W, 3) uint8
        Photograph.
    labels : ndarray, (H, W), integer
        Label map.
    width : int
        Width of the lines in pixels.

    Returns
    -------
    ndarray, (H, W, 3) uint8
        sRGB picture.
    """
    lines = np.zeros(labels.shape, dtype=bool)
    lines[:, :-1] |= labels[:, :-1] != labels[:, 1:]
    lines[:-1] |= labels[:-1] != labels[1:]
    if width > 1:
        from skimage.morphology import dilation, footprint_rectangle

        lines = dilation(lines, footprint_rectangle((width, width)))
    return np.where(lines[..., None], np.array(BOUNDARY_COLOUR, dtype=np.uint8), image)


def _as_seen(colours: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return the CIELAB coordinates of colours, (n, 3), for each kind of colour vision: (4, n, 3)."""
    srgb = colours / 255
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    blind = np.clip(np.einsum("vij,nj->vni", _COLOUR_BLINDNESS, linear), 0, 1)
    blind = np.where(blind <= 0.0031308, blind * 12.92, 1.055 * blind ** (1 / 2.4) - 0.055)
    from skimage.color import rgb2lab

    lab: NDArray[np.float64] = rgb2lab(np.concatenate([srgb[None], blind]))
    return lab


def _inherited_colours(
    compact: NDArray[np.integer], clusters: int, earlier: Sequence[NDArray[np.uint8]]
) -> NDArray[np.int64]:
    """Return the colours that clusters take over from the same area in earlier maps; -1 for the others."""
    colours = np.full(clusters, -1)
    if not earlier:
        return colours
    from scipy.optimize import linear_sum_assignment

    total = np.zeros((clusters, PALETTE_SIZE))
    largest = np.zeros((clusters, PALETTE_SIZE))
    for painted in earlier:
        codes = compact.ravel() * (VOID + 1) + painted.ravel()
        overlap = np.bincount(codes, minlength=clusters * (VOID + 1)).reshape(clusters, VOID + 1)
        union = overlap.sum(axis=1, keepdims=True) + overlap.sum(axis=0, keepdims=True) - overlap
        iou = (overlap / union)[:, :PALETTE_SIZE]
        total += iou
        largest = np.maximum(largest, iou)
    for cluster, colour in zip(*linear_sum_assignment(total, maximize=True), strict=True):
        if largest[cluster, colour] >= _SAME_CLUSTER:
            colours[cluster] = colour
    return colours
