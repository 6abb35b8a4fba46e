"""What the configuration says of figures: the files that each is drawn from, and the options that draw it.

Functions that take `Jobs` need the datasets that `figure_datasets` names to be prepared.
"""

from collections.abc import Mapping
from typing import Any

from dynseg.errors import UserError
from dynseg.workflow.datasets import dataset_label
from dynseg.workflow.jobs import Jobs
from dynseg.workflow.layout import ResultsTree
from dynseg.workflow.methods import method_label, method_parameters, method_seeds, sensitivity_methods
from dynseg.workflow.resolved import Config

# Figures, by the section of the config that names them, which is their folder's name too.
FIGURE_SECTIONS = ("panels", "sensitivity", "dynamics", "scatter")


def figure_files(config: Config, extensions: list[str]) -> list[str]:
    """Return the files of all figures of the configuration, in some formats."""
    results = ResultsTree(config["results"])
    return [
        str(results.figure(section, figure, extension))
        for section in FIGURE_SECTIONS
        for figure in config[section]
        for extension in extensions
    ]


def figure_datasets(config: Config, section: str, figure: str) -> list[str]:
    """Return the ids of the datasets whose images a figure shows."""
    entry = config[section][figure]
    return [shown["dataset"] for shown in panel_shows(entry)]


def panel_shows(panel: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return what a panel shows of each dataset, as mappings with `dataset` and `images`."""
    return panel.get("show") or [panel]


def panel_images(panel: Mapping[str, Any], image_ids: list[str]) -> list[str]:
    """Return the ids of the images that a panel shows of a dataset: those it names, or some that are evenly spread.

    Parameters
    ----------
    panel : mapping
        An element of `panel_shows`.
    image_ids : list of str
        Of all images of the dataset.

    Raises
    ------
    UserError
        If the dataset has no image of a name.
    """
    images = panel["images"]
    if isinstance(images, list):
        unknown = sorted(set(images) - set(image_ids))
        if unknown:
            raise UserError(
                f"config: the dataset {panel['dataset']} has no image {unknown[0]!r}, shown in a figure: see images.txt"
            )
        return images
    count = min(images, len(image_ids))
    return [image_ids[index * len(image_ids) // count] for index in range(count)]


def panel_methods(config: Config, panel: Mapping[str, Any]) -> list[tuple[str, Mapping[str, str]]]:
    """Return the methods that a panel shows, in order: of each the label, and the method's id by dataset."""
    every = [method_id for method_id, entry in config["methods"].items() if entry["method"] != "blank"]
    datasets = [shown["dataset"] for shown in panel_shows(panel)]
    return [
        (method["label"], method["by_dataset"])
        if isinstance(method, Mapping)
        else (method_label(config, method), dict.fromkeys(datasets, method))
        for method in panel.get("methods") or every or list(config["methods"])
    ]


def panel_seed(config: Config, panel: Mapping[str, Any], method_id: str) -> int:
    """Return the seed of the label maps that a panel shows of a method."""
    seeds = method_seeds(config, method_id)
    return panel["seed"] if panel.get("seed") in seeds else seeds[0]


def shown_images(jobs: Jobs, panel: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the ids of the images that a panel shows, by dataset."""
    return {shown["dataset"]: panel_images(shown, jobs.image_ids(shown["dataset"])) for shown in panel_shows(panel)}


def panel_runs(jobs: Jobs, figure: str) -> dict[str, list[str]]:
    """Return the label map files of the images that a panel shows, by LABEL@DATASET."""
    entry = jobs.config["panels"][figure]
    images = shown_images(jobs, entry)
    return {
        f"{label}@{dataset}": jobs.label_maps(
            dataset, methods[dataset], panel_seed(jobs.config, entry, methods[dataset]), images[dataset]
        )
        for label, methods in panel_methods(jobs.config, entry)
        for dataset in images
        if dataset in methods
    }


def panel_options(jobs: Jobs, figure: str) -> list[str]:
    """Return the options of `dynseg panel` that a panel of the configuration stands for."""
    entry = jobs.config["panels"][figure]
    images = shown_images(jobs, entry)
    return [
        *(f"--dataset-dir={jobs.results.dataset(dataset).folder}" for dataset in images),
        *(f"--dataset-label={dataset}={dataset_label(jobs.config, dataset)}" for dataset in images),
        *(f"--run={name}={','.join(files)}" for name, files in panel_runs(jobs, figure).items()),
        *(f"--images={dataset}/{image_id}" for dataset, ids in images.items() for image_id in ids),
        "--ground-truth" if entry["ground_truth"] else "--no-ground-truth",
        f"--colours={entry['colours']}",
        f"--images-as={entry['images_as']}",
        f"--width={entry['width']}",
    ]


def sensitivity_scores(config: Config, figure: str) -> list[tuple[str, str]]:
    """Return SCHEME:MU and the score file of every run that a figure of sensitivity compares."""
    entry = config["sensitivity"][figure]
    results = ResultsTree(config["results"])
    return [
        (f"{scheme}:{mu}", str(results.scores(entry["dataset"], method, seed)))
        for method, (scheme, mu) in sensitivity_methods(config, entry).items()
        for seed in method_seeds(config, method)
    ]


def sensitivity_options(config: Config, figure: str) -> list[str]:
    """Return the options of `dynseg sensitivity` that a figure of the configuration stands for."""
    measures = config["sensitivity"][figure].get("measures", ["mean"])
    return [*score_options(sensitivity_scores(config, figure)), *(f"--measure={measure}" for measure in measures)]


def scatter_scores(config: Config, figure: str) -> list[tuple[str, str]]:
    """Return the label and the score file of the two methods that a scatter figure compares."""
    entry = config["scatter"][figure]
    results = ResultsTree(config["results"])
    return [
        (
            method_label(config, method),
            str(results.scores(entry["dataset"], method, method_seeds(config, method)[0])),
        )
        for method in entry["methods"]
    ]


def score_options(scores: list[tuple[str, str]]) -> list[str]:
    """Return the options of `dynseg sensitivity` or `dynseg scatter` that name what they compare."""
    return [f"--scores={name}={file}" for name, file in scores]


def dynamics_iterations(config: Config, figure: Mapping[str, Any], method_id: str) -> list[int]:
    """Return the iterations whose label maps a figure of dynamics shows of a method: no more than the method runs."""
    last = method_parameters(config, method_id).iterations
    return [iteration for iteration in figure["iterations"] if iteration <= last]


def dynamics_image(jobs: Jobs, figure: str) -> str:
    """Return the id of the image that a figure of dynamics shows.

    Raises
    ------
    UserError
        If its dataset has no such image.
    """
    entry = jobs.config["dynamics"][figure]
    shown = {"dataset": entry["dataset"], "images": [entry["image"]]}
    return panel_images(shown, jobs.image_ids(entry["dataset"]))[0]


def dynamics_runs(jobs: Jobs, figure: str) -> dict[str, list[str]]:
    """Return the label map files of the image that a figure of dynamics shows, by the method's label."""
    entry = jobs.config["dynamics"][figure]
    image_id = dynamics_image(jobs, figure)
    return {
        method_label(jobs.config, method): jobs.label_maps(
            entry["dataset"], method, method_seeds(jobs.config, method)[0], [image_id]
        )
        for method in entry["methods"]
    }


def dynamics_label_maps(jobs: Jobs, figure: str) -> dict[str, str]:
    """Return the label map files after fewer iterations that a figure of dynamics shows, by LABEL:ITERATION."""
    entry = jobs.config["dynamics"][figure]
    image_id = dynamics_image(jobs, figure)
    return {
        f"{method_label(jobs.config, method)}:{iteration}": str(
            jobs.results.short_run(
                entry["dataset"], method, method_seeds(jobs.config, method)[0], iteration, batch=image_id
            )
        )
        for method in entry["methods"]
        for iteration in dynamics_iterations(jobs.config, entry, method)
    }


def dynamics_options(jobs: Jobs, figure: str) -> list[str]:
    """Return the options of `dynseg dynamics` that a figure of dynamics stands for."""
    return [
        f"--image={dynamics_image(jobs, figure)}",
        *(f"--run={label}={','.join(files)}" for label, files in dynamics_runs(jobs, figure).items()),
        *(f"--label-map={name}={file}" for name, file in dynamics_label_maps(jobs, figure).items()),
    ]
