"""The weight of the continuity loss, by the paper's equations (1) to (3)."""

import pytest
import torch

from dynseg.training.weighting import SCHEMES


@pytest.mark.parametrize(
    ("scheme", "label_count", "mu", "weight"),
    [("fixed", 40, 5, 5), ("fsf", 30, 15, 2), ("fsf", 100, 10, 10), ("scf", 100, 50, 0.5), ("scf", 4, 50, 12.5)],
)
def test_the_weight_follows_the_equation(scheme: str, label_count: int, mu: float, weight: float) -> None:
    assert SCHEMES[scheme](torch.tensor(label_count), mu).item() == pytest.approx(weight)


def test_as_clusters_merge_fsf_falls_and_scf_grows() -> None:
    counts = [torch.tensor(count) for count in (100, 50, 10, 3)]
    fsf = [SCHEMES["fsf"](count, 15).item() for count in counts]
    scf = [SCHEMES["scf"](count, 50).item() for count in counts]
    assert fsf == sorted(fsf, reverse=True)
    assert scf == sorted(scf)
