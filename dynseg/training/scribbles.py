"""Scribbles: labels that the user gives some pixels (Kim, Kanezaki & Tanaka 2020, section 3.3)."""

import numpy as np
from numpy.typing import NDArray

from dynseg.errors import UserError
from dynseg.result import UNLABELLED


def number_scribbles(
    scribbles: NDArray[np.integer], shape: tuple[int, int], channels: int
) -> tuple[NDArray[np.int64], NDArray[np.integer]]:
    """Give scribbles the numbers of the network's first channels.

    Parameters
    ----------
    scribbles : ndarray, (H, W), integer
        Any labels from 0; 255 where there is none.
    shape : tuple of int
        Of the image.
    channels : int
        Of the network.

    Returns
    -------
    numbered : ndarray, (H, W), int64
        Channels; -1 where there is none.
    labels : ndarray, (count,), integer
        Each channel's label, sorted.

    Raises
    ------
    UserError
        If they don't fit the image or the network.
    """
    if scribbles.ndim != 2 or not np.issubdtype(scribbles.dtype, np.integer):
        raise UserError(f"scribbles must be whole numbers (H, W), not {scribbles.dtype} {scribbles.shape}")
    if scribbles.shape != shape:
        raise UserError(
            f"the scribbles are {scribbles.shape[1]} × {scribbles.shape[0]} pixels and the image {shape[1]} × "
            f"{shape[0]}: draw them at the image's size"
        )
    labels, numbered = np.unique(scribbles, return_inverse=True)
    numbered = numbered.reshape(shape)
    without = labels == UNLABELLED
    if without.all():
        raise UserError("the scribbles are empty: every pixel is 255, which means no label")
    if labels[0] < 0:
        raise UserError(f"the scribbles have the label {labels[0]}: use whole numbers from 0, and 255 for no label")
    labels = labels[~without]
    if len(labels) >= channels:
        raise UserError(
            f"the scribbles have {len(labels)} labels and the network {channels}, which leaves no other: use fewer, or "
            "raise the largest number of labels (--max-labels, channels)"
        )
    channel_of = np.cumsum(~without) - 1
    channel_of[without] = -1
    return channel_of[numbered].astype(np.int64), labels


def restore_labels(label_map: NDArray[np.integer], labels: NDArray[np.integer], channels: int) -> NDArray[np.int64]:
    """Return a label map in which scribbled clusters have the scribbles' labels, and the others the smallest free ones.

    Parameters
    ----------
    label_map : ndarray, (H, W), integer
        Channels.
    labels : ndarray, (count,), integer
        From `number_scribbles`.
    channels : int
        Of the network.
    """
    free = np.setdiff1d(np.arange(channels + len(labels) + 1), [*labels, UNLABELLED])
    return np.concatenate([labels, free[: channels - len(labels)]]).astype(np.int64)[label_map]
