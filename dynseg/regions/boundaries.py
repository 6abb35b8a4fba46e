"""Boundary evidence: local histogram differences of learned textons and colour, at several scales and orientations.

Each label map is a map of textons. A pixel lies on a boundary if the histograms of textons and of colour on its two
sides differ (Martin, Fowlkes and Malik 2004; Arbeláez et al. 2011, here without any learned weight): a fragmented
texture has the same histogram on both sides, so its fragments cost nothing. Every constant below was chosen on
train and val images of BSD500.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from skimage.color import rgb2lab

ORIENTATIONS = 8
# Standard deviations, in pixels, of the Gaussian windows that histograms are taken in; finer ones add noise, which the
# contrast between neighbouring pixels makes up for in the place of boundaries.
SIGMAS = (2.0, 4.0, 8.0)
# Distance of the two windows from the pixel, in standard deviations.
OFFSET = 1.25
# Weight of the textons' differences; that of colour is 1.
TEXTON_WEIGHT = 1.8
COLOUR_BINS = 12
# Ranges of L, a and b that the bins divide; colours beyond are counted in the last bin.
COLOUR_RANGES = ((0.0, 100.0), (-60.0, 60.0), (-60.0, 60.0))
# A map is sampled at every 2nd, 4th ... pixel as long as sigma is this many samples or more.
_SAMPLES_PER_SIGMA = 2.0
# Standard deviations where a Gaussian window ends.
_TRUNCATE = 4.0
# Output samples that one product of matrices smooths: larger blocks multiply by more zeros, smaller ones start more.
_BLOCK = 64
# Pixels' difference in CIELAB (CIE76) that counts as full contrast, after smoothing by a Gaussian of this many pixels.
_FULL_CONTRAST = 20.0
_CONTRAST_SIGMA = 0.7
# Less than this is what single precision leaves of a difference of equal histograms.
_ROUNDING = 1e-5
_ROUNDING_LAB = 1e-3
# Pixels of a label map, from its border, that zero padding reaches: one for each 3 × 3 convolution.
_FRAME = 2

Float32Map = NDArray[np.float32]
RGB_BANDS = 3


class ColourPlane(NamedTuple):
    """One coordinate of colour: values (H, W) float32, and the range that its bins divide."""

    values: Float32Map
    low: float
    high: float


@dataclass(frozen=True)
class BoundaryEvidence:
    """How strongly each pixel looks like a boundary.

    Attributes
    ----------
    strength : ndarray, (H, W), float32
        In [0, 1]: the largest over orientations of the mean over scales of half the L1 distance of histograms.
    orientation : ndarray, (H, W), float32
        Direction of the strongest boundary's normal in radians, in [0, π), from the x axis towards the y axis (down).
    vertical_contrast : ndarray, (H - 1, W), float32
        Contrast of colour between each pixel and the one below, in [0, 1].
    horizontal_contrast : ndarray, (H, W - 1), float32
        Contrast of colour between each pixel and the one to its right, in [0, 1].
    """

    strength: Float32Map
    orientation: Float32Map
    vertical_contrast: Float32Map
    horizontal_contrast: Float32Map


def boundary_evidence(
    image: NDArray[Any], label_maps: Sequence[NDArray[np.integer]], sigmas: Sequence[float] = SIGMAS
) -> BoundaryEvidence:
    """Return the boundary evidence of an image and the label maps of networks that were trained on it.

    Parameters
    ----------
    image : ndarray, (H, W, bands), uint8 or float32
        RGB where there are three bands; values of float32 are in [0, 1].
    label_maps : sequence of ndarray, (h, w), integer
        Any number of them, of the image's size or reduced; without one the evidence is colour alone.
    sigmas : sequence of float
        Scales, in pixels of the image.
    """
    shape = image.shape[:2]
    weight = TEXTON_WEIGHT if len(label_maps) else 0.0
    total = (1 + weight) * len(sigmas)
    energy = np.zeros((ORIENTATIONS, *shape), np.float32)
    planes = colour_planes(image)
    for sigma in sigmas:
        _add_differences(energy, colour_memberships(planes), shape, sigma, 1 / (len(planes) * total))
        for labels in label_maps:
            _add_differences(
                energy, _texton_memberships(labels), labels.shape, sigma, weight / (len(label_maps) * total)
            )
    # What is left where both sides are equal is rounding; a uniform area must be one basin.
    energy[energy < _ROUNDING] = 0
    strongest = energy.argmax(axis=0)
    vertical, horizontal = _contrast(image)
    orientation = (strongest * (np.pi / ORIENTATIONS)).astype(np.float32)
    return BoundaryEvidence(np.minimum(energy.max(axis=0), 1), orientation, vertical, horizontal)


def colour_planes(image: NDArray[Any]) -> list[ColourPlane]:
    """Return L, a and b of an RGB image (H, W, 3); the bands of any other, each as if it were L."""
    if image.shape[2] == RGB_BANDS:
        lab = np.moveaxis(rgb2lab(image).astype(np.float32), 2, 0)
        return [ColourPlane(plane, *bounds) for plane, bounds in zip(lab, COLOUR_RANGES, strict=True)]
    bands = np.moveaxis(image, 2, 0) / np.float32(255 if image.dtype == np.uint8 else 1)
    low, high = COLOUR_RANGES[0]
    return [ColourPlane((low + (high - low) * band).astype(np.float32), low, high) for band in bands]


def estimate_evidence_memory(height: int, width: int) -> int:
    """Estimate the peak memory, in bytes, that `boundary_evidence` takes beside its arguments.

    Parameters
    ----------
    height, width : int
        Of the image, in pixels.
    """
    return _BYTES_PER_PIXEL * height * width


# The peak was 117 at 1600 × 1600 pixels: stacks of orientations, and CIELAB in double precision.
_BYTES_PER_PIXEL = 150


def colour_memberships(planes: Sequence[ColourPlane], every_bin: bool = False) -> Iterator[Float32Map]:
    """Yield each pixel's membership of each bin of each plane that isn't empty, or of every bin.

    It falls linearly from 1 at the bin's centre to 0 at the next one's.
    """
    for values, low, high in planes:
        position = np.clip((values - low) / (high - low), 0, 1) * (COLOUR_BINS - 1)
        first, last = (0, COLOUR_BINS - 1) if every_bin else (math.floor(position.min()), math.ceil(position.max()))
        for centre in range(first, last + 1):
            yield np.maximum(1 - np.abs(position - centre), 0)


def _texton_memberships(labels: NDArray[np.integer]) -> Iterator[Float32Map]:
    """Yield each pixel's membership, 0 or 1, of each cluster that isn't empty."""
    labels = _without_frame(labels)
    for label in np.unique(labels):
        yield np.equal(labels, label).astype(np.float32)


def _without_frame(labels: NDArray[np.integer]) -> NDArray[np.integer]:
    """Give the outermost pixels, which the network's zero padding reaches, the labels next to them."""
    inner = labels[tuple(slice(_FRAME, -_FRAME) for _ in labels.shape)]
    return np.pad(inner, _FRAME, mode="edge") if inner.size else labels


def _add_differences(
    energy: Float32Map, maps: Iterator[Float32Map], shape: tuple[int, ...], sigma: float, weight: float
) -> None:
    """Add the differences of histograms, times a weight, to the energy.

    Parameters
    ----------
    energy : ndarray, (orientations, H, W), float32
        Changed in place.
    maps : iterator of ndarray, (h, w), float32
        Each pixel's membership of one bin, at the size of the image or reduced.
    shape : (int, int)
        h and w.
    sigma : float
        Of the windows, in pixels of the image.
    weight : float
    """
    reductions = [size / reduced for size, reduced in zip(energy.shape[1:], shape, strict=True)]
    sigma /= max(reductions)
    step = _step(sigma)
    differences = _differences(maps, shape, sigma, step)
    rows, columns = (
        _positions(size, samples, step * reduction)
        for size, samples, reduction in zip(energy.shape[1:], differences.shape[1:], reductions, strict=True)
    )
    for total, each in zip(energy, differences, strict=True):
        total += np.float32(weight) * _interpolated(_interpolated(each, *rows).T, *columns).T


def _differences(maps: Iterator[Float32Map], shape: tuple[int, ...], sigma: float, step: int) -> Float32Map:
    """Return half the L1 distance of the histograms on both sides of every step-th pixel, for each orientation.

    Parameters
    ----------
    maps : iterator of ndarray, (H, W), float32
        Each pixel's membership of one bin.
    shape : (int, int)
        H and W.
    sigma : float
        Of the windows, in pixels.
    step : int
        Pixels between two samples.

    Returns
    -------
    ndarray, (orientations, ceil(H / step), ceil(W / step)), float32
    """
    height, width = (-(-size // step) for size in shape)
    offsets = _offsets(OFFSET * sigma / step)
    margin = max(max(map(abs, offset)) for offset in offsets)
    sums = {offset: np.zeros((height, width), np.float32) for offset in offsets}
    difference = np.empty((height, width), np.float32)
    for membership in maps:
        padded = np.pad(_smoothed(membership, sigma, step), margin, mode="edge")
        for (down, right), total in sums.items():
            ahead = padded[margin + down : margin + down + height, margin + right : margin + right + width]
            behind = padded[margin - down : margin - down + height, margin - right : margin - right + width]
            np.subtract(ahead, behind, out=difference)
            np.abs(difference, out=difference)
            total += difference
    return np.stack([sums[offset] for offset in offsets]) * np.float32(0.5)


def _step(sigma: float) -> int:
    return int(2 ** max(0, math.floor(math.log2(sigma / _SAMPLES_PER_SIGMA))))


def _offsets(radius: float) -> list[tuple[int, int]]:
    """Return the shift, down and right, to one of the two windows at each orientation; at least one sample."""
    angles = [math.pi * index / ORIENTATIONS for index in range(ORIENTATIONS)]
    radius = max(radius, 1.0)
    return [(round(radius * math.sin(angle)), round(radius * math.cos(angle))) for angle in angles]


def _smoothed(values: Float32Map, sigma: float, step: int) -> Float32Map:
    """Return a map smoothed by a Gaussian and sampled at the centre of every block of step pixels."""
    return _smoothed_rows(_smoothed_rows(values, sigma, step).T, sigma, step).T


def _smoothed_rows(values: Float32Map, sigma: float, step: int) -> Float32Map:
    """Smooth along the first axis by products with blocks of a banded matrix, faster than any filter of the field."""
    size = values.shape[0]
    samples = -(-size // step)
    reach = math.ceil(_TRUNCATE * sigma) + step
    out = np.empty((samples, values.shape[1]), np.float32)
    for start in range(0, samples, _BLOCK):
        stop = min(start + _BLOCK, samples)
        first, last = max(0, start * step - reach), min(size, stop * step + reach)
        np.matmul(_gaussian(start, stop, step, first, last, sigma), values[first:last], out=out[start:stop])
    return out


@lru_cache(maxsize=512)
def _gaussian(start: int, stop: int, step: int, first: int, last: int, sigma: float) -> Float32Map:
    """Return the weights (stop - start, last - first) of pixels first ... last in samples start ... stop."""
    centres = np.arange(start, stop) * step + (step - 1) / 2
    distances = (np.arange(first, last) - centres[:, np.newaxis]) / sigma
    weights = np.where(np.abs(distances) <= _TRUNCATE, np.exp(-(distances**2) / 2), 0)
    normalised: Float32Map = (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
    return normalised


def _positions(size: int, samples: int, spacing: float) -> tuple[NDArray[np.intp], Float32Map]:
    """Return each pixel's lower sample, and how far it is on the way to the next one.

    Sample k lies at the centre of the pixels k * spacing ... (k + 1) * spacing.
    """
    position = np.clip((np.arange(size) + 0.5) / spacing - 0.5, 0, samples - 1)
    lower = np.minimum(position.astype(np.intp), max(samples - 2, 0))
    return lower, (position - lower).astype(np.float32)


def _interpolated(values: Float32Map, lower: NDArray[np.intp], share: Float32Map) -> Float32Map:
    if not share.any():
        return np.asarray(values[lower])
    upper = np.minimum(lower + 1, values.shape[0] - 1)
    between: Float32Map = values[lower] * (1 - share[:, np.newaxis]) + values[upper] * share[:, np.newaxis]
    return between


def _contrast(image: NDArray[Any]) -> tuple[Float32Map, Float32Map]:
    """Return the contrast, in [0, 1], between each pixel and those below and to the right."""
    channels = np.moveaxis(image, 2, 0) / np.float32(255 if image.dtype == np.uint8 else 1)
    smooth = np.stack([_smoothed(channel, _CONTRAST_SIGMA, 1) for channel in channels], axis=-1)
    planes = np.stack([plane.values for plane in colour_planes(np.clip(smooth, 0, 1))])
    # The distance in CIELAB; of other bands the root of their mean square.
    share = np.float32(1 if len(planes) == RGB_BANDS else 1 / len(planes))
    vertical, horizontal = (np.sqrt(share * (np.diff(planes, axis=axis) ** 2).sum(axis=0)) for axis in (1, 2))
    vertical[vertical < _ROUNDING_LAB], horizontal[horizontal < _ROUNDING_LAB] = 0, 0
    return np.minimum(vertical / _FULL_CONTRAST, 1), np.minimum(horizontal / _FULL_CONTRAST, 1)
