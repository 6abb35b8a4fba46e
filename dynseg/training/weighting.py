"""The weighting schemes of the continuity loss: fixed, FSF and SCF (equations 1 to 3). Quick to import."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def fixed(label_count: "Tensor", mu: float) -> "Tensor":
    """Return μ (equation 1), whatever the number of labels."""
    import torch

    return label_count.new_full((), mu, dtype=torch.get_default_dtype())


def fsf(label_count: "Tensor", mu: float) -> "Tensor":
    """Feature similarity focus: q′/μ (equation 2), so continuity counts less as clusters merge."""
    return label_count / mu


def scf(label_count: "Tensor", mu: float) -> "Tensor":
    """Spatial continuity focus: μ/q′ (equation 3), so continuity counts more as clusters merge."""
    return mu / label_count


@dataclass(frozen=True)
class Scheme:
    """How the continuity loss is weighted.

    Attributes
    ----------
    name : str
        Name in configurations and options.
    title : str
        Name in figures.
    formula : str
        The weight as text, in q′ and μ.
    mu : float
        Default of μ: the best of the paper's values.
    weight : callable
        From q′ (a tensor of shape (), the number of distinct labels in the current label map, on any device) and μ > 0
        to the weight, a tensor of shape () on the same device.
    """

    name: str
    title: str
    formula: str
    mu: float
    weight: "Callable[..., Tensor]"

    @property
    def label(self) -> str:
        """The title and the formula, for a legend."""
        return f"{self.title}: {self.formula}"


# The comments in the authors' released script swap FSF and SCF; these follow the paper's equations.
SCHEMES = {
    scheme.name: scheme
    for scheme in (
        Scheme("fsf", "FSF", "q′/μ", 15.0, fsf),
        Scheme("scf", "SCF", "μ/q′", 50.0, scf),
        Scheme("fixed", "Fixed", "μ", 5.0, fixed),
    )
}
"""Schemes by name."""


def weight_of(scheme: str, mu: float) -> "Callable[[Tensor], Tensor]":
    """Return the function from q′ to the weight of the continuity loss, both tensors ().

    Parameters
    ----------
    scheme : str
        A key of `SCHEMES`.
    mu : float
        μ, above 0.
    """
    return partial(SCHEMES[scheme].weight, mu=mu)
