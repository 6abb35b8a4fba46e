"""Every public function has an example; `--doctest-modules` runs them."""

import inspect

import pytest

import dynseg
from dynseg import metrics
from dynseg.figures.palette import assign_colours

HIERARCHY = ("cut_at", "cut_into", "merges_at", "joined_at", "threshold_of", "ucm")
PUBLIC = {
    **{f"dynseg.{name}": getattr(dynseg, name) for name in dynseg.__all__},
    **{f"dynseg.metrics.{name}": getattr(metrics, name) for name in metrics.__all__},
    **{f"dynseg.Hierarchy.{name}": getattr(dynseg.Hierarchy, name) for name in HIERARCHY},
    "dynseg.figures.palette.assign_colours": assign_colours,
}


@pytest.mark.parametrize("name", [name for name, value in PUBLIC.items() if callable(value)])
def test_there_is_an_example(name: str) -> None:
    assert "\nExamples\n--------\n>>> " in (inspect.getdoc(PUBLIC[name]) or "")


def test_plain_pytest_collects_examples(pytestconfig: pytest.Config) -> None:
    assert pytestconfig.getoption("--doctest-modules")
    assert "dynseg" in pytestconfig.getini("testpaths")
