"""What the workflow's rules ask of a resolved configuration: inputs, options and parameters, by the ids in it.

Nothing here reads data or imports torch: the workflow calls it each time it is started.
"""

import hashlib
import itertools
import json
import os
import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from dynseg.code_version import label_map_code
from dynseg.errors import UserError
from dynseg.methods import Method, find_method
from dynseg.parameters import make_parameters, settings_of
from dynseg.training.parameters import TrainingParameters
from dynseg.workflow.cost import Size, choose_images_per_job

Config = dict[str, Any]

# Figures, by the section of the config that names them, which is their folder's name too.
FIGURE_SECTIONS = ("panels", "sensitivity", "dynamics", "scatter")

# The id of the dataset that parameters are chosen on.
TUNING_DATASET = "tuning"

ID_PATTERN = r"[A-Za-z0-9_][A-Za-z0-9._-]*"

# Options of a method's entry that aren't parameters of the method.
ENTRY_KEYS = ("method", "published", "label", "images_per_job")


def every_method(config: Config) -> dict[str, Any]:
    """Return the entries of all methods by id: those of the table, those that only figures show, and grids' points."""
    points = {point_id: entry for grid_id in config["tuning"]["grids"] for point_id, entry in grid(config, grid_id)}
    return {**config["methods"], **config["figure_methods"], **points}


def every_dataset(config: Config) -> dict[str, Any]:
    """Return the entries of all datasets by id: those of the datasets section, then that of the tuning section."""
    return {**config["datasets"], TUNING_DATASET: config["tuning"]["dataset"]}


def grid(config: Config, grid_id: str) -> list[tuple[str, dict[str, Any]]]:
    """Return the points of a grid of the tuning section: their ids and their entries as methods."""
    swept = swept_parameters(config, grid_id)
    points = [dict(zip(swept, values, strict=True)) for values in itertools.product(*swept.values())]
    return [
        (
            ".".join(["tune", grid_id, *(f"{name}{number_text(value)}" for name, value in point.items())]),
            {**config["tuning"]["grids"][grid_id], **point},
        )
        for point in points
    ]


def number_text(value: float) -> str:
    """Return a number as the shortest decimal text that stands for no other number; an exponent has no place in ids."""
    return format(Decimal(str(value)).normalize(), "f")


def swept_parameters(config: Config, grid_id: str) -> dict[str, list[Any]]:
    """Return the parameters of a grid that have several values."""
    return {name: value for name, value in config["tuning"]["grids"][grid_id].items() if isinstance(value, list)}


def method_of(config: Config, method_id: str) -> Method:
    """Return the method behind an entry of the methods or figure_methods section."""
    return find_method(every_method(config)[method_id]["method"])


def method_parameters(config: Config, method_id: str, **changes: Any) -> Any:
    """Return the parameters of an entry of the methods or figure_methods section, of its method's own class.

    Shared training parameters come from the training section, the entry's own override them, and `changes` override
    both.
    """
    entry = every_method(config)[method_id]
    own = {name: value for name, value in entry.items() if name not in ENTRY_KEYS}
    method = find_method(entry["method"])
    shared = config["training"] if issubclass(method.parameters, TrainingParameters) else {}
    try:
        return method.make_parameters({**shared, **own, **changes})
    except UserError as error:
        raise UserError(f"config: methods/{method_id}: {error}") from error


def method_settings(config: Config, method_id: str, **changes: Any) -> list[str]:
    """Return the parameters of an entry as texts name=value, sorted: see `method_parameters`."""
    return settings_of(method_parameters(config, method_id, **changes))


def method_seeds(config: Config, method_id: str) -> list[int]:
    """Return the seeds that a method runs with: all of them, or the first for a method that draws nothing."""
    return config["seeds"] if method_of(config, method_id).uses_seed else config["seeds"][:1]


def images_per_job(config: Config, method_id: str, sizes: Iterable[Size]) -> int:
    """Return how many images a job of a method takes; all points of a grid have the same batches.

    Parameters
    ----------
    config : mapping
    method_id : str
    sizes : iterable of (int, int)
        Height and width of all images of the dataset, in pixels; looked at for "auto" alone.
    """
    wanted = images_per_job_setting(config, method_id)
    if wanted != "auto":
        return wanted
    grids = ([point_id for point_id, _ in grid(config, grid_id)] for grid_id in config["tuning"]["grids"])
    beside = next((points for points in grids if method_id in points), [method_id])
    parameters = [method_parameters(config, each) for each in beside]
    return choose_images_per_job(method_of(config, method_id), parameters, sizes)


def images_per_job_setting(config: Config, method_id: str) -> Any:
    """Return what the configuration says of a method's images a job: a number or "auto"."""
    return every_method(config)[method_id].get("images_per_job", config["images_per_job"])


def published_scores(config: Config) -> list[str]:
    """Return the published scores as texts METHOD:MEASURE=VALUE."""
    return [
        f"{method_id}:{measure}={value:g}"
        for method_id, entry in config["methods"].items()
        for measure, value in entry.get("published", {}).items()
    ]


def method_code_version(config: Config, method_id: str) -> str:
    """Return a digest of the code that decides the method's label maps."""
    return label_map_code(method_of(config, method_id))


def local_archive(entry: Mapping[str, Any]) -> str | None:
    """Return the path that an entry of the datasets section gives as its archive; None if there is none to give."""
    archive = entry.get("archive")
    return None if archive is None or is_url(archive) else archive


def folder_contents(entry: Mapping[str, Any]) -> str:
    """Return a digest of the names, sizes and times of all files in the folders that an entry of the datasets names.

    Snakemake sees a changed folder only by its own time, and takes braces in a file's name for wildcards.
    """
    return _files_digest(entry[name] for name in ("archive", "annotations") if os.path.isdir(entry.get(name, "")))


def predictions_contents(config: Config, method_id: str) -> str:
    """Return a digest of the files that a method reads its label maps from; of nothing for other methods."""
    entry = every_method(config)[method_id]
    return _files_digest([entry["predictions"]] if "predictions" in entry else [])


def _files_digest(paths: Iterable[str]) -> str:
    digest = hashlib.sha256()
    for path in map(Path, paths):
        for file in sorted(each for each in (path, *path.rglob("*")) if each.is_file()):
            status = file.stat()
            text = f"{file.relative_to(path)}\0{status.st_size}\0{status.st_mtime_ns}\0"
            digest.update(text.encode(errors="surrogateescape"))
    return digest.hexdigest()[:12]


def prepare_options(entry: Mapping[str, Any]) -> list[str]:
    """Return the options of `dynseg prepare` that an entry of the datasets section stands for."""
    names = ["split", "masks", "void", "annotations", "ids", "sample"]
    if "sample" in entry:
        names.append("sample_seed")
    return [text for name in names if name in entry for text in (f"--{name.replace('_', '-')}", str(entry[name]))]


def export_options(entry: Mapping[str, Any]) -> list[str]:
    """Return the options of `dynseg export-photographs` that an entry of the datasets section stands for."""
    return ["--longest-side", str(entry["longest_side"])] if "longest_side" in entry else []


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


def sensitivity_methods(config: Config, figure: Mapping[str, Any]) -> dict[str, tuple[str, float]]:
    """Return the scheme and μ of the methods that a sensitivity figure compares, by the method's id.

    They are those that it names, or all `cnn` methods of the table that change nothing else of the training section.
    """
    shared = settings_of(make_parameters(TrainingParameters, config["training"]))
    methods = figure.get("methods") or [
        method_id
        for method_id, entry in config["methods"].items()
        if entry["method"] == "cnn" and settings_beside_scheme(config, method_id) == shared
    ]
    entries = every_method(config)
    return {method_id: (entries[method_id]["scheme"], float(entries[method_id]["mu"])) for method_id in methods}


def dynamics_iterations(config: Config, figure: Mapping[str, Any], method_id: str) -> list[int]:
    """Return the iterations whose label maps a figure of dynamics shows of a method: no more than the method runs."""
    last = method_parameters(config, method_id).iterations
    return [iteration for iteration in figure["iterations"] if iteration <= last]


def method_label(config: Config, method_id: str) -> str:
    """Return a method's name in tables and figures."""
    return every_method(config)[method_id].get("label", method_id)


def recorded(config: Config) -> str:
    """Return what decides the results, as JSON: the configuration without paths, device and threads."""
    left_out = ("results", "resources", "device", "threads")
    return json.dumps({name: value for name, value in config.items() if name not in left_out}, ensure_ascii=False)


def dataset_label(config: Config, dataset_id: str) -> str:
    """Return a dataset's name in tables and figures."""
    return config["datasets"][dataset_id].get("label", dataset_id)


def scored_datasets(config: Config) -> list[str]:
    """Return the ids of the datasets with a ground truth."""
    return [dataset_id for dataset_id, entry in config["datasets"].items() if has_ground_truth(entry)]


def has_ground_truth(entry: Mapping[str, Any]) -> bool:
    """Tell whether an entry of the datasets section brings annotations."""
    return entry["kind"] in ("bsd500", "voc2012", "mosaic") or bool(entry.get("annotations"))


def settings_beside_scheme(config: Config, method_id: str) -> list[str]:
    """Return the parameters of a method of `cnn` other than its scheme and μ, as texts name=value."""
    settings = method_settings(config, method_id)
    return [text for text in settings if text.partition("=")[0] not in ("scheme", "mu")]


def is_url(text: str) -> bool:
    """Tell whether a text is the address of a download."""
    return re.match(r"https?://", text) is not None
