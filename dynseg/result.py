"""What a method is given beside the image, and what it returns."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dynseg.hierarchy import Hierarchy

# The value of pixels that scribbles say nothing about.
UNLABELLED = 255
# The fact that says how many pixels counted; with it, the label 0 means none.
VALID_PIXELS = "valid_pixels"


@dataclass(frozen=True)
class Context:
    """What a method may need to know beside the image's pixels.

    Attributes
    ----------
    image_id : str
        The image's id in its dataset.
    seed : int
        Seed of every random choice of the method.
    device : str
        "cpu", "cuda" or "mps": a resolved device, never "auto".
    valid : ndarray, (H, W), bool, optional
        The pixels that have data; None if all have. A method that can leaves the others out of what it computes. What
        it labels them is replaced with 0, and the other labels then begin at 1.
    """

    image_id: str = ""
    seed: int = 0
    device: str = "cpu"
    valid: NDArray[np.bool_] | None = None


@dataclass(frozen=True)
class LabelMapSeries:
    """One image's label maps at several values of a scale parameter.

    Attributes
    ----------
    scales : ndarray, (S,), float64
        The values, ascending.
    label_maps : ndarray, (S, H, W), integer
        The label map at each of them, in any non-negative numbers.
    """

    scales: NDArray[np.float64]
    label_maps: NDArray[np.integer]


@dataclass(frozen=True)
class Segmentation:
    """One image's result.

    Attributes
    ----------
    labels : ndarray, (H, W), integer
        The label map: each pixel's cluster, in any non-negative numbers.
    history : dict of str to ndarray, (iterations,)
        One array a quantity for methods that iterate; empty for others.
    facts : dict of str to str, int or float
        Other facts of the computation (for example why the training stopped).
    hierarchy : Hierarchy, optional
        All segmentations that a hierarchical method gives, of which `labels` need not be one.
    series : LabelMapSeries, optional
        What the method gives at other values of its scale parameter.

    Examples
    --------
    >>> import numpy as np
    >>> Segmentation(np.zeros((2, 3), np.uint8)).labels.shape
    (2, 3)
    """

    labels: NDArray[np.integer]
    history: dict[str, NDArray[Any]] = field(default_factory=dict)
    facts: dict[str, str | int | float] = field(default_factory=dict)
    hierarchy: Hierarchy | None = None
    series: LabelMapSeries | None = None
