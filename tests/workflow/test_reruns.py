"""A change in the config reruns what depends on it and nothing else: jobs are counted in dry runs."""

import copy
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from conftest import Workflow, write_dataset


def with_change(workflow: Workflow, path: str, value: Any) -> dict[str, Any]:
    config = copy.deepcopy(workflow.config)
    section = config
    *parents, last = path.split("/")
    for name in parents:
        section = section.setdefault(name, {})
    section[last] = value
    return config


def test_a_finished_run_has_nothing_to_do(finished: Workflow) -> None:
    assert "Nothing to be done" in finished.run("--dry-run")


def test_the_table_is_complete(finished: Workflow) -> None:
    table = pd.read_csv(finished.directory / "results/tables/table1.csv")
    expected = ["dataset", "method", "measure", "score", "published", "difference", "images", "seeds"]
    assert list(table.columns)[: len(expected)] == expected
    assert set(table["method"]) == {"blank", "fsf-15", "scf-50"}
    assert {"small", "small_raw"} <= set(table["measure"])
    assert set(table["images"]) == {3}
    assert (finished.directory / "results/figures/panels/small.pdf").read_bytes().startswith(b"%PDF")


@pytest.mark.parametrize(
    ("path", "value", "jobs"),
    [
        ("methods/fsf-10", {"scheme": "fsf", "mu": 10}, {"segment": 3, "score": 1, "table": 1}),
        ("methods/fsf-15/mu", 12, {"segment": 3, "score": 1, "table": 1, "panel": 1}),
        ("methods/fsf-15/mu", 15.0, {}),
        ("methods/fsf-15/label", "FSF", {"table": 1, "panel": 1}),
        ("training/momentum", 0.8, {"segment": 6, "score": 2, "table": 1, "panel": 1}),
        ("training/precision", "tf32", {"segment": 6, "score": 2, "table": 1, "panel": 1}),
        ("panels/small/images", ["b"], {"panel": 1}),
        ("panels/small/colours", "mean", {"panel": 1}),
        ("panels/second", {"dataset": "small"}, {"panel": 1}),
        ("scoring/connectivity", 8, {"score": 3, "table": 1}),
        ("seeds", [0, 1], {"segment": 6, "score": 2, "table": 1}),
        ("device", "auto", {}),
        ("threads", 2, {}),
        ("methods/fsf-15/published", {"small": 0.5}, {"table": 1}),
    ],
)
def test_a_change_reruns_what_depends_on_it(finished: Workflow, path: str, value: Any, jobs: dict[str, int]) -> None:
    assert finished.planned(config=with_change(finished, path, value)) == jobs


def test_another_number_of_cores_reruns_nothing(finished: Workflow) -> None:
    assert finished.planned("--cores", "1") == {}


def test_a_new_dataset_touches_no_other(finished: Workflow, tmp_path: Path) -> None:
    config = with_change(finished, "datasets/other", write_dataset(tmp_path / "other", ["x"]))
    planned = finished.planned(config=config)
    # Its segmentation jobs are only known once it is prepared.
    assert planned == {"prepare_dataset": 1, "score": 3, "table": 1}


def test_a_gpu_is_asked_for_only_where_one_is_used(finished: Workflow) -> None:
    config = with_change(finished, "methods/fsf-10", {"scheme": "fsf", "mu": 10})
    assert "gpu=1" in finished.run("--dry-run", config={**config, "device": "cuda"})
    assert "gpu=1" not in finished.run("--dry-run", config={**config, "device": "cpu"})


def test_a_dropped_and_an_added_image_leave_the_others_alone(finished: Workflow, tmp_path: Path) -> None:
    workflow = Workflow(tmp_path, finished.config)
    shutil.copytree(finished.directory, tmp_path, dirs_exist_ok=True)
    data = write_dataset(tmp_path / "new data", ["a", "b", "c"])
    workflow.config = with_change(finished, "datasets/small", data)
    workflow.run()
    (tmp_path / "new data/images/c.png").unlink()
    output = workflow.run("--printshellcmds")
    assert "segment-batch" not in output
    assert set(pd.read_csv(tmp_path / "results/tables/table1.csv")["images"]) == {2}
    for part in ("images", "annotations"):
        shutil.copy(tmp_path / f"new data/{part}/b.png", tmp_path / f"new data/{part}/d.png")
    output = workflow.run("--printshellcmds")
    assert output.count("--batch d ") == 3
    assert "--batch a " not in output
