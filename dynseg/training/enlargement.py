"""Label maps larger than the response map that they come from."""

import torch
from torch import Tensor

from dynseg.training.strip_sizes import ENLARGED_VALUES_PER_STRIP


def enlarged_labels(response: Tensor, size: tuple[int, int]) -> Tensor:
    """Return the argmax of a response map enlarged by bilinear interpolation.

    Responses are enlarged rather than labels, so that the boundaries of clusters are smooth curves and no stairs. Only
    labels of the response map's own argmax are given. No more than a few strips of the enlarged responses are ever
    in memory.

    Parameters
    ----------
    response : Tensor, (h, w, channels), float
    size : tuple of int
        H and W, at least h and w.

    Returns
    -------
    Tensor, (H, W), int64
    """
    height, width = size
    present = response.argmax(dim=2).unique()
    response = response[:, :, present]
    upper, lower, vertical = _neighbours(response.shape[0], height, response)
    left, right, horizontal = _neighbours(response.shape[1], width, response)
    labels = torch.empty(height, width, dtype=torch.int64, device=response.device)
    rows_per_strip = max(1, ENLARGED_VALUES_PER_STRIP // (width * len(present)))
    for start in range(0, height, rows_per_strip):
        rows = slice(start, min(start + rows_per_strip, height))
        strip = torch.lerp(response[upper[rows]], response[lower[rows]], vertical[rows, None, None])
        strip = torch.lerp(strip[:, left], strip[:, right], horizontal[:, None])
        labels[rows] = present[strip.argmax(dim=2)]
    return labels


def _neighbours(count: int, enlarged: int, like: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return for every enlarged position the two positions that it lies between, and how near it is to the second."""
    centres = (torch.arange(enlarged, device=like.device, dtype=torch.float64) + 0.5) * count / enlarged - 0.5
    centres = centres.clamp(0, count - 1)
    first = centres.floor().long()
    return first, (first + 1).clamp(max=count - 1), (centres - first).to(like.dtype)
