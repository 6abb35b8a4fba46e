"""The two terms of the paper's loss (equation 1)."""

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, smooth_l1_loss

from dynseg.training.parameters import Continuity

SCRIBBLE_WEIGHT = 0.5


def similarity_loss(response: Tensor, target: Tensor, weights: Tensor | None = None) -> Tensor:
    """L_sim: cross entropy between the response map and a label map, mean over pixels (equation 1).

    Parameters
    ----------
    response : Tensor, (1, q, H, W), float
    target : Tensor, (H, W), int64
        The response map's own argmax, or what a method puts in its place.
    weights : Tensor, (H, W), float, optional
        Weight of each pixel; all 1 if missing.

    Returns
    -------
    Tensor, ()
    """
    if weights is None:
        return cross_entropy(response, target[None])
    return (weights * cross_entropy(response, target[None], reduction="none")[0]).mean()


def pixel_weights(scribbles: Tensor, valid: Tensor | None = None) -> Tensor:
    """Return the weights that make `similarity_loss` the loss with scribbles of Kim, Kanezaki & Tanaka (2020).

    Their released code minimises the mean cross entropy over unlabelled pixels, to the response map's own argmax, plus
    0.5 times the mean over scribbled pixels, to the scribbles. Here each mean is a weighted share of one mean over all
    pixels. A mean over no pixel is 0.

    Parameters
    ----------
    scribbles : Tensor, (H, W), int64
        -1 where there is none.
    valid : Tensor, (H, W), bool, optional
        The pixels that count, those with scribbles among them; by default all.

    Returns
    -------
    Tensor, (H, W), float64
    """
    scribbled = scribbles >= 0
    others = ~scribbled if valid is None else ~scribbled & valid
    weights = torch.zeros(scribbles.shape, dtype=torch.float64, device=scribbles.device)
    for pixels, weight in ((others, 1.0), (scribbled, SCRIBBLE_WEIGHT)):
        weights += pixels * (weight * pixels.numel() / pixels.sum().double().clamp(min=1))
    return weights


def continuity_loss(response: Tensor, valid: Tensor | None = None, kind: Continuity = "l1") -> Tensor:
    """L_con: mean absolute difference of vertically adjacent responses plus that of horizontally adjacent ones.

    Each mean is over pixels and channels, as released; the paper's equations write sums. An image of one row
    (column) has no vertical (horizontal) neighbours and that term is 0.

    Parameters
    ----------
    response : Tensor, (1, q, H, W), float
    valid : Tensor, (H, W), bool, optional
        The pixels that count: pairs of them alone do; by default all.
    kind : {"l1", "smooth_l1"}
        `smooth_l1` takes d² / 2 of a difference d where |d| < 1, and |d| - 1/2 elsewhere (Huber 1964): the first public
        version of the paper's code.

    Returns
    -------
    Tensor, ()

    Examples
    --------
    >>> response = torch.tensor([[[[0.0, 0.5, 2.5]]]])
    >>> continuity_loss(response).item(), continuity_loss(response, kind="smooth_l1").item()
    (1.25, 0.8125)
    """
    loss = response.new_zeros(())
    for axis in (2, 3):
        if response.shape[axis] > 1:
            differences = torch.diff(response, dim=axis)
            if kind == "smooth_l1":
                differences = smooth_l1_loss(differences, torch.zeros_like(differences), reduction="none")
            else:
                differences = differences.abs()
            loss = loss + (differences.mean() if valid is None else _mean_of_pairs(differences, valid, axis))
    return loss


def _mean_of_pairs(differences: Tensor, valid: Tensor, axis: int) -> Tensor:
    pairs = valid_pairs(valid, axis - 2)
    return (differences * pairs).sum() / (pairs.sum() * differences.shape[1]).clamp(min=1)


def valid_pairs(valid: Tensor, axis: int) -> Tensor:
    """Return which pixels (H, W) and the next ones along an axis both count; one fewer along the axis."""
    length = valid.shape[axis] - 1
    return valid.narrow(axis, 0, length) & valid.narrow(axis, 1, length)
