"""What is said about scribbles: what was understood of them, and how many pixels kept their labels."""

import numpy as np
from numpy.typing import NDArray

from dynseg.result import UNLABELLED

# A label on more of an image than this is more likely to be the paper than a stroke.
_MOST = 0.5
_NAMED_LABELS = 8


def doubts(scribbles: NDArray[np.integer]) -> str:
    """Return why scribbles may not be what the user means; empty if nothing is suspicious.

    Parameters
    ----------
    scribbles : ndarray, (H, W), integer
        Labels; 255 where there is none.
    """
    labels, counts = _counted(scribbles)
    if counts.max(initial=0) > _MOST * scribbles.size:
        share = round(100 * counts.max() / scribbles.size)
        return (
            f"label {labels[counts.argmax()]} is scribbled on {share} % of the image: if it "
            f"means no label, make it {UNLABELLED}, which is white"
        )
    if len(labels) == 1:
        return f"the scribbles have one label only, {labels[0]}: scribble what is to be apart from it with another one"
    return ""


def understood(scribbles: NDArray[np.integer], kept: float) -> str:
    """Return which labels were found on how many pixels, and the share of these that kept theirs.

    Parameters
    ----------
    scribbles : ndarray, (H, W), integer
        Labels; 255 where there is none.
    kept : float
        From 0 to 1; see `dynseg.training.scribbles.share_kept`.
    """
    labels, counts = _counted(scribbles)
    if len(labels) > _NAMED_LABELS:
        found = f"{len(labels)} labels on {counts.sum()} pixels"
    else:
        found = ", ".join(
            f"label {label} on {count} pixel{'s' * (count != 1)}"
            for label, count in zip(labels, counts.tolist(), strict=True)
        )
    # Rounded down: 100 % means all.
    return f"scribbled {found}, of which {int(100 * kept)} % kept theirs"


def _counted(scribbles: NDArray[np.integer]) -> tuple[NDArray[np.integer], NDArray[np.intp]]:
    return np.unique(scribbles[scribbles != UNLABELLED], return_counts=True)
