"""Regions without the time that an ensemble of full size takes."""

import dataclasses
from typing import Any

import pytest

from dynseg.regions import ensemble


def use_small_ensembles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every ensemble be two networks that are trained for two iterations."""
    texton_maps = ensemble.texton_maps

    def of_two(image: Any, usual: ensemble.Ensemble, *arguments: Any) -> Any:
        training = dataclasses.replace(usual.training, iterations=2)
        return texton_maps(image, dataclasses.replace(usual, networks=2, training=training), *arguments)

    monkeypatch.setattr(ensemble, "texton_maps", of_two)
