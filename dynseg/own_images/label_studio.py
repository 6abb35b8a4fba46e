"""Label maps as tasks of Label Studio: a brush mask for every label, in its own run-length code."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dynseg.own_images.masks import Runs, label_name, runs_by_number

# Bits of a value, and of the lengths that a record may choose from: what Label Studio writes itself.
_VALUE_BITS = 8
_LENGTH_BITS = (3, 4, 8, 16)
_LONGEST = 1 << _LENGTH_BITS[-1]
# Bits of the number of values, of the bits of a value less one, and of those of the lengths less one.
_HEADER_BITS = (32, 5, 4, 4, 4, 4)
# A mask is the picture of a brush: red, green, blue and opacity of every pixel.
_CHANNELS = 4
_PAINTED = 255


def label_studio_task(
    labels: NDArray[np.integer],
    colours: NDArray[np.uint8],
    image: str,
    model_version: str,
    valid: NDArray[np.bool_] | None = None,
) -> list[dict[str, Any]]:
    """Return a label map as a task of Label Studio with predictions.

    Parameters
    ----------
    labels : ndarray, (H, W), integer
        Label map.
    colours : ndarray, (largest label + 1, 3), uint8
        sRGB.
    image : str
        The image's address, as Label Studio is to open it.
    model_version : str
        What Label Studio calls the maker of the predictions.
    valid : ndarray, (H, W), bool, optional
        Which pixels have data; by default all.

    Returns
    -------
    list of dict
        One task. `data` has the address as `image` and the names and colours of the labels as `labels`; each result of
        the prediction is the mask of one label, for a control tag `label` over an object tag `image`.

    Examples
    --------
    >>> import numpy as np
    >>> task, = label_studio_task(np.array([[0, 7]]), np.zeros((8, 3), np.uint8), "a.jpg", "dynseg")
    >>> [result["value"]["brushlabels"] for result in task["predictions"][0]["result"]]
    [['label 0'], ['label 7']]
    """
    height, width = labels.shape
    # Pixels without data are 0, and the others their label + 1.
    shifted = labels.ravel().astype(np.int64) + 1
    if valid is not None:
        shifted[~valid.ravel()] = 0
    masks = [runs._replace(number=runs.number - 1) for runs in runs_by_number(shifted) if runs.number]
    results = [
        {
            "id": f"label-{runs.number}",
            "type": "brushlabels",
            "from_name": "label",
            "to_name": "image",
            "original_width": width,
            "original_height": height,
            "image_rotation": 0,
            "value": {"format": "rle", "rle": brush_code(runs, labels.size), "brushlabels": [label_name(runs.number)]},
        }
        for runs in masks
    ]
    named = [
        {"value": label_name(runs.number), "background": "#{:02x}{:02x}{:02x}".format(*colours[runs.number])}
        for runs in masks
    ]
    return [
        {
            "data": {"image": image, "labels": named},
            "predictions": [{"model_version": model_version, "result": results}],
        }
    ]


def brush_code(mask: Runs, pixels: int) -> list[int]:
    """Return the run-length code that Label Studio has for the masks of its brush.

    The code packs bits: the number of values (32 bits), the bits of a value less one (5), the bits of four kinds of
    lengths less one (4 each), then records of a 1, the kind of the length (2), the length less one, and the value (as
    `label_studio_sdk.converter.brush` has it, from the package rle-pack). Values are the four channels of every pixel.

    Parameters
    ----------
    mask : Runs
        Runs of the mask's pixels, row by row.
    pixels : int
        Number of pixels of the image.

    Returns
    -------
    list of int
        Bytes.

    Examples
    --------
    >>> import numpy as np
    >>> code = brush_code(Runs(1, np.array([1]), np.array([1])), 2)  # the second of two pixels
    >>> code
    [0, 0, 0, 8, 57, 27, 252, 96, 17, 255, 128]
    """
    lengths, values = _records(mask, pixels)
    kinds = np.searchsorted(np.array([1 << bits for bits in _LENGTH_BITS]), lengths)
    length_bits = np.array(_LENGTH_BITS)[kinds]
    codes = ((4 | kinds) << length_bits | (lengths - 1)) << _VALUE_BITS | values
    header = [pixels * _CHANNELS, _VALUE_BITS - 1, *(bits - 1 for bits in _LENGTH_BITS)]
    packed = _packed(np.concatenate([header, codes]), np.concatenate([_HEADER_BITS, 3 + length_bits + _VALUE_BITS]))
    found: list[int] = packed.tolist()
    return found


def _records(mask: Runs, pixels: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the lengths and values of all runs in and between those of a mask, none longer than a record can say."""
    edges = np.stack([mask.starts, mask.starts + mask.lengths], axis=1).ravel()
    lengths = _CHANNELS * np.diff(edges, prepend=0, append=pixels)
    values = np.where(np.arange(len(lengths)) % 2, _PAINTED, 0)
    lengths, values = lengths[lengths > 0], values[lengths > 0]
    pieces = -(-lengths // _LONGEST)
    split = np.full(pieces.sum(), _LONGEST)
    split[np.cumsum(pieces) - 1] = lengths - (pieces - 1) * _LONGEST
    return split, np.repeat(values, pieces)


def _packed(codes: NDArray[np.int64], bits: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Return the lowest bits of numbers one after the other, as bytes."""
    widest = int(bits.max())
    places = np.arange(widest - 1, -1, -1)
    unpacked = (codes[:, np.newaxis] >> places & 1).astype(np.bool_)
    return np.packbits(unpacked[places < bits[:, np.newaxis]])
