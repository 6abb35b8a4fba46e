"""Read what the report shows of a results tree: label maps, scores, and what made them in which time."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from dynseg.datasets.reading import read_image_list, read_image_sizes
from dynseg.errors import UserError
from dynseg.io.label_maps import files_by_image, read_attributes
from dynseg.scoring.scores import read_scores
from dynseg.workflow.batches import run_files
from dynseg.workflow.datasets import dataset_label
from dynseg.workflow.layout import ResultsTree
from dynseg.workflow.methods import images_per_job, images_per_job_setting, method_label, method_seeds
from dynseg.workflow.resolved import Config


@dataclass(frozen=True)
class Run:
    """One method on one dataset, with one seed.

    Attributes
    ----------
    label_maps : dict of str to Path
        The label map file of every image id.
    scores : DataFrame
        Its score table, without rows where the dataset has no ground truth.
    """

    label_maps: dict[str, Path]
    scores: pd.DataFrame


@dataclass(frozen=True)
class Results:
    """What a results tree holds.

    Attributes
    ----------
    folder : Path
        The tree itself.
    datasets, methods : dict of str to str
        Labels by id, in the order of the report.
    blank : set of str
        Ids of the methods that are the blank image.
    images : dict of str to list of str
        Image ids by dataset.
    runs : dict of (str, str) to Run
        By dataset and method.
    """

    folder: Path
    datasets: dict[str, str]
    methods: dict[str, str]
    blank: set[str]
    images: dict[str, list[str]]
    runs: dict[tuple[str, str], Run]


def read_results(folder: Path, config: Mapping[str, Any]) -> Results:
    """Read what the report shows of a results tree.

    Parameters
    ----------
    folder : Path
        The workflow's `results`.
    config : mapping
        The resolved configuration: its datasets and methods are shown, in its order and with its labels, by the first
        of its seeds. A dataset that isn't prepared and a method that wasn't run are left out.

    Raises
    ------
    UserError
        If there is no prepared dataset in `folder`, or a file in it can't be read.
    """
    settings = dict(config)
    tree = ResultsTree(folder)
    images = {
        dataset: read_image_list(tree.dataset(dataset).folder)
        for dataset in settings["datasets"]
        if tree.dataset(dataset).image_list.exists()
    }
    if not images:
        expected = tree.dataset("NAME").image_list.relative_to(folder)
        raise UserError(f"{folder} holds no prepared dataset ({expected}): name the results of a run")
    runs = {
        (dataset, method): run
        for dataset in images
        for method in settings["methods"]
        if (run := _read_run(tree, settings, dataset, method, images[dataset])) is not None
    }
    return Results(
        folder,
        {dataset: dataset_label(settings, dataset) for dataset in images},
        {method: method_label(settings, method) for method in settings["methods"]},
        {method for method, entry in settings["methods"].items() if entry["method"] == "blank"},
        images,
        runs,
    )


def _read_run(tree: ResultsTree, config: Config, dataset: str, method: str, images: Sequence[str]) -> Run | None:
    seed = method_seeds(config, method)[0]
    label_maps = tree.label_maps(dataset, method, seed)
    if not label_maps.is_dir():
        return None
    sizes = read_image_sizes(tree.dataset(dataset).folder) if _is_auto(config, method) else {}
    count = images_per_job(config, method, sizes.values())
    scores = tree.scores(dataset, method, seed)
    return Run(
        files_by_image(run_files(label_maps, images, count)), read_scores(scores) if scores.exists() else pd.DataFrame()
    )


def _is_auto(config: Config, method: str) -> bool:
    return bool(images_per_job_setting(config, method) == "auto")


def segmentation_facts(results: Results) -> list[dict[str, Any]]:
    """Return what made the label maps of each run: one row a method and dataset, in the report's order.

    Returns
    -------
    list of dict
        `dataset` and `method` (labels), `parameters` (dict), `seed`, `device`, `versions` (dict), `images`,
        `seconds` (total; None where the files don't say).
    """
    rows = []
    for (dataset, method), run in results.runs.items():
        facts = [
            read_attributes(run.label_maps[image_id], image_id)
            for image_id in results.images[dataset]
            if image_id in run.label_maps
        ]
        if not facts:
            continue
        seconds = [float(fact["seconds"]) for fact in facts if "seconds" in fact]
        rows.append(
            {
                "dataset": results.datasets[dataset],
                "method": results.methods[method],
                "parameters": _mapping(facts[0].get("parameters")),
                "seed": facts[0].get("seed", ""),
                "device": facts[0].get("device", ""),
                "versions": _mapping(facts[0].get("versions")),
                "images": len(facts),
                "seconds": sum(seconds) if seconds else None,
            }
        )
    return rows


def stage_times(folder: Path) -> list[dict[str, Any]]:
    """Return how long each stage of the workflow took, from Snakemake's files in `benchmarks/STAGE/`.

    Returns
    -------
    list of dict
        `stage`, `jobs`, `seconds` (total) and `longest` (one job), the longest stage first.
    """
    rows = []
    benchmarks = ResultsTree(folder).benchmarks
    for stage in _folders(benchmarks):
        files = sorted((benchmarks / stage).rglob("*.tsv"))
        seconds = [float(value) for file in files for value in pd.read_csv(file, sep="\t")["s"]]
        if seconds:
            rows.append({"stage": stage, "jobs": len(seconds), "seconds": sum(seconds), "longest": max(seconds)})
    return sorted(rows, key=lambda row: -row["seconds"])


def _folders(parent: Path) -> list[str]:
    return sorted(path.name for path in parent.iterdir() if path.is_dir()) if parent.is_dir() else []


def _mapping(value: Any) -> dict[str, Any]:
    found = json.loads(value) if isinstance(value, str) else value
    return dict(found) if isinstance(found, Mapping) else {}
