"""The workflow's configuration: checked against its schema, defaults filled in, and asked what a rule needs to know.

Nothing here reads data or imports torch: the workflow calls it each time it is started.
"""

import copy
import hashlib
import itertools
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator, validators
from jsonschema.exceptions import ValidationError, best_match

from dynseg.code_version import code_version
from dynseg.errors import UserError
from dynseg.methods import Method, find_method
from dynseg.parameters import TrainingParameters, make_parameters, settings_of

Config = dict[str, Any]

# Figures, by the section of the config that names them, which is their folder's name too.
FIGURE_SECTIONS = ("panels", "sensitivity", "dynamics", "scatter")

# Sections whose entries are named by the user: given anew on the command line, they replace the config file's.
NAMED_SECTIONS = ("datasets", "methods", "figure_methods", "tuning", *FIGURE_SECTIONS)

# The id of the dataset that parameters are chosen on.
TUNING_DATASET = "tuning"

ID_PATTERN = r"[A-Za-z0-9._-]+"

# Options of a method's entry that aren't parameters of the method.
ENTRY_KEYS = ("method", "published", "label")


def load_schema(path: str | Path) -> dict[str, Any]:
    """Return the JSON schema that a YAML file holds."""
    return yaml.safe_load(Path(path).read_text(encoding="utf-8"))


def resolve(config: Mapping[str, Any], schema: Mapping[str, Any]) -> Config:
    """Return the configuration with every default filled in, checked.

    Parameters
    ----------
    config : mapping
        As read from YAML.
    schema : mapping
        `workflow/schemas/config.schema.yaml`.

    Raises
    ------
    UserError
        If anything is wrong with it: the sentence names the key.
    """
    if not isinstance(config, Mapping):
        raise UserError("the config is no mapping from keys to values: see config/README.md")
    resolved: Config = copy.deepcopy(dict(config))
    datasets = resolved.get("datasets")
    for dataset_id, entry in datasets.items() if isinstance(datasets, dict) else ():
        if isinstance(entry, dict) and dataset_id in ("bsd500", "voc2012", "mosaic", "photographs"):
            entry.setdefault("kind", dataset_id)
    if isinstance(datasets, dict):
        resolved.setdefault("panels", {dataset_id: {"dataset": dataset_id} for dataset_id in datasets})
    errors = list(_Validator(schema).iter_errors(resolved))
    if errors:
        # A key with a wrong value counts as unknown too, which says less.
        telling = [error for error in errors if error.validator != "unevaluatedProperties"]
        raise UserError(_sentence(best_match(telling or errors)))
    if not any(entry["method"] == "blank" for entry in resolved["methods"].values()):
        resolved["methods"] = {"blank": {"method": "blank"}, **resolved["methods"]}
    _check_methods(resolved)
    _check_datasets(resolved)
    _check_tuning(resolved)
    _check_panels(resolved)
    _check_sensitivity(resolved)
    _check_dynamics(resolved)
    _check_scatter(resolved)
    return resolved


def layer(config: Config, given: Mapping[str, Any]) -> Config:
    """Return the merged configuration, with sections of named entries replaced by those given on the command line.

    Snakemake merges them entry by entry, so that another config file could add datasets and methods but never leave
    any out. Figures of the config file go with the datasets or methods that they show.

    Parameters
    ----------
    config : mapping
        The config file, merged with what the command line gives.
    given : mapping
        What the command line gives, by `--configfile` and `--config`.
    """
    layered = dict(config)
    for section in NAMED_SECTIONS:
        if section in given:
            layered[section] = given[section]
    if "datasets" in given or "methods" in given:
        for section in set(FIGURE_SECTIONS) - set(given):
            layered.pop(section, None)
    if "methods" in given and "figure_methods" not in given:
        layered.pop("figure_methods", None)
    return layered


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
            ".".join(["tune", grid_id, *(f"{name}{value:g}" for name, value in point.items())]),
            {**config["tuning"]["grids"][grid_id], **point},
        )
        for point in points
    ]


def swept_parameters(config: Config, grid_id: str) -> dict[str, list[Any]]:
    """Return the parameters of a grid that have several values."""
    return {name: value for name, value in config["tuning"]["grids"][grid_id].items() if isinstance(value, list)}


def method_of(config: Config, method_id: str) -> Method:
    """Return the method behind an entry of the methods or figure_methods section."""
    return find_method(every_method(config)[method_id]["method"])


def method_settings(config: Config, method_id: str, **changes: Any) -> list[str]:
    """Return all parameters of an entry of the methods or figure_methods section, as texts name=value, sorted.

    Shared training parameters come from the training section, the entry's own override them, and `changes` override
    both.
    """
    return settings_of(_parameters(config, method_id, **changes))


def method_seeds(config: Config, method_id: str) -> list[int]:
    """Return the seeds that a method runs with: all of them, or the first for a method that draws nothing."""
    return config["seeds"] if method_of(config, method_id).uses_seed else config["seeds"][:1]


def published_scores(config: Config) -> list[str]:
    """Return the published scores as texts METHOD:MEASURE=VALUE."""
    return [
        f"{method_id}:{measure}={value:g}"
        for method_id, entry in config["methods"].items()
        for measure, value in entry.get("published", {}).items()
    ]


def method_code_version(config: Config, method_id: str) -> str:
    """Return a digest of the code that decides the method's label maps."""
    return code_version(method_of(config, method_id).segment.__module__, "dynseg.label_maps", "dynseg.images")


def local_archive(entry: Mapping[str, Any]) -> str | None:
    """Return the path that an entry of the datasets section gives as its archive; None if there is none to give."""
    archive = entry.get("archive")
    return None if archive is None or is_url(archive) else archive


def folder_contents(entry: Mapping[str, Any]) -> str:
    """Return a digest of the names, sizes and times of all files in the folders that an entry of the datasets names.

    Snakemake sees a changed folder only by its own time, and takes braces in a file's name for wildcards.
    """
    return _files_digest(entry[name] for name in ("archive", "annotations") if entry.get(name))


def predictions_contents(config: Config, method_id: str) -> str:
    """Return a digest of the files that a method reads its label maps from; of nothing for other methods."""
    entry = every_method(config)[method_id]
    return _files_digest([entry["predictions"]] if "predictions" in entry else [])


def _files_digest(folders: Iterable[str]) -> str:
    digest = hashlib.sha256()
    for folder in map(Path, folders):
        for file in sorted(path for path in folder.rglob("*") if path.is_file()):
            status = file.stat()
            text = f"{file.relative_to(folder)}\0{status.st_size}\0{status.st_mtime_ns}\0"
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
        if entry["method"] == "cnn" and _settings_beside_scheme(config, method_id) == shared
    ]
    entries = every_method(config)
    return {method_id: (entries[method_id]["scheme"], float(entries[method_id]["mu"])) for method_id in methods}


def dynamics_iterations(config: Config, figure: Mapping[str, Any], method_id: str) -> list[int]:
    """Return the iterations whose label maps a figure of dynamics shows of a method: no more than the method runs."""
    last = _parameters(config, method_id).iterations
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


def _parameters(config: Config, method_id: str, **changes: Any) -> Any:
    entry = every_method(config)[method_id]
    own = {name: value for name, value in entry.items() if name not in ENTRY_KEYS}
    cls = find_method(entry["method"]).parameters
    shared = config["training"] if issubclass(cls, TrainingParameters) else {}
    try:
        return make_parameters(cls, {**shared, **own, **changes})
    except UserError as error:
        raise UserError(f"config: methods/{method_id}: {error}") from error


def _check_methods(config: Config) -> None:
    for method_id in config["methods"].keys() & config["figure_methods"].keys():
        raise UserError(f"config: figure_methods/{method_id} is in the methods section too: leave it out here")
    seen: dict[tuple[str, ...], str] = {}
    for method_id, entry in {**config["methods"], **config["figure_methods"]}.items():
        try:
            find_method(entry["method"])
        except UserError as error:
            raise UserError(f"config: methods/{method_id}/method: {error}") from error
        key = (entry["method"], *method_settings(config, method_id))
        if key in seen:
            raise UserError(
                f"config: methods/{method_id} is the same as methods/{seen[key]}: change a parameter or leave one out"
            )
        seen[key] = method_id


def _check_tuning(config: Config) -> None:
    for grid_id in config["tuning"]["grids"]:
        if not swept_parameters(config, grid_id):
            raise UserError(f"config: tuning/grids/{grid_id} has no list of values: give one for each swept parameter")
        for point_id, entry in grid(config, grid_id):
            try:
                find_method(entry["method"])
            except UserError as error:
                raise UserError(f"config: tuning/grids/{grid_id}/method: {error}") from error
            method_settings(config, point_id)
    if TUNING_DATASET in config["datasets"]:
        raise UserError(
            f"config: datasets/{TUNING_DATASET} is the name of the tuning section's dataset: choose another"
        )
    if not has_ground_truth(config["tuning"]["dataset"]):
        raise UserError("config: tuning/dataset has no annotations to choose by: give the folder of its annotations")


def _check_datasets(config: Config) -> None:
    for dataset_id, entry in every_dataset(config).items():
        key = f"config: datasets/{dataset_id}"
        if entry["kind"] == "folder" and not entry.get("archive"):
            raise UserError(f"{key}/archive is missing: give the folder of images")
        for name in ("archive", "annotations", "ids"):
            path = entry.get(name)
            if path and not is_url(path) and not Path(path).exists():
                raise UserError(f"{key}/{name}: {path} doesn't exist: correct the path (relative to {Path.cwd()})")
            if path and re.search("[{}]", path):
                raise UserError(f"{key}/{name}: {path} has braces, which Snakemake can't take: rename it")


def _check_panels(config: Config) -> None:
    for panel_id, panel in config["panels"].items():
        key = f"config: panels/{panel_id}"
        datasets = [shown["dataset"] for shown in panel_shows(panel)]
        for dataset in datasets:
            _check_dataset_is_known(config, key, dataset)
            if datasets.count(dataset) > 1:
                raise UserError(f"{key}/show: the dataset {dataset!r} comes twice: give its images in one list")
        for method in panel.get("methods", []):
            by_dataset = method["by_dataset"] if isinstance(method, Mapping) else {datasets[0]: method}
            _check_methods_are_known(config, key, by_dataset.values())
            for dataset in by_dataset.keys() - set(datasets):
                raise UserError(
                    f"{key}/methods: by_dataset names {dataset!r}, which the panel doesn't show: leave it out"
                )
        _check_labels_differ(key, [label for label, _ in panel_methods(config, panel)])


def _check_sensitivity(config: Config) -> None:
    for figure_id, figure in config["sensitivity"].items():
        key = f"config: sensitivity/{figure_id}"
        _check_dataset_is_scored(config, key, figure["dataset"])
        _check_methods_train_with_a_scheme(config, key, figure.get("methods", []))
        points = sensitivity_methods(config, figure)
        if len({tuple(_settings_beside_scheme(config, method_id)) for method_id in points}) > 1:
            raise UserError(f"{key}/methods: they differ in more than scheme and mu: name others")
        schemes = [scheme for scheme, _ in points.values()]
        if len(set(schemes)) == len(schemes):
            raise UserError(f"{key}: no scheme has two values of mu to compare: add methods or leave the figure out")


def _check_dynamics(config: Config) -> None:
    for figure_id, figure in config["dynamics"].items():
        key = f"config: dynamics/{figure_id}"
        _check_dataset_is_known(config, key, figure["dataset"])
        _check_methods_train_with_a_scheme(config, key, figure["methods"])
        _check_labels_differ(key, [method_label(config, method_id) for method_id in figure["methods"]])


def _check_scatter(config: Config) -> None:
    for figure_id, figure in config["scatter"].items():
        key = f"config: scatter/{figure_id}"
        _check_dataset_is_scored(config, key, figure["dataset"])
        _check_methods_are_known(config, key, figure["methods"])
        _check_labels_differ(key, [method_label(config, method_id) for method_id in figure["methods"]])


def _check_labels_differ(key: str, labels: list[str]) -> None:
    for label in labels:
        if labels.count(label) > 1:
            raise UserError(f"{key}/methods: two of them have the label {label!r}: change one")


def _check_dataset_is_known(config: Config, key: str, dataset: str) -> None:
    if dataset not in config["datasets"]:
        raise UserError(f"{key}/dataset: there is no dataset {dataset!r} in the datasets section")


def _check_dataset_is_scored(config: Config, key: str, dataset: str) -> None:
    _check_dataset_is_known(config, key, dataset)
    if not has_ground_truth(config["datasets"][dataset]):
        raise UserError(f"{key}/dataset: {dataset!r} has no ground truth to score with: name another dataset")


def _check_methods_are_known(config: Config, key: str, methods: Iterable[str]) -> None:
    for method_id in methods:
        if method_id not in every_method(config):
            raise UserError(f"{key}/methods: there is no method {method_id!r} in the methods or figure_methods section")


def _check_methods_train_with_a_scheme(config: Config, key: str, methods: Sequence[str]) -> None:
    _check_methods_are_known(config, key, methods)
    for method_id in methods:
        if every_method(config)[method_id]["method"] != "cnn":
            raise UserError(f"{key}/methods: {method_id!r} has no weighting scheme: name methods of cnn")


def _settings_beside_scheme(config: Config, method_id: str) -> list[str]:
    settings = method_settings(config, method_id)
    return [text for text in settings if text.partition("=")[0] not in ("scheme", "mu")]


def is_url(text: str) -> bool:
    """Tell whether a text is the address of a download."""
    return re.match(r"(https?|ftp)://", text) is not None


def _sentence(error: ValidationError) -> str:
    key = "/".join(str(part) for part in error.absolute_path)
    expected = error.schema.get("description", "") if isinstance(error.schema, Mapping) else ""
    message = error.message if len(error.message) < 200 else f"{error.message[:200]}…"
    return f"config: {key or 'top level'}: {message}{f' ({expected})' if expected else ''}: see config/README.md"


def _fill_defaults(
    validator: Any, properties: Mapping[str, Any], instance: Any, schema: Mapping[str, Any]
) -> Iterator[ValidationError]:
    if isinstance(instance, dict):
        for name, subschema in properties.items():
            if "default" in subschema:
                instance.setdefault(name, copy.deepcopy(subschema["default"]))
    yield from Draft202012Validator.VALIDATORS["properties"](validator, properties, instance, schema)


_Validator = validators.extend(Draft202012Validator, {"properties": _fill_defaults})
