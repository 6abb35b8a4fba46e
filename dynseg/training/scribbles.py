"""Scribbles: labels that the user gives some pixels (Kim, Kanezaki & Tanaka 2020, section 3.3)."""

import numpy as np
from numpy.typing import NDArray

from dynseg.errors import UserError
from dynseg.result import UNLABELLED


def check_scribbles(scribbles: NDArray[np.integer], shape: tuple[int, int]) -> None:
    """Raise a UserError unless scribbles are whole numbers from 0, of the shape (H, W) of the image, and not empty."""
    if scribbles.ndim != 2 or not np.issubdtype(scribbles.dtype, np.integer):
        raise UserError(f"scribbles must be whole numbers (H, W), not {scribbles.dtype} {scribbles.shape}")
    if scribbles.shape != shape:
        raise UserError(
            f"the scribbles are {scribbles.shape[1]} × {scribbles.shape[0]} pixels and the image {shape[1]} × "
            f"{shape[0]}: draw them at the image's size"
        )
    if (scribbles == UNLABELLED).all():
        raise UserError("the scribbles are empty: every pixel is 255, which means no label")
    if (smallest := int(scribbles.min())) < 0:
        raise UserError(f"the scribbles have the label {smallest}: use whole numbers from 0, and 255 for no label")


def scribbles_inside(
    scribbles: NDArray[np.integer], shape: tuple[int, int], valid: NDArray[np.bool_] | None
) -> NDArray[np.integer]:
    """Return checked scribbles without those on pixels that don't count, (H, W).

    Raises
    ------
    UserError
        As `check_scribbles`, or if one has the label 0 beside pixels that don't count, which are 0 in the result.
    """
    check_scribbles(scribbles, shape)
    if valid is None:
        return scribbles
    inside: NDArray[np.integer] = np.where(valid, scribbles, UNLABELLED).astype(scribbles.dtype)
    if (inside == 0).any():
        raise UserError("the scribbles have the label 0, which means no data here: number them from 1")
    if (inside == UNLABELLED).all():
        raise UserError("the scribbles are on pixels without data alone, or outside of the mask: scribble inside")
    return inside


def number_scribbles(
    scribbles: NDArray[np.integer], shape: tuple[int, int], channels: int
) -> tuple[NDArray[np.int64], NDArray[np.integer]]:
    """Give scribbles the numbers of the network's first channels.

    Parameters
    ----------
    scribbles : ndarray, (H, W), integer
        Any labels from 0; 255 where there is none.
    shape : tuple of int
        Height and width of the image, in pixels.
    channels : int
        q of the network.

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
    check_scribbles(scribbles, shape)
    labels, numbered = np.unique(scribbles, return_inverse=True)
    numbered = numbered.reshape(shape)
    is_unlabelled = labels == UNLABELLED
    labels = labels[~is_unlabelled]
    if len(labels) >= channels:
        raise UserError(
            f"the scribbles have {len(labels)} labels and the network {channels}, which leaves no other: use fewer, or "
            "raise the largest number of labels (--max-labels, channels)"
        )
    channel_of = np.cumsum(~is_unlabelled) - 1
    channel_of[is_unlabelled] = -1
    return channel_of[numbered].astype(np.int64), labels


def restore_labels(
    label_map: NDArray[np.integer], labels: NDArray[np.integer], channels: int, least: int = 0
) -> NDArray[np.int64]:
    """Return a label map in which scribbled clusters have the scribbles' labels, and the others the smallest free ones.

    Parameters
    ----------
    label_map : ndarray, (H, W), integer
        Channels.
    labels : ndarray, (count,), integer
        From `number_scribbles`.
    channels : int
        q of the network.
    least : int
        The smallest number that is free.
    """
    free = np.setdiff1d(np.arange(least, least + channels + len(labels) + 1), [*labels, UNLABELLED])
    label_of = np.concatenate([labels, free[: channels - len(labels)]]).astype(np.int64)
    restored: NDArray[np.int64] = label_of[label_map]
    return restored


def share_kept(label_map: NDArray[np.integer], scribbles: NDArray[np.integer]) -> float:
    """Return the share of the scribbled pixels that have the scribble's label, from 0 to 1; 1 if there are none.

    Parameters
    ----------
    label_map : ndarray, (H, W), integer
    scribbles : ndarray, (H, W), integer
        Labels; 255 where there is none.
    """
    is_scribbled = scribbles != UNLABELLED
    return float(np.mean(label_map[is_scribbled] == scribbles[is_scribbled])) if is_scribbled.any() else 1.0


def put_back_missing(
    label_map: NDArray[np.integer], scribbles: NDArray[np.integer]
) -> tuple[NDArray[np.integer], NDArray[np.integer]]:
    """Give the pixels of strokes whose label no pixel of a label map has their label.

    Parameters
    ----------
    label_map : ndarray, (H, W), integer
        From `restore_labels`.
    scribbles : ndarray, (H, W), integer
        Labels; 255 where there is none.

    Returns
    -------
    label_map : ndarray, (H, W), integer
        With every scribbled label. One whose last pixels lay under strokes of others is put back, too.
    missing : ndarray, (count,), integer
        The labels that were missing, sorted.
    """
    wanted = np.setdiff1d(scribbles, [UNLABELLED])
    first = missing = np.setdiff1d(wanted, label_map)
    while missing.size:
        label_map = np.where(np.isin(scribbles, missing), scribbles, label_map)
        missing = np.setdiff1d(wanted, label_map)
    return label_map, first


def reduce_scribbles(scribbles: NDArray[np.int64], height: int, width: int) -> NDArray[np.int64]:
    """Return scribbles at another size: each pixel has the most frequent label among the pixels that it covers.

    Pixels without a label don't vote, so that thin lines stay whole.

    Parameters
    ----------
    scribbles : ndarray, (H, W), int64
        Labels from 0; -1 where there is none.
    height, width : int
        At most H and W.

    Returns
    -------
    ndarray, (height, width), int64
        The smallest label wins a tie.
    """
    rows, columns = np.nonzero(scribbles >= 0)
    labels = scribbles[rows, columns]
    pixels = (rows * height // scribbles.shape[0]) * width + columns * width // scribbles.shape[1]
    label_count = int(labels.max(initial=-1)) + 1
    codes, votes = np.unique(pixels * label_count + labels, return_counts=True)
    reduced = np.full(height * width, -1, dtype=np.int64)
    # Later ones overwrite earlier ones: the most votes last, and among equal ones the smallest label.
    order = np.lexsort((-codes, votes))
    reduced[codes[order] // max(label_count, 1)] = codes[order] % max(label_count, 1)
    return reduced.reshape(height, width)
