"""The weight of the continuity loss: fixed, FSF and SCF (equations 1 to 3)."""

from collections.abc import Callable

import torch
from torch import Tensor


def fixed(label_count: Tensor, mu: float) -> Tensor:
    """Return μ (equation 1), whatever the number of labels."""
    return label_count.new_full((), mu, dtype=torch.get_default_dtype())


def fsf(label_count: Tensor, mu: float) -> Tensor:
    """Feature similarity focus: q′/μ (equation 2), so continuity counts less as clusters merge."""
    return label_count / mu


def scf(label_count: Tensor, mu: float) -> Tensor:
    """Spatial continuity focus: μ/q′ (equation 3), so continuity counts more as clusters merge."""
    return mu / label_count


SCHEMES: dict[str, Callable[..., Tensor]] = {"fixed": fixed, "fsf": fsf, "scf": scf}
"""Scheme by name. Each takes q′ (a tensor of shape (), the number of distinct labels in the current label map, on
any device) and μ > 0, and returns the weight as a tensor of shape () on the same device. The comments in the
authors' released script swap FSF and SCF; these follow the paper's equations."""
