"""Every kind of figure in one small run: what it shows, and what redraws it."""

import copy
from pathlib import Path
from typing import Any

import pytest
from conftest import Workflow, write_dataset
from PIL import Image

from dynseg.io.label_maps import read_history, read_image_ids

FIGURES = {
    "panels": {
        "one": {"dataset": "small", "images": ["b"], "methods": ["fixed-1"], "ground_truth": False},
        "both": {
            "show": [{"dataset": "small", "images": ["a"]}, {"dataset": "pictures", "images": 1}],
            "methods": [{"label": "FSF", "by_dataset": {"small": "fsf-15", "pictures": "fsf-5"}}, "fsf-15"],
            "images_as": "columns",
        },
    },
    "sensitivity": {"small": {"dataset": "small"}},
    "dynamics": {"a": {"dataset": "small", "image": "a", "methods": ["fsf-15"], "iterations": [2]}},
    "scatter": {"fsf": {"dataset": "small", "methods": ["fsf-15", "fsf-5"]}},
}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Workflow:
    """A finished run with figures of every kind; tests only plan in it."""
    directory = tmp_path_factory.mktemp("drawn")
    pictures = write_dataset(directory / "pictures", ["x"])
    del pictures["annotations"]
    config = {
        "datasets": {"small": write_dataset(directory / "small", ["a", "b"]), "pictures": pictures},
        "methods": {
            "fsf-15": {"scheme": "fsf", "mu": 15, "label": "FSF, μ′ = q′/15"},
            "fsf-5": {"scheme": "fsf", "mu": 5},
        },
        "figure_methods": {"fixed-1": {"scheme": "fixed", "mu": 1}},
        "training": {"components": 1, "channels": 8, "iterations": 4, "minimum_labels": 1},
        "device": "cpu",
        **FIGURES,
    }
    workflow = Workflow(directory, config)
    workflow.run()
    return workflow


def with_change(workflow: Workflow, path: str, value: Any) -> dict[str, Any]:
    config = copy.deepcopy(workflow.config)
    section = config
    *parents, last = path.split("/")
    for name in parents:
        section = section[name]
    section[last] = value
    return config


@pytest.mark.parametrize("name", [f"{section}/{figure}" for section in FIGURES for figure in FIGURES[section]])
def test_each_figure_of_the_config_is_drawn(drawn: Workflow, name: str) -> None:
    figures = drawn.directory / "results/figures"
    with Image.open(figures / f"{name}.png") as picture:
        assert picture.width > 300
    assert (figures / f"{name}.pdf").read_bytes().startswith(b"%PDF")
    section, figure = name.split("/")
    report = (drawn.directory / "results/report.html").read_text(encoding="utf-8")
    assert report.count(f": {figure}<") >= 1, section


def test_a_method_of_figures_runs_on_their_images_alone_and_is_no_row(drawn: Workflow) -> None:
    results = drawn.directory / "results"
    assert [path.name for path in (results / "label_maps").glob("*/fixed-1/seed0/*.h5")] == ["b.h5"]
    assert "fixed-1" not in (results / "tables/table1.csv").read_text(encoding="utf-8")


def test_label_maps_on_the_way_are_of_runs_of_that_length(drawn: Workflow) -> None:
    short = drawn.directory / "results/short_runs/small/fsf-15/seed0/iteration2/a.h5"
    whole = drawn.directory / "results/label_maps/small/fsf-15/seed0/a.h5"
    assert read_image_ids(short) == ["a"]
    losses = read_history(short, "a")["similarity_loss"].tolist()
    assert losses == read_history(whole, "a")["similarity_loss"][:2].tolist()


CASES: list[tuple[str, Any, dict[str, int]]] = [
    ("panels/one/colours", "boundaries", {"panel": 1}),
    ("panels/one/ground_truth", True, {"panel": 1}),
    ("panels/one/images", ["a"], {"segment": 1, "panel": 1}),
    ("panels/both/show", [{"dataset": "pictures"}, {"dataset": "small", "images": ["a"]}], {"panel": 1}),
    ("figure_methods/fixed-1/mu", 2, {"segment": 1, "panel": 1}),
    ("figure_methods/fixed-2", {"scheme": "fixed", "mu": 2}, {}),
    ("dynamics/a/iterations", [1, 2], {"short_run": 1, "dynamics": 1}),
    ("dynamics/a/iterations", [], {"dynamics": 1}),
    ("sensitivity/small/methods", ["fsf-5", "fsf-15"], {"sensitivity": 1}),
    ("sensitivity/small/measures", ["mean", "covering"], {"sensitivity": 1}),
    ("sensitivity/small/methods", ["fixed-1", "fsf-5", "fsf-15"], {"segment": 1, "score": 1, "sensitivity": 1}),
    ("scatter/fsf/methods", ["fsf-5", "fsf-15"], {"scatter": 1}),
    ("methods/fsf-5/label", "other", {"table": 1, "scatter": 1}),
]


@pytest.mark.parametrize(("path", "value", "jobs"), CASES)
def test_a_changed_figure_is_redrawn_alone(drawn: Workflow, path: str, value: Any, jobs: dict[str, int]) -> None:
    assert drawn.planned(config=with_change(drawn, path, value)) == jobs


def test_a_finished_run_with_figures_has_nothing_to_do(drawn: Workflow) -> None:
    assert "Nothing to be done" in drawn.run("--dry-run")


def test_the_target_report_asks_for_every_figure(drawn: Workflow, tmp_path: Path) -> None:
    config = with_change(drawn, "scatter/fsf/methods", ["fsf-5", "fsf-15"])
    assert drawn.planned("report", config=config) == {"scatter": 1}


def test_an_image_that_is_not_there_is_one_sentence(drawn: Workflow) -> None:
    result = drawn.snakemake("--dry-run", config=with_change(drawn, "dynamics/a/image", "z"))
    assert result.returncode != 0
    assert "the dataset small has no image 'z'" in result.stdout + result.stderr


def test_snakemakes_own_report_holds_tables_and_figures(drawn: Workflow, tmp_path: Path) -> None:
    drawn.run("--report", str(tmp_path / "report.html"))
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    for text in ("Sensitivity to", "Dynamics of training", "Image by image", "differences between methods"):
        assert text in page
