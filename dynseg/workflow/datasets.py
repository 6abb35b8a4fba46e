"""What the configuration says of datasets: what they are made from, with which options, and what they bring.

Nothing here reads pictures or imports torch: the workflow calls it each time it is started.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dynseg.code_version import code_version
from dynseg.datasets import MODULES, KnownArchive, find_kind
from dynseg.workflow.contents import files_digest
from dynseg.workflow.layout import ResourcesTree
from dynseg.workflow.resolved import Config

# The id of the dataset that parameters are chosen on.
TUNING_DATASET = "tuning"


def every_dataset(config: Config) -> dict[str, Any]:
    """Return the entries of all datasets by id: those of the datasets section, then that of the tuning section."""
    return {**config["datasets"], TUNING_DATASET: config["tuning"]["dataset"]}


def dataset_archive(config: Config, dataset_id: str) -> str:
    """Return the path of what a dataset is made from: what its entry names, or what a rule downloads or makes."""
    entry = every_dataset(config)[dataset_id]
    resources = ResourcesTree(config["resources"])
    archive = entry.get("archive")
    if archive is not None:
        return str(resources.given(dataset_id)) if is_url(archive) else str(archive)
    made_as = find_kind(entry["kind"]).made_as
    return str(resources.official(entry["kind"]) if made_as is None else resources.made(dataset_id, made_as))


def missing_archive(config: Config, dataset_id: str) -> KnownArchive | None:
    """Return the archive that has to be downloaded before a dataset is prepared; None if it is there or none is."""
    entry = every_dataset(config)[dataset_id]
    found = None if entry.get("archive") else found_archive(config, entry["kind"])
    is_there = found is not None or os.path.exists(dataset_archive(config, dataset_id))
    return None if is_there else find_kind(entry["kind"]).archive


def archives_options(config: Config) -> list[str]:
    """Return the options of `dynseg fetch` that say where archives may be already."""
    return ["--archives", str(config["archives"])] if config.get("archives") else []


def found_archive(config: Config, kind: str) -> Path | None:
    """Return the file in the folder `archives` that has the name of a kind's official archive; None without one."""
    official = find_kind(kind).archive
    if official is None or not config.get("archives"):
        return None
    file = Path(config["archives"]) / official.name
    return file if file.is_file() else None


def found_contents(config: Config, kind: str) -> str:
    """Return a digest of a found archive that isn't the official one; nothing for the official one, wherever it is.

    So no other folder makes anything run again, but another archive does. The official one is told by its size alone:
    `dynseg fetch` compares its hash.
    """
    file, official = found_archive(config, kind), find_kind(kind).archive
    if file is None or official is None or file.stat().st_size == official.size:
        return ""
    return files_digest([str(file)])


def dataset_sources(config: Config, dataset_id: str) -> list[str]:
    """Return the paths of all files and folders that a dataset is made from."""
    return [dataset_archive(config, dataset_id), *_beside_archive(every_dataset(config)[dataset_id])]


def sources_contents(entry: Mapping[str, Any]) -> str:
    """Return a digest of all files that an entry of the datasets section names: see `files_digest`."""
    local = [entry["archive"]] if "archive" in entry and not is_url(entry["archive"]) else []
    return files_digest(path for path in [*local, *_beside_archive(entry)] if os.path.exists(path))


def _beside_archive(entry: Mapping[str, Any]) -> list[str]:
    return [entry[name] for name in ("annotations", "ids") if name in entry]


def preparing_code(entry: Mapping[str, Any]) -> str:
    """Return a digest of the code that decides the prepared dataset."""
    return code_version(MODULES[entry["kind"]], "dynseg.datasets.preparing")


def prepare_options(entry: Mapping[str, Any]) -> list[str]:
    """Return the options of `dynseg prepare` that an entry of the datasets section stands for."""
    names = [*find_kind(entry["kind"]).options, "ids", "sample"]
    if "sample" in entry:
        names.append("sample_seed")
    return [
        text for name in names if name in entry for text in (f"--{name.replace('_', '-')}", _option_text(entry[name]))
    ]


def _option_text(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def export_options(entry: Mapping[str, Any]) -> list[str]:
    """Return the options of `dynseg export-photographs` that an entry of the datasets section stands for."""
    return ["--longest-side", str(entry["longest_side"])] if "longest_side" in entry else []


def dataset_label(config: Config, dataset_id: str) -> str:
    """Return a dataset's name in tables and figures."""
    return str(config["datasets"][dataset_id].get("label", dataset_id))


def scored_datasets(config: Config) -> list[str]:
    """Return the ids of the datasets with a ground truth."""
    return [dataset_id for dataset_id, entry in config["datasets"].items() if has_ground_truth(entry)]


def has_ground_truth(entry: Mapping[str, Any]) -> bool:
    """Tell whether an entry of the datasets section brings annotations."""
    return find_kind(entry["kind"]).annotated or bool(entry.get("annotations"))


def is_url(text: str) -> bool:
    """Tell whether a text is the address of a download."""
    return re.match(r"https?://", text) is not None
