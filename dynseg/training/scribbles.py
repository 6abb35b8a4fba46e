"""Scribbles: labels that the user gives some pixels (Kim, Kanezaki & Tanaka 2020, section 3.3)."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dynseg.errors import UserError
from dynseg.io.images import _opened

UNLABELLED = 255


def read_scribbles(path: Path | str) -> NDArray[np.integer]:
    """Read a label image in which 255, which is white in grey pictures, marks the pixels without a label.

    Returns
    -------
    ndarray, (H, W), uint8
        Palette indices or grey values.

    Raises
    ------
    UserError
        If it can't be read, is transparent anywhere, has colours, other than 8 bits a pixel, or a palette of whose
        index 255 no pixel is.
    """
    with _opened(path, None) as image:
        is_opaque = not image.has_transparency_data or image.convert("RGBA").getchannel("A").getextrema() == (255, 255)
        # Programs for painting save an alpha channel that hides nothing.
        image = image.convert(image.mode[:-1]) if is_opaque and image.mode in ("LA", "RGBA") else image
        mode, values = image.mode, np.array(image)
    if not is_opaque:
        raise UserError(f"{path} is transparent in places: lay the scribbles on white and save them again")
    if mode == "1" or mode.startswith(("I", "F")):
        bits = "1 bit" if mode == "1" else "more than 8 bits"
        raise UserError(f"{path} has {bits} a pixel: save scribbles with 8 bits, 255 where there is none")
    if mode == "P" and not (values == UNLABELLED).any():
        raise UserError(
            f"{path} has a palette and no pixel of index {UNLABELLED}, which means no label: save scribbles as grey "
            "values, white where there is none"
        )
    # They save grey as three equal channels, too.
    if mode not in ("L", "P") and not (mode == "RGB" and (values == values[:, :, :1]).all()):
        raise UserError(f"{path} has colours: save scribbles as palette or grey values, 255 where there is none")
    return values if values.ndim == 2 else values[:, :, 0]


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
