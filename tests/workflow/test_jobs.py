"""What jobs and figures read and ask for, without Snakemake."""

import os
from pathlib import Path
from typing import Any

import pytest
from conftest import write_dataset

from dynseg.cli import dynamics, panel, scatter, sensitivity, table, tune
from dynseg.datasets.preparing import prepare
from dynseg.errors import UserError
from dynseg.workflow import figures, tables
from dynseg.workflow.jobs import Jobs


@pytest.fixture
def jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Jobs:
    """The jobs of a configuration whose two datasets are prepared."""
    monkeypatch.chdir(tmp_path)
    for name, ids in (("small", ["a", "b", "c"]), ("tuning", ["x"])):
        entry = write_dataset(tmp_path / name, ids)
        prepare(
            "folder",
            entry["archive"],
            tmp_path / "results/datasets" / name,
            name,
            annotations=Path(entry["annotations"]),
        )
    return Jobs(configuration(tmp_path), with_gpu=True)


def configuration(folder: Path) -> dict[str, Any]:
    grid = {"method": "kmeans", "clusters": [2, 3], "window": 1}
    entry = {
        "kind": "folder",
        "archive": str(folder / "small/images"),
        "annotations": str(folder / "small/annotations"),
    }
    return {
        "results": "results",
        "resources": "resources",
        "device": "auto",
        "threads": 1,
        "seeds": [0, 7],
        "images_per_job": 1,
        "training": {"channels": 8},
        "datasets": {"small": {**entry, "label": "Small, {x} = 3"}},
        "methods": {
            "blank": {"method": "blank", "images_per_job": 2},
            "fsf": {
                "method": "cnn",
                "scheme": "fsf",
                "mu": 15,
                "label": "FSF, μ′ = q′/15",
                "published": {"small": 0.5},
            },
            "scf": {"method": "cnn", "scheme": "scf", "mu": 50},
        },
        "figure_methods": {},
        "tuning": {"dataset": entry, "grids": {"k": grid}},
        "panels": {
            "p": {
                "dataset": "small",
                "images": ["c"],
                "methods": ["fsf", "blank"],
                "ground_truth": False,
                "colours": "mean",
                "images_as": "rows",
                "width": "one-column",
                "seed": 7,
            }
        },
        "dynamics": {"d": {"dataset": "small", "image": "b", "methods": ["fsf"], "iterations": [1, 99_999]}},
        "sensitivity": {"s": {"dataset": "small", "methods": ["fsf"]}},
        "scatter": {"s": {"dataset": "small", "methods": ["fsf", "scf"]}},
    }


def test_label_maps_are_those_of_all_batches_or_of_some_images(jobs: Jobs) -> None:
    run = "results/label_maps/small/fsf/seed7"
    assert jobs.label_maps("small", "fsf", 7) == [f"{run}/{name}.h5" for name in "abc"]
    assert jobs.label_maps("small", "fsf", 7, holding=["b"]) == [f"{run}/b.h5"]
    assert all("batch@" in file for file in jobs.label_maps("small", "blank", 0))
    names = list(jobs.batches("small", "blank"))
    assert sorted(image for name in names for image in jobs.images("small", "blank", name)) == ["a", "b", "c"]
    assert [file.name for file in jobs.image_files("small", "fsf", "b")] == ["b.png"]


def test_what_is_read_of_a_dataset_is_read_again_when_it_changes(jobs: Jobs, tmp_path: Path) -> None:
    before = jobs.image_contents("small", "fsf", "a"), jobs.image_contents("small", "fsf", "b")
    assert before[0] != before[1]
    file = tmp_path / "small/images/b.png"
    os.replace(tmp_path / "small/images/c.png", file)
    os.utime(file, (1, 1))
    archive, annotations = tmp_path / "small/images", tmp_path / "small/annotations"
    prepare("folder", archive, tmp_path / "results/datasets/small", "small", annotations=annotations)
    assert jobs.label_maps("small", "fsf", 0, holding=["c"]) == []
    after = jobs.image_contents("small", "fsf", "a"), jobs.image_contents("small", "fsf", "b")
    assert after[0] == before[0]
    assert after[1] != before[1]


def test_a_gpu_is_used_by_what_can_and_only_where_there_is_one(jobs: Jobs) -> None:
    assert jobs.uses_gpu("fsf")
    assert not jobs.uses_gpu("blank")
    assert not Jobs(jobs.config, with_gpu=False).uses_gpu("fsf")
    assert jobs.device("fsf", gpus=1) == "auto"
    assert jobs.device("fsf", gpus=0) == "cpu"
    assert jobs.device("blank", gpus=0) == "cpu"


def test_regions_take_a_gpu_if_one_is_asked_for(jobs: Jobs) -> None:
    config = {**jobs.config, "methods": {"regions": {"method": "regions"}}}
    assert not Jobs(config, with_gpu=True).uses_gpu("regions")
    assert Jobs(config, with_gpu=True).device("regions", gpus=0) == "cpu"
    on_cuda = Jobs({**config, "device": "cuda"}, with_gpu=True)
    assert on_cuda.uses_gpu("regions")
    assert on_cuda.device("regions", gpus=1) == "cuda"


def test_jobs_ask_for_more_when_tried_again(jobs: Jobs) -> None:
    assert jobs.minutes("small", "fsf", "a", 2) > jobs.minutes("small", "fsf", "a", 1) > 0
    assert jobs.megabytes("small", "fsf", "a", 2) > jobs.megabytes("small", "fsf", "a", 1) > 0
    assert jobs.scoring_minutes("small", 2) == 2 * jobs.scoring_minutes("small", 1)
    assert jobs.scoring_minutes("not yet", 1) == 10


def test_every_value_of_the_scores_over_scales_is_a_run(jobs: Jobs) -> None:
    entry = jobs.config["methods"]["fsf"]
    swept = {**jobs.config, "methods": {**jobs.config["methods"], "fsf": {**entry, "scales": {"mu": [5, 15, 50]}}}}
    assert Jobs(swept, with_gpu=False).method("fsf").scales == ["--scales=mu=5,15,50"]
    assert Jobs(swept, with_gpu=False).minutes("small", "fsf", "a", 1) >= Jobs(jobs.config, with_gpu=False).minutes(
        "small", "fsf", "a", 1
    )


def test_the_report_shows_the_first_seed_of_every_method(jobs: Jobs) -> None:
    files = jobs.shown_label_maps()
    assert len(files) == len(set(files)) == len(jobs.batches("small", "blank")) + 6
    assert all("/seed0/" in file for file in files)


def test_every_option_is_one_that_its_command_takes(jobs: Jobs, tmp_path: Path) -> None:
    """Each command line is parsed, and what it names is what the rule reads."""
    (tmp_path / "results/label_maps/tuning").mkdir(parents=True)
    given = panel.command.make_context("panel", figures.panel_options(jobs, "p")).params
    assert given["images"] == ("small/c",)
    assert given["dataset_labels"] == ("small=Small, {x} = 3",)
    assert given["runs"][0] == "FSF, μ′ = q′/15@small=results/label_maps/small/fsf/seed7/c.h5"
    assert (given["colours"], given["width"], given["ground_truth"]) == ("mean", "one-column", False)
    given = dynamics.command.make_context("dynamics", figures.dynamics_options(jobs, "d")).params
    assert given["image_id"] == "b"
    assert given["label_maps"] == ("FSF, μ′ = q′/15:1=results/short_runs/small/fsf/seed0/iteration1/b.h5",)
    options = figures.sensitivity_options(jobs.config, "s")
    given = sensitivity.command.make_context("sensitivity", options).params
    assert given["measures"] == ("mean",)
    assert given["scores"] == tuple(f"fsf:15.0=results/scores/small/fsf/seed{seed}.csv" for seed in (0, 7))
    scores = figures.score_options(figures.scatter_scores(jobs.config, "s"))
    assert len(scatter.command.make_context("scatter", scores).params["scores"]) == 2
    files = tables.score_files(jobs.config)
    given = table.command.make_context("table", [*tables.table_options(jobs.config), *files]).params
    assert given["published"] == ("fsf:small=0.5",)
    assert len(given["score_files"]) == len(files) == 10
    options = ["--dataset-dir=results/datasets/tuning", *jobs.grid_options("k"), "--output-csv=a", "--output-scales=b"]
    given = tune.command.make_context("tune", options).params
    assert given["runs"][1] == "clusters=3:results/label_maps/tuning/tune.k.clusters3/seed0"
    assert given["images_per_job"] == 1
    assert [file.rpartition("/")[0] for file in jobs.grid_label_maps("k")] == [
        run.partition(":")[2] for run in given["runs"]
    ]


def test_an_image_that_a_figure_names_and_no_dataset_has_is_one_sentence(jobs: Jobs) -> None:
    jobs.config["dynamics"]["d"]["image"] = "z"
    with pytest.raises(UserError, match="the dataset small has no image 'z'"):
        figures.dynamics_image(jobs, "d")
