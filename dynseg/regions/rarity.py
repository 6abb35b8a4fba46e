"""How rare a pair of colours is in an image: the image's own statistics, by pointwise mutual information."""

import warnings
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
    from scipy.ndimage import gaussian_filter

    height, width = image.shape[:2]
    planes = np.stack([plane.values for plane in colour_planes(image)], axis=-1)
    pixels = gaussian_filter(planes, (_PAIR_SIGMA, _PAIR_SIGMA, 0)).reshape(height * width, -1)
    counting = pixels if valid is None else pixels[valid.ravel()]
    samples = counting[:: max(1, len(counting) // _PAIR_SAMPLES)]
    count = min(PAIR_COLOURS, len(np.unique(samples.round(1), axis=0)))
    colours = _nearest_means(samples, pixels, count).reshape(height, width)
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
    joint += joint.T
    joint = joint / max(joint.sum(), 1.0) + _PAIR_PRIOR
    joint /= joint.sum()
    logs = np.log(joint.sum(axis=1))
    information = PAIR_POWER * np.log(joint) - logs[:, np.newaxis] - logs
    own = np.diag(information)
    rarity = np.maximum((own[:, np.newaxis] + own) / 2 - information, 0).astype(np.float32)
    # One pixel away from the side's own two: edges are blurred.
    padded = np.pad(colours, 2, mode="edge")
    vertical = rarity[padded[1:-4, 2:-2], padded[4:-1, 2:-2]]
    horizontal = rarity[padded[2:-2, 1:-4], padded[2:-2, 4:-1]]
    return vertical, horizontal


def _nearest_means(samples: NDArray[Any], pixels: NDArray[Any], count: int) -> NDArray[np.int32]:
    """Group samples by k-means, and return the group of each pixel."""
    # SciPy's, since importing scikit-learn takes longer than all of this.
    from scipy.cluster.vq import kmeans2, vq
    from threadpoolctl import threadpool_limits

    # The threads' number would change the sums.
    with threadpool_limits(1), warnings.catch_warnings():
        # Fewer colours than asked for are as good.
        warnings.simplefilter("ignore", UserWarning)
        means, _ = kmeans2(samples, count, iter=_MEANS_ITERATIONS, minit="++", rng=0)
        nearest: NDArray[np.int32] = vq(pixels, means)[0]
    return nearest
