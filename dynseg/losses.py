"""The two terms of the paper's loss (equation 1)."""

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy


def similarity_loss(response: Tensor, target: Tensor) -> Tensor:
    """L_sim: cross entropy between the response map and a label map, mean over pixels (equation 1).

    Parameters
    ----------
    response : Tensor, (1, q, H, W), float
    target : Tensor, (H, W), int64
        The response map's own argmax, or what a method puts in its place.

    Returns
    -------
    Tensor, ()
    """
    return cross_entropy(response, target[None])


def continuity_loss(response: Tensor) -> Tensor:
    """L_con: mean absolute difference of vertically adjacent responses plus that of horizontally adjacent ones.

    Each mean is over pixels and channels, as released; the paper's equations write sums. An image of one row
    (column) has no vertical (horizontal) neighbours and that term is 0.

    Parameters
    ----------
    response : Tensor, (1, q, H, W), float

    Returns
    -------
    Tensor, ()
    """
    loss = response.new_zeros(())
    for axis in (2, 3):
        if response.shape[axis] > 1:
            loss = loss + torch.diff(response, dim=axis).abs().mean()
    return loss
