"""A change in the config reruns what depends on it and nothing else: jobs are counted in dry runs."""

import copy
import os
import re
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import test_figures
from archive_builders import bsd_mat, picture, tgz
from conftest import REPOSITORY, Workflow, write_dataset


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


# Path of a key, another value, and the jobs that it makes.
CASES: list[tuple[str, Any, dict[str, int]]] = [
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
    ("images_per_job", 3, {"segment": 3, "score": 3, "table": 1, "panel": 1}),
    ("methods/fsf-15/images_per_job", "auto", {}),
    ("datasets/small/label", "Small", {"table": 1, "panel": 1}),
    ("datasets/small/sample", 2, {"prepare_dataset": 1, "score": 3, "table": 1, "panel": 1}),
    ("figure_methods/fixed-1", {"scheme": "fixed", "mu": 1}, {}),
    ("tuning/grids/fsf", {"scheme": "fsf", "mu": [1, 2]}, {}),
    ("resources", "elsewhere", {}),
    ("archives", ".", {}),
    ("results", "elsewhere", {"prepare_dataset": 1, "score": 3, "table": 1, "panel": 1}),
]


@pytest.mark.parametrize(("path", "value", "jobs"), CASES)
def test_a_change_reruns_what_depends_on_it(finished: Workflow, path: str, value: Any, jobs: dict[str, int]) -> None:
    assert finished.planned(config=with_change(finished, path, value)) == jobs


@pytest.mark.slow
def test_an_archive_on_the_disk_is_used_in_place_wherever_it_is(tmp_path: Path) -> None:
    files = {}
    for name in ("2", "10"):
        files[f"BSR/BSDS500/data/images/test/{name}.jpg"] = picture()
        files[f"BSR/BSDS500/data/groundTruth/test/{name}.mat"] = bsd_mat(np.ones((4, 6), np.uint16))
    odd = tmp_path / "da {ta}'s"
    odd.mkdir()
    archive = tgz(odd / "BSR_bsds500.tgz", files)
    config = {"datasets": {"bsd500": {}}, "methods": {"graph": {"method": "graph_based"}}, "device": "cpu"}
    workflow = Workflow(tmp_path, {**config, "archives": str(odd)})
    workflow.run("--nolock", "prepare")
    assert (tmp_path / "results/datasets/bsd500/images.txt").read_text() == "10\n2\n"
    assert (tmp_path / "resources/official/bsd500.archive").readlink() == archive
    assert f"{archive} is used in place" in (tmp_path / "results/logs/fetch_official/bsd500.log").read_text()
    assert workflow.planned("prepare") == {}
    odd.rename(tmp_path / "moved")
    moved = {**config, "archives": "moved"}
    assert workflow.planned("prepare", config=moved) == {}
    os.utime(tmp_path / "moved/BSR_bsds500.tgz", (1, 1))
    assert workflow.planned("prepare", config=moved) == {"fetch_official": 1, "prepare_dataset": 1, "prepare": 1}
    workflow.run("--nolock", "prepare", config=moved)
    assert workflow.planned("prepare", config=moved) == {}
    # A part of the official archive never passes for it.
    assert workflow.planned("prepare", config=config) == {"fetch_official": 1, "prepare_dataset": 1, "prepare": 1}


FIGURES = {"panel", "sensitivity", "dynamics", "short_run", "scatter"}


def documented_reruns() -> dict[str, set[str]]:
    """What config/README.md says that each key reruns; ID and KEY stand for any."""
    text = (REPOSITORY / "config/README.md").read_text(encoding="utf-8")
    table = text.partition("| key | reruns | of them |\n")[2].partition("\n\n")[0]
    rows = [line.split("|")[1:3] for line in table.splitlines()[1:]]
    return {
        key: set(re.findall(r"`(\w+)`", reruns)) - {"snakemake"} | ({"figures"} if "figures" in reruns else set())
        for keys, reruns in rows
        for key in re.findall(r"`([^`]+)`", keys)
    }


def documented_key(path: str, keys: Iterable[str]) -> str:
    """The key of the table that a path falls under: the one that names most of it."""
    patterns = {key: re.sub("ID|KEY", "[^/]+", key) for key in keys}
    found = [key for key, pattern in patterns.items() if re.fullmatch(pattern, path)]
    assert found, f"config/README.md doesn't say what {path} reruns"
    return min(found, key=lambda key: len(re.findall("ID|KEY", key)))


def test_the_documented_reruns_are_those_of_the_dry_runs() -> None:
    documented = documented_reruns()
    seen: dict[str, set[str]] = {key: set() for key in documented}
    new_dataset = ("datasets/other", None, {"prepare_dataset": 1, "score": 3, "table": 1})
    for path, _, jobs in [*CASES, *test_figures.CASES, new_dataset]:
        rules = {"figures" if rule in FIGURES else rule for rule in jobs}
        # What a dataset's preparation reruns is only known afterwards.
        if "prepare_dataset" in rules:
            rules.add("segment")
        seen[documented_key(path, documented)] |= rules
    # The same in one row, so that one key of it is enough.
    for key, like in (("training/KEY", "methods/ID/KEY"), ("panels/ID", "panels/ID/KEY")):
        seen[key] |= seen[like]
    seen["methods/ID/images_per_job"] |= seen["images_per_job"]
    assert seen == documented


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


@pytest.mark.parametrize(
    ("module", "old", "new", "jobs"),
    [
        ("training/losses.py", ".mean()", ".sum()", {"segment": 6, "score": 2, "table": 1, "panel": 1}),
        ("figures/panels.py", "import", "ANSWER = 42\nimport", {"panel": 1}),
        ("training/losses.py", "as released", "as is released", {}),
    ],
)
def test_changed_code_reruns_what_it_decides(
    finished: Workflow, tmp_path: Path, module: str, old: str, new: str, jobs: dict[str, int]
) -> None:
    for part in ("dynseg", "workflow", "envs"):
        shutil.copytree(REPOSITORY / part, tmp_path / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(REPOSITORY / "Snakefile", tmp_path)
    text = (tmp_path / "dynseg" / module).read_text(encoding="utf-8")
    assert old in text
    (tmp_path / "dynseg" / module).write_text(re.sub(f"^(.*){re.escape(old)}", rf"\1{new}", text, count=1, flags=re.M))
    assert finished.planned("--snakefile", str(tmp_path / "Snakefile")) == jobs


@pytest.mark.slow
def test_a_picture_that_an_older_one_replaces_is_segmented_again(finished: Workflow, tmp_path: Path) -> None:
    workflow = Workflow(tmp_path, finished.config)
    shutil.copytree(finished.directory, tmp_path, dirs_exist_ok=True)
    workflow.config = with_change(finished, "datasets/small", write_dataset(tmp_path / "new data", ["a", "b", "c"]))
    workflow.run()
    pictures = tmp_path / "new data/images"
    os.replace(pictures / "c.png", pictures / "b.png")
    shutil.copy(pictures / "b.png", pictures / "c.png")
    os.utime(pictures / "b.png", (10**9, 10**9))
    output = workflow.run("--printshellcmds")
    assert output.count("--batch b ") == 3
    assert "--batch a " not in output
    assert "Nothing to be done" in workflow.run("--dry-run")


@pytest.mark.slow
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
