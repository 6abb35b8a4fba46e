"""The workflow's configuration: layered, checked against its schema, defaults filled in.

Nothing here reads data or imports torch: the workflow calls it each time it is started.
"""

import copy
import difflib
import functools
import math
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator, validators
from jsonschema.exceptions import ValidationError, best_match

from dynseg.datasets import MODULES, find_kind, kind_names
from dynseg.errors import UserError
from dynseg.methods import find_method
from dynseg.scoring.measures import MEASURES, table_measures
from dynseg.workflow.datasets import TUNING_DATASET, every_dataset, has_ground_truth, is_url
from dynseg.workflow.figures import FIGURE_SECTIONS, panel_methods, panel_shows
from dynseg.workflow.methods import (
    every_method,
    grid,
    method_label,
    method_scales,
    method_settings,
    sensitivity_methods,
    settings_beside_scheme,
    swept_parameters,
)
from dynseg.workflow.resolved import Config
from dynseg.workflow.schema import config_schema
from dynseg.workflow.sources import Part, with_source

# What the workflow's files are laid over, from the working directory.
DEFAULT_CONFIG = Path("config", "config.yaml")
# Sections whose entries are named by the user: given anew on the command line, they replace the config file's.
NAMED_SECTIONS = ("datasets", "methods", "figure_methods", "tuning", *FIGURE_SECTIONS)


_PATHS = {"results", "resources", "archives", "archive", "annotations", "ids", "predictions"}
_LARGEST_BITS = 63
_UNKNOWN_KEY = ("additionalProperties", "unevaluatedProperties")
# How near a name must be to be meant by another, of 1.
_NEAR = 0.75


def resolve(config: Mapping[str, Any]) -> Config:
    """Return the configuration with every default filled in, checked.

    Parameters
    ----------
    config : mapping
        As read from YAML.

    Raises
    ------
    UserError
        If anything is wrong with it: the sentence names the key.
    """
    if not isinstance(config, Mapping):
        raise UserError("the config is no mapping from keys to values: see config/README.md")
    _check_plain(config, "")
    resolved: Config = copy.deepcopy(dict(config))
    datasets = resolved.get("datasets")
    for dataset_id, entry in datasets.items() if isinstance(datasets, dict) else ():
        if isinstance(entry, dict) and dataset_id in MODULES and not find_kind(dataset_id).needs_archive:
            entry.setdefault("kind", dataset_id)
    if isinstance(datasets, dict):
        resolved.setdefault("panels", {dataset_id: {"dataset": dataset_id} for dataset_id in datasets})
    errors = list(_Validator(config_schema()).iter_errors(resolved))
    if errors:
        # A key with a wrong value counts as unknown too, which says less.
        telling = [error for error in errors if error.validator != "unevaluatedProperties"]
        misspelt = next(filter(None, map(_misspelt, errors)), None)
        raise UserError(misspelt or _without_datasets(resolved) or _sentence(best_match(telling or errors)))
    if not any(entry["method"] == "blank" for entry in resolved["methods"].values()):
        resolved["methods"] = {"blank": {"method": "blank", "images_per_job": 100}, **resolved["methods"]}
    _expand_homes(resolved)
    _check_folders(resolved)
    _check_methods(resolved)
    _check_published(resolved)
    _check_datasets(resolved)
    _check_tuning(resolved)
    _check_panels(resolved)
    _check_sensitivity(resolved)
    _check_dynamics(resolved)
    _check_scatter(resolved)
    return resolved


def _check_plain(value: Any, path: str) -> None:
    """Refuse keys that YAML takes for something else than text, and numbers that no computation takes."""
    if isinstance(value, Mapping):
        for key, part in value.items():
            if not isinstance(key, str):
                raise UserError(f"config: {path or 'top level'}: the key {key!r} isn't text: put it in quotes")
            _check_plain(part, f"{path}/{key}" if path else key)
    elif isinstance(value, list):
        for part in value:
            _check_plain(part, path)
    elif isinstance(value, int) and value.bit_length() > _LARGEST_BITS:
        raise UserError(f"config: {path}: a number has more than {_LARGEST_BITS} bits: give a smaller one")


def read_config(files: Sequence[Path]) -> Config:
    """Return the configuration that files make as the workflow takes them, every default filled in, checked.

    Parameters
    ----------
    files : sequence of path
        YAML or JSON; each is laid over those before it, and the first over `config/config.yaml` of the working
        directory, if there is one, as the workflow does it.

    Raises
    ------
    UserError
        If a file can't be read, or anything is wrong with the configuration.
    """
    beneath = [DEFAULT_CONFIG] if DEFAULT_CONFIG.is_file() else []
    parts = [(str(file), read_part(file)) for file in [*beneath, *files]]
    return resolve_parts(functools.reduce(_merged, (content for _, content in parts), {}), parts)


def resolve_parts(config: Mapping[str, Any], parts: Sequence[Part]) -> Config:
    """Return the configuration that parts make when each is laid over those before it: see `layer` and `resolve`.

    Parameters
    ----------
    config : mapping
        As for `layer`.
    parts : sequence of (str, mapping)
        Names and content of the config files in their order, then of what `--config` gives.

    Raises
    ------
    UserError
        If anything is wrong with it: the sentence names the key, and the part where there are several.
    """
    try:
        return resolve(layer(config, [content for _, content in parts]))
    except UserError as error:
        raise UserError(with_source(str(error), _own_parts(config, parts))) from error


def read_part(file: Path) -> Config:
    """Return the content of a file of the configuration, unchecked.

    Raises
    ------
    UserError
        If there is no such file, or it is neither YAML nor JSON.
    """
    try:
        part = yaml.safe_load(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{file} isn't a file: `dynseg init FOLDER` writes a configuration to start from") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{file} can't be read as a configuration ({error}): give a YAML file") from error
    except yaml.YAMLError as error:
        where = " ".join(str(error).split())
        raise UserError(f"{file} isn't YAML ({where}): mend that line") from error
    if not isinstance(part, dict):
        raise UserError(f"{file} is no mapping from keys to values: see config/README.md")
    return part


def layer(config: Mapping[str, Any], parts: Sequence[Mapping[str, Any]]) -> Config:
    """Return the configuration that parts make when each is laid over those before it.

    A section of named entries (`NAMED_SECTIONS`) replaces the one before it whole; in every other section the keys
    that a part leaves out keep their values. Snakemake itself merges entry by entry, so that another file could add
    datasets and methods but never leave any out. The figures of the parts before go with the datasets or methods that
    a part replaces.

    Parameters
    ----------
    config : mapping
        The configuration as Snakemake merged it: of all parts, or a key of theirs where dynseg is a module with that
        key's value as its config. Any other is returned as it is.
    parts : sequence of mapping
        Content of the config files in their order, then what `--config` gives.
    """
    own = _own_parts(config, [("", part) for part in parts])
    return _in_order(_layered(content for _, content in own), config) if own else dict(config)


def _own_parts(config: Mapping[str, Any], parts: Sequence[Part]) -> list[Part]:
    """Return what parts say of this configuration: all, or below a key of theirs; nothing if it isn't made of them."""
    merged: Config = functools.reduce(_merged, (content for _, content in parts), {})
    if merged == config:
        return list(parts)
    for key, value in merged.items():
        if value == config:
            return [(name, content[key]) for name, content in parts if isinstance(content.get(key), Mapping)]
    return []


def _layered(parts: Iterable[Mapping[str, Any]]) -> Config:
    layered: Config = {}
    for part in parts:
        replaced = {section for section in NAMED_SECTIONS if section in part}
        if replaced & {"datasets", "methods"}:
            replaced |= set(FIGURE_SECTIONS)
        if "methods" in replaced:
            replaced.add("figure_methods")
        layered = _merged({name: value for name, value in layered.items() if name not in replaced}, part)
    return layered


def _merged(config: Any, part: Mapping[str, Any]) -> Any:
    """Return a configuration with a part laid over it, as Snakemake does it."""
    for key, value in part.items():
        config = dict(config) if isinstance(config, Mapping) else {}
        config[key] = _merged(config.get(key, {}), value) if isinstance(value, Mapping) else value
    return config


def _in_order(layered: Config, config: Mapping[str, Any]) -> Config:
    """Return a layered configuration in the order that Snakemake gives it."""
    return {name: layered[name] if name in NAMED_SECTIONS else config[name] for name in config if name in layered}


def _expand_homes(config: Config) -> None:
    """Replace "~" at the start of paths by the user's home, as a shell would."""
    tuning = config["tuning"]
    entries = [config, tuning["dataset"], *tuning["grids"].values()]
    entries += [entry for section in ("datasets", "methods", "figure_methods") for entry in config[section].values()]
    for entry in entries:
        for key in _PATHS & entry.keys():
            if isinstance(entry[key], str):
                entry[key] = os.path.expanduser(entry[key])


def _check_folders(config: Config) -> None:
    for key in ("results", "resources"):
        path = Path(config[key])
        existing = next(parent for parent in (path, *path.absolute().parents) if os.path.exists(parent))
        if not existing.is_dir():
            raise UserError(f"config: {key}: {path} can't be a folder, since {existing} is a file: choose another path")
    archives = config.get("archives")
    if archives is not None and not os.path.isdir(archives):
        raise UserError(
            f"config: archives: {archives} isn't a folder: correct the path (relative to {Path.cwd()}), or leave it "
            "out to have archives downloaded"
        )


def _check_methods(config: Config) -> None:
    for method_id in config["methods"].keys() & config["figure_methods"].keys():
        raise UserError(f"config: figure_methods/{method_id} is in the methods section too: leave it out here")
    seen: dict[tuple[str, ...], str] = {}
    for method_id, entry in {**config["methods"], **config["figure_methods"]}.items():
        try:
            find_method(entry["method"])
        except UserError as error:
            raise UserError(f"config: methods/{method_id}/method: {error}") from error
        if method_scales(config, method_id) and method_id in config["figure_methods"]:
            raise UserError(f"config: figure_methods/{method_id}/scales: figures show one setting: leave it out")
        key = (entry["method"], *method_settings(config, method_id))
        if key in seen:
            raise UserError(
                f"config: methods/{method_id} is the same as methods/{seen[key]}: change a parameter or leave one out"
            )
        seen[key] = method_id
    for method_id, entry in every_method(config).items():
        predictions = str(entry.get("predictions", "")) if entry["method"] == "external" else ""
        if predictions and not os.path.exists(predictions):
            raise UserError(
                f"config: methods/{method_id}/predictions: {predictions} doesn't exist: correct the path (relative to "
                f"{Path.cwd()})"
            )


def _check_published(config: Config) -> None:
    # Methods of config/config.yaml keep their published scores where other datasets replace its own.
    datasets = {*config["datasets"], *kind_names(lambda kind: kind.archive is not None)}
    known = {name for dataset_id in datasets for name in table_measures(dataset_id)}
    endings = ", ".join(f"_{measure.name}" for measure in MEASURES if not measure.raw)
    for method_id, entry in config["methods"].items():
        for name in entry.get("published", {}):
            if name not in known:
                raise UserError(
                    f"config: methods/{method_id}/published: {name} is no measure: write a dataset's id, alone or with "
                    f"one of {endings}, and _raw after it for raw labels"
                )


def _check_tuning(config: Config) -> None:
    taken = {*config["methods"], *config["figure_methods"]}
    for grid_id in config["tuning"]["grids"]:
        if grid_id.endswith("_scales"):
            raise UserError(
                f"config: tuning/grids/{grid_id} ends in _scales, as the files of other grids do: choose another id"
            )
        if not swept_parameters(config, grid_id):
            raise UserError(f"config: tuning/grids/{grid_id} has no list of values: give one for each swept parameter")
        for point_id, entry in grid(config, grid_id):
            try:
                find_method(entry["method"])
            except UserError as error:
                raise UserError(f"config: tuning/grids/{grid_id}/method: {error}") from error
            method_settings(config, point_id)
            if point_id in taken:
                raise UserError(
                    f"config: tuning/grids/{grid_id} has the point {point_id}, which is another point or method too: "
                    "rename the grid or the method"
                )
            taken.add(point_id)
    if TUNING_DATASET in config["datasets"]:
        raise UserError(
            f"config: datasets/{TUNING_DATASET} is the name of the tuning section's dataset: choose another"
        )
    if not has_ground_truth(config["tuning"]["dataset"]):
        raise UserError("config: tuning/dataset has no annotations to choose by: give the folder of its annotations")


def _check_datasets(config: Config) -> None:
    for dataset_id, entry in every_dataset(config).items():
        key = f"config: datasets/{dataset_id}"
        if find_kind(entry["kind"]).needs_archive and not entry.get("archive"):
            raise UserError(f"{key}/archive is missing: give the folder of images")
        if entry.get("sample") and entry.get("ids"):
            raise UserError(f"{key}: sample and ids exclude each other: leave one out")
        for name in ("archive", "annotations", "ids"):
            path = entry.get(name)
            is_address = bool(path) and is_url(path)
            if is_address and not (name == "archive" and find_kind(entry["kind"]).archive is not None):
                raise UserError(f"{key}/{name}: {path} is an address: download it and give the path")
            if path and not is_address and not os.path.exists(path):
                raise UserError(f"{key}/{name}: {path} doesn't exist: correct the path (relative to {Path.cwd()})")
            if path and re.search("[{}]", path):
                raise UserError(f"{key}/{name}: {path} has braces, which Snakemake can't take: rename it")


def _check_panels(config: Config) -> None:
    for panel_id, panel in config["panels"].items():
        key = f"config: panels/{panel_id}"
        datasets = [shown["dataset"] for shown in panel_shows(panel)]
        if panel.get("seed", config["seeds"][0]) not in config["seeds"]:
            raise UserError(f"{key}/seed: {panel['seed']} is none of the seeds section: add it there or name another")
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
        if len({tuple(settings_beside_scheme(config, method_id)) for method_id in points}) > 1:
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


def _misspelt(error: ValidationError) -> str | None:
    """Return a sentence for a missing key that a key of about its name stands in place of; None for other errors."""
    schema, given = error.schema, error.instance
    if error.validator != "required" or not isinstance(schema, Mapping) or not isinstance(given, Mapping):
        return None
    unknown = [name for name in given if name not in schema.get("properties", {})]
    for missing in schema["required"]:
        meant = difflib.get_close_matches(missing, unknown, n=1) if missing not in given else []
        if meant:
            return f"config: {_key(error)}: there is no key {meant[0]!r} here: write {missing!r}, which is missing"
    return None


def _without_datasets(config: Config) -> str | None:
    """Return a sentence for a configuration that is only to be laid over others; None if it has that section."""
    if config.get("datasets") is not None:
        return None
    return (
        "config: datasets: there are none: name some, or lay this configuration over one that does, as in `dynseg plan "
        "config/config.yaml config/fast.yaml` (Snakemake's --configfile takes several too)"
    )


def _key(error: ValidationError) -> str:
    return "/".join(str(part) for part in error.absolute_path) or "top level"


def _sentence(error: ValidationError) -> str:
    key = _key(error)
    schema = error.schema if isinstance(error.schema, Mapping) else {}
    number = _number(error.instance)
    if number and Draft202012Validator(schema).is_valid(yaml.safe_load(number)):
        return (
            f"config: {key}: {error.instance!r} is text, where a number is expected: write {number} without "
            "quotes (in a file where it stands in a list or mapping, since --config makes text of those)"
        )
    if error.validator in _UNKNOWN_KEY and isinstance(error.instance, Mapping):
        unknown = next(name for name in error.instance if repr(name) in error.message)
        names, everywhere = schema.get("properties", {}), _names_of_keys(config_schema())
        # A section of several kinds has a part of its keys here.
        meant = difflib.get_close_matches(str(unknown), names, n=1, cutoff=_NEAR)
        if not meant and unknown not in everywhere:
            meant = difflib.get_close_matches(str(unknown), everywhere, n=1, cutoff=_NEAR)
        advice = f"write {meant[0]!r} if you mean that, or see" if meant else "see"
        return f"config: {key}: there is no key {unknown!r} here: {advice} config/README.md"
    expected = schema.get("description", "")
    message = error.message if len(error.message) < 200 else f"{error.message[:200]}…"
    return f"config: {key}: {message}{f' ({expected})' if expected else ''}: see config/README.md"


def _names_of_keys(schema: Any) -> set[str]:
    """Return the names of all keys that a schema has at any depth."""
    if isinstance(schema, list):
        return set().union(*map(_names_of_keys, schema))
    if not isinstance(schema, Mapping):
        return set()
    named = schema.get("properties", {})
    return set(named).union(*map(_names_of_keys, schema.values()), *map(_names_of_keys, named.values()))


def _number(value: Any) -> str | None:
    """Return the number that a text stands for as YAML writes it; None if it stands for none.

    YAML takes a number with an exponent for text where it has no decimal point.
    """
    if not isinstance(value, str):
        return None
    for kind in (int, float):
        try:
            number = kind(value)
        except ValueError:
            continue
        text = repr(number)
        return (text if "." in text else text.replace("e", ".0e")) if math.isfinite(number) else None
    return None


def _fill_defaults(
    validator: Any, properties: Mapping[str, Any], instance: Any, schema: Mapping[str, Any]
) -> Iterator[ValidationError]:
    if isinstance(instance, dict):
        for name, subschema in properties.items():
            if "default" in subschema:
                instance.setdefault(name, copy.deepcopy(subschema["default"]))
    yield from Draft202012Validator.VALIDATORS["properties"](validator, properties, instance, schema)


_Validator = validators.extend(Draft202012Validator, {"properties": _fill_defaults})
