"""Images as tensors: conversion, and reduction by averaging areas."""

from typing import Any

import numpy as np
import torch
from numpy.typing import DTypeLike, NDArray
from torch import Tensor
from torch.nn.functional import interpolate

from dynseg.training.sizes import Size


def image_tensor(image: NDArray[np.uint8] | NDArray[np.float32]) -> Tensor:
    """Return an image as a tensor on the CPU.

    Parameters
    ----------
    image : ndarray, (H, W, bands), uint8 or float32
        Values of float32 are in [0, 1].

    Returns
    -------
    Tensor, (bands, H, W), float32
        Values in [0, 1].
    """
    values = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))
    return values.float() / 255 if image.dtype == np.uint8 else values


def image_array(image: Tensor, dtype: DTypeLike = np.uint8) -> NDArray[Any]:
    """Return a tensor (bands, H, W) in [0, 1] as an image.

    Parameters
    ----------
    image : Tensor, (bands, H, W), float32
    dtype : dtype
        uint8, whose values are rounded, or float32, whose values are left as they are.

    Returns
    -------
    ndarray, (H, W, bands)
    """
    values = (image * 255).round().to(torch.uint8) if dtype == np.uint8 else image
    return values.permute(1, 2, 0).cpu().numpy()


def reduce_image(image: Tensor, size: Size) -> Tensor:
    """Return an image (bands, H, W) at a smaller size, by averaging areas; the same object if its size stays."""
    if size == tuple(image.shape[1:]):
        return image
    return interpolate(image[None], size=size, mode="area")[0]


def applied_image(pixels: NDArray[np.uint8] | NDArray[np.float32], size: Size) -> Tensor:
    """Return pixels (H, W, bands) as the tensor that a network is applied to, (bands, height, width) on the CPU."""
    image = image_tensor(pixels)
    reduced = reduce_image(image, size)
    # What comes from 8 bits has 8 bits again before it is reduced once more for training, as in all results so far.
    return reduced if reduced is image or pixels.dtype != np.uint8 else round_to_8_bits(reduced)


def round_to_8_bits(image: Tensor) -> Tensor:
    """Return values in [0, 1] rounded to whole multiples of 1/255."""
    return (image * 255).round() / 255
