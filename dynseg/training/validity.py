"""Pixels that don't count: without data, or outside of a mask. What is put in their place is never seen in a result."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import interpolate

from dynseg.errors import UserError
from dynseg.training.images import image_tensor, round_to_8_bits
from dynseg.training.sizes import Size

# A pixel of a reduced image counts where this share of the pixels that it averages does.
_LEAST_SHARE = 0.5
# Less is what single precision leaves of a share of 0.
_ROUNDING = 1e-6


def check_mask(mask: NDArray[np.bool_] | NDArray[np.integer], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Return a mask as bool, (H, W): True where it isn't 0.

    Raises
    ------
    UserError
        Unless it is whole numbers or bool, of the shape (H, W) of the image.

    Examples
    --------
    >>> import numpy as np
    >>> check_mask(np.array([[0, 255]]), (1, 2)).tolist()
    [[False, True]]
    """
    mask = np.asarray(mask)
    if mask.ndim != 2 or not (mask.dtype == np.bool_ or np.issubdtype(mask.dtype, np.integer)):
        raise UserError(f"a mask must be bool or whole numbers (H, W), 0 outside, not {mask.dtype} {mask.shape}")
    if mask.shape != shape:
        raise UserError(
            f"the mask is {mask.shape[1]} × {mask.shape[0]} pixels and the image {shape[1]} × {shape[0]}: give a mask "
            "of the image's size"
        )
    return np.asarray(mask != 0)


def valid_image(
    pixels: NDArray[np.uint8] | NDArray[np.float32], valid: NDArray[np.bool_], size: Size
) -> tuple[Tensor, Tensor]:
    """Return an image at a size, made of its valid pixels alone; see `reduce_valid`.

    Parameters
    ----------
    pixels : ndarray, (H, W, bands), uint8 or float32
        Values of float32 are in [0, 1] where they are valid.
    valid : ndarray, (H, W), bool
        At least one is.
    size : tuple of int
        Height and width, at most H and W.

    Returns
    -------
    image : Tensor, (bands, height, width), float32
    valid : Tensor, (height, width), bool

    Examples
    --------
    >>> import numpy as np
    >>> pixels = np.array([[[0], [51], [102], [255]]], np.uint8)
    >>> image, valid = valid_image(pixels, np.array([[True, True, False, False]]), (1, 2))
    >>> image.tolist(), valid.tolist()
    ([[[0.10196..., 0.10196...]]], [[True, False]])
    """
    image, counts = reduce_valid(image_tensor(pixels), torch.from_numpy(valid), size)
    is_reduced = size != valid.shape
    # As `dynseg.training.images.applied_image` does.
    return (round_to_8_bits(image) if is_reduced and pixels.dtype == np.uint8 else image), counts


def reduce_valid(image: Tensor, valid: Tensor, size: Size) -> tuple[Tensor, Tensor]:
    """Return an image at a smaller size, by averaging its valid pixels, and which of its pixels are valid then.

    A pixel is valid where half of what it covers is, or where anything is if there is no such pixel. Those that cover
    nothing valid have the values of the nearest pixel that does, as beyond the border of an image.

    Parameters
    ----------
    image : Tensor, (bands, H, W), float32
    valid : Tensor, (H, W), bool
        At least one is.
    size : tuple of int
        Height and width, at most H and W.

    Returns
    -------
    image : Tensor, (bands, height, width), float32
    valid : Tensor, (height, width), bool
    """
    # Not a product, which would keep NaN.
    image = torch.where(valid, image, 0)
    share = valid.to(image.dtype)
    if size != tuple(valid.shape):
        share = interpolate(share[None, None], size=size, mode="area")[0, 0]
        image = interpolate(image[None], size=size, mode="area")[0] / share.clamp(min=_ROUNDING)
        image = image.clamp(0, 1)
    has_any = share > _ROUNDING
    counts = share >= _LEAST_SHARE
    return _filled(image, has_any), counts if counts.any() else has_any


def _filled(image: Tensor, known: Tensor) -> Tensor:
    if bool(known.all()):
        return image
    rows, columns = (torch.from_numpy(index).to(image.device) for index in nearest(known.cpu().numpy()))
    return image[:, rows, columns]


def nearest(known: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the row and the column, each (H, W), of every pixel's nearest known one; at least one is known.

    Examples
    --------
    >>> import numpy as np
    >>> nearest(np.array([[True, False, False, True]]))[1].tolist()
    [[0, 0, 3, 3]]
    """
    from scipy.ndimage import distance_transform_edt

    rows, columns = distance_transform_edt(~known, return_distances=False, return_indices=True)
    return rows.astype(np.int64), columns.astype(np.int64)
