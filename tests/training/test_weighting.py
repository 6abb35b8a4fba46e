"""The weight of the continuity loss, by the paper's equations (1) to (3)."""

import subprocess
import sys

import pytest
import torch

from dynseg.training.weighting import SCHEMES, weight_of


@pytest.mark.parametrize(
    ("scheme", "label_count", "mu", "weight"),
    [("fixed", 40, 5, 5), ("fsf", 30, 15, 2), ("fsf", 100, 10, 10), ("scf", 100, 50, 0.5), ("scf", 4, 50, 12.5)],
)
def test_the_weight_follows_the_equation(scheme: str, label_count: int, mu: float, weight: float) -> None:
    assert weight_of(scheme, mu)(torch.tensor(label_count)).item() == pytest.approx(weight)


def test_as_clusters_merge_fsf_falls_and_scf_grows() -> None:
    counts = [torch.tensor(count) for count in (100, 50, 10, 3)]
    fsf = [weight_of("fsf", 15)(count).item() for count in counts]
    scf = [weight_of("scf", 50)(count).item() for count in counts]
    assert fsf == sorted(fsf, reverse=True)
    assert scf == sorted(scf)


def test_schemes_are_known_without_torch() -> None:
    assert {name: (scheme.label, scheme.mu) for name, scheme in SCHEMES.items()} == {
        "fsf": ("FSF: q′/μ", 15),
        "scf": ("SCF: μ/q′", 50),
        "fixed": ("Fixed: μ", 5),
    }
    code = "import sys, dynseg.training.weighting; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
