"""Finding in a results tree what the report shows."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from dynseg.datasets.reading import read_image_list, read_image_sizes
from dynseg.errors import UserError
from dynseg.figures.inputs import locate_label_maps
from dynseg.io.label_maps import read_attributes
from dynseg.scoring.scores import read_scores
from dynseg.workflow.batches import run_files
from dynseg.workflow.layout import ResultsTree
from dynseg.workflow.methods import images_per_job


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
    """Look through a results tree.

    Parameters
    ----------
    folder : Path
        The workflow's `results`.
    config : mapping
        The resolved configuration. Its `datasets` and `methods` are shown, in its order and with its labels; all that
        is found, if it has none. The first of its `seeds` is shown, or the smallest seed that there is.

    Raises
    ------
    UserError
        If there is no prepared dataset in `folder`, or a file in it can't be read.
    """
    tree = ResultsTree(folder)
    datasets = _labels(config.get("datasets")) or {name: name for name in _folders(tree.datasets)}
    datasets = {name: label for name, label in datasets.items() if tree.dataset(name).image_list.exists()}
    if not datasets:
        expected = tree.dataset("NAME").image_list.relative_to(folder)
        raise UserError(f"{folder} holds no prepared dataset ({expected}): name the results of a run")
    methods = _labels(config.get("methods")) or {
        name: name for name in sorted({name for dataset in datasets for name in _folders(tree.methods(dataset))})
    }
    images = {dataset: read_image_list(tree.dataset(dataset).folder) for dataset in datasets}
    runs = {}
    for dataset in datasets:
        for method in methods:
            seed = _seed(tree.seeds(dataset, method), config.get("seeds", []))
            if seed is not None:
                run = tree.label_maps(dataset, method, seed)
                label_maps = locate_label_maps(
                    run_files(run, images[dataset], _images_per_job(tree.dataset(dataset).folder, config, method))
                    if "images_per_job" in config
                    else [run]
                )
                scores = tree.scores(dataset, method, seed)
                runs[dataset, method] = Run(label_maps, read_scores(scores) if scores.exists() else pd.DataFrame())
    entries = (config.get("methods") or {}).items()
    blank = {name for name, entry in entries if isinstance(entry, Mapping) and entry.get("method") == "blank"}
    return Results(folder, datasets, methods, blank, images, runs)


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


def _images_per_job(dataset_dir: Path | str, config: Mapping[str, Any], method: str) -> int:
    wanted = config.get("methods", {}).get(method, {}).get("images_per_job", config["images_per_job"])
    if wanted != "auto":
        return wanted
    return images_per_job(dict(config), method, read_image_sizes(dataset_dir).values())


def _labels(section: Any) -> dict[str, str]:
    if not isinstance(section, Mapping):
        return {}
    return {
        name: str((entry or {}).get("label", name)) if isinstance(entry, Mapping | None) else name
        for name, entry in section.items()
    }


def _folders(parent: Path) -> list[str]:
    return sorted(path.name for path in parent.iterdir() if path.is_dir()) if parent.is_dir() else []


def _seed(found: list[int], wanted: list[int]) -> int | None:
    return wanted[0] if wanted and wanted[0] in found else min(found, default=None)


def _mapping(value: Any) -> dict[str, Any]:
    found = json.loads(value) if isinstance(value, str) else value
    return dict(found) if isinstance(found, Mapping) else {}
