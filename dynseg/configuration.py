"""The workflow's configuration: checked against its schema, defaults filled in, and asked what a rule needs to know.

Nothing here reads data or imports torch: the workflow calls it each time it is started.
"""

import copy
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
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

# Sections whose entries are named by the user: given anew on the command line, they replace the config file's.
NAMED_SECTIONS = ("datasets", "methods", "panels")

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
    _check_panels(resolved)
    return resolved


def layer(config: Config, given: Mapping[str, Any]) -> Config:
    """Return the merged configuration, with sections of named entries replaced by those given on the command line.

    Snakemake merges them entry by entry, so that another config file could add datasets and methods but never leave
    any out. Panels of the config file go with the datasets or methods that they show.

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
    if "panels" not in given and ("datasets" in given or "methods" in given):
        layered.pop("panels", None)
    return layered


def method_of(config: Config, method_id: str) -> Method:
    """Return the method behind an entry of the methods section."""
    return find_method(config["methods"][method_id]["method"])


def method_settings(config: Config, method_id: str) -> list[str]:
    """Return all parameters of an entry of the methods section, as texts name=value, sorted.

    Shared training parameters come from the training section, and the entry's own override them.
    """
    return settings_of(_parameters(config, method_id))


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
    digest = hashlib.sha256()
    for name in ("archive", "annotations"):
        folder = Path(entry.get(name) or "")
        if entry.get(name) and folder.is_dir():
            for file in sorted(path for path in folder.rglob("*") if path.is_file()):
                status = file.stat()
                digest.update(
                    f"{file.relative_to(folder)}\0{status.st_size}\0{status.st_mtime_ns}\0".encode(
                        errors="surrogateescape"
                    )
                )
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


def panel_images(panel: Mapping[str, Any], image_ids: list[str]) -> list[str]:
    """Return the ids of the images that a panel shows: those it names, or as many as it says, evenly spread."""
    images = panel["images"]
    if isinstance(images, list):
        unknown = sorted(set(images) - set(image_ids))
        if unknown:
            raise UserError(
                f"config: panels: the dataset {panel['dataset']} has no image {unknown[0]!r}: see images.txt"
            )
        return images
    count = min(images, len(image_ids))
    return [image_ids[index * len(image_ids) // count] for index in range(count)]


def panel_methods(config: Config, panel: Mapping[str, Any]) -> list[str]:
    """Return the ids of the methods that a panel shows."""
    every = [method_id for method_id, entry in config["methods"].items() if entry["method"] != "blank"]
    return panel.get("methods") or every or list(config["methods"])


def panel_seed(config: Config, panel: Mapping[str, Any], method_id: str) -> int:
    """Return the seed of the label maps that a panel shows of a method."""
    seeds = method_seeds(config, method_id)
    return panel["seed"] if panel.get("seed") in seeds else seeds[0]


def method_label(config: Config, method_id: str) -> str:
    """Return a method's name in tables and figures."""
    return config["methods"][method_id].get("label", method_id)


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


def _parameters(config: Config, method_id: str) -> Any:
    entry = config["methods"][method_id]
    own = {name: value for name, value in entry.items() if name not in ENTRY_KEYS}
    cls = find_method(entry["method"]).parameters
    shared = config["training"] if issubclass(cls, TrainingParameters) else {}
    try:
        return make_parameters(cls, {**shared, **own})
    except UserError as error:
        raise UserError(f"config: methods/{method_id}: {error}") from error


def _check_methods(config: Config) -> None:
    seen: dict[tuple[str, ...], str] = {}
    for method_id, entry in config["methods"].items():
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


def _check_datasets(config: Config) -> None:
    for dataset_id, entry in config["datasets"].items():
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
        if panel["dataset"] not in config["datasets"]:
            raise UserError(f"{key}/dataset: there is no dataset {panel['dataset']!r} in the datasets section")
        for method_id in panel.get("methods", []):
            if method_id not in config["methods"]:
                raise UserError(f"{key}/methods: there is no method {method_id!r} in the methods section")


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
