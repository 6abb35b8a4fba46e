"""How rare a pair of colours is in an image: the image's own statistics, by pointwise mutual information."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dynseg.regions.boundaries import colour_planes

# Chosen on train and val images of BSD500.
# Rarity: the image's colours are grouped into so many, and pairs of them counted at these distances in pixels; how much
# rarer a pair is than its two colours beside themselves is the pointwise mutual information (Isola et al. 2014), whose
# joint probability is raised to this power.
PAIR_COLOURS = 24
PAIR_DISTANCES = (2, 4, 6)
PAIR_POWER = 1.25
_PAIR_SIGMA = 1.0
_PAIR_SAMPLES = 5000
_PAIR_PRIOR = 1e-6
_MEANS_ITERATIONS = 15


@dataclass(frozen=True)
class PairStatistics:
    """An image's own statistics of pairs of colours, to be applied to other parts of it.

    Attributes
    ----------
    means : ndarray, (colours, planes), float32
        The colours that pixels are grouped into.
    rarity : ndarray, (colours, colours), float32
        How rare each pair is.
    """

    means: NDArray[Any]
    rarity: NDArray[np.float32]

    @classmethod
    def of(cls, images: Sequence[NDArray[Any]], valid: Sequence[NDArray[np.bool_] | None]) -> "PairStatistics":
        """Return those of several parts of an image together, (H, W, bands) each, and of their pixels that count."""
        pixels = [_pixels(image) for image in images]
        means = _colour_means([_counting(each, counts) for each, counts in zip(pixels, valid, strict=True)])
        joint = np.zeros((len(means), len(means)))
        for each, image, counts in zip(pixels, images, valid, strict=True):
            joint += _count_pairs(_nearest(means, each).reshape(image.shape[:2]), len(means), counts)
        return cls(means, _rarity(joint))

    def between(self, image: NDArray[Any]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return how rare the colours on both sides of each pixel side are; see `pair_rarity`."""
        return _on_sides(_nearest(self.means, _pixels(image)).reshape(image.shape[:2]), self.rarity)


def pair_rarity(
    image: NDArray[Any], valid: NDArray[np.bool_] | None = None
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return how rare the colours on both sides of each pixel side are as a pair: below pixels, and to the right.

    Parameters
    ----------
    image : ndarray, (H, W, bands), uint8 or float32
    valid : ndarray, (H, W), bool, optional
        The pixels that count as colours and in pairs; by default all.
    """
    pixels = _pixels(image)
    means = _colour_means([_counting(pixels, valid)])
    colours = _nearest(means, pixels).reshape(image.shape[:2])
    return _on_sides(colours, _rarity(_count_pairs(colours, len(means), valid)))


def _pixels(image: NDArray[Any]) -> NDArray[np.float32]:
    """Return the smoothed colours of an image, (pixels, planes)."""
    from scipy.ndimage import gaussian_filter

    planes = np.stack([plane.values for plane in colour_planes(image)], axis=-1)
    smoothed: NDArray[np.float32] = gaussian_filter(planes, (_PAIR_SIGMA, _PAIR_SIGMA, 0))
    return smoothed.reshape(-1, planes.shape[2])


def _counting(pixels: NDArray[np.float32], valid: NDArray[np.bool_] | None) -> NDArray[np.float32]:
    return pixels if valid is None else pixels[valid.ravel()]


def _count_pairs(colours: NDArray[np.int32], count: int, valid: NDArray[np.bool_] | None) -> NDArray[np.float64]:
    """Return how often each pair of colours lies at `PAIR_DISTANCES`, (count, count)."""
    joint = np.zeros((count, count))
    for distance in PAIR_DISTANCES:
        ahead, behind = slice(distance, None), slice(None, -distance)
        everything = slice(None)
        for one, other in (
            ((everything, ahead), (everything, behind)),
            ((ahead, everything), (behind, everything)),
            ((ahead, ahead), (behind, behind)),
            ((ahead, behind), (behind, ahead)),
        ):
            codes = colours[one] * count + colours[other]
            codes = codes.ravel() if valid is None else codes[valid[one] & valid[other]]
            pairs = np.bincount(codes, minlength=count**2)
            joint += pairs.reshape(count, count) / distance
    return joint


def _rarity(joint: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return how rare each pair of colours is, from how often it is there."""
    joint = joint + joint.T
    joint = joint / max(joint.sum(), 1.0) + _PAIR_PRIOR
    joint /= joint.sum()
    logs = np.log(joint.sum(axis=1))
    information = PAIR_POWER * np.log(joint) - logs[:, np.newaxis] - logs
    own = np.diag(information)
    rarity: NDArray[np.float32] = np.maximum((own[:, np.newaxis] + own) / 2 - information, 0).astype(np.float32)
    return rarity


def _on_sides(
    colours: NDArray[np.int32], rarity: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    # One pixel away from the side's own two: edges are blurred.
    padded = np.pad(colours, 2, mode="edge")
    vertical = rarity[padded[1:-4, 2:-2], padded[4:-1, 2:-2]]
    horizontal = rarity[padded[2:-2, 1:-4], padded[2:-2, 4:-1]]
    return vertical, horizontal


def _colour_means(counting: Sequence[NDArray[np.float32]]) -> NDArray[Any]:
    """Group a sample of pixels by k-means, and return the means."""
    # SciPy's, since importing scikit-learn takes longer than all of this.
    from scipy.cluster.vq import kmeans2
    from threadpoolctl import threadpool_limits

    spacing = max(1, sum(map(len, counting)) // _PAIR_SAMPLES)
    samples = np.concatenate([pixels[::spacing] for pixels in counting])
    count = min(PAIR_COLOURS, len(np.unique(samples.round(1), axis=0)))
    # The threads' number would change the sums.
    with threadpool_limits(1), warnings.catch_warnings():
        # Fewer colours than asked for are as good.
        warnings.simplefilter("ignore", UserWarning)
        means: NDArray[Any] = kmeans2(samples, count, iter=_MEANS_ITERATIONS, minit="++", rng=0)[0]
    return means


def _nearest(means: NDArray[Any], pixels: NDArray[np.float32]) -> NDArray[np.int32]:
    """Return the nearest mean of each pixel."""
    from scipy.cluster.vq import vq
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        nearest: NDArray[np.int32] = vq(pixels, means)[0]
    return nearest
