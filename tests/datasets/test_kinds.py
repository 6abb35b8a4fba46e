"""The registry of kinds of datasets, and what derives from it."""

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from archive_builders import folder, picture

from dynseg.datasets import MODULES, Kind, Option, find_kind, kind_names
from dynseg.datasets.example import Example
from dynseg.datasets.preparing import prepare
from dynseg.datasets.selection import Select
from dynseg.errors import UserError
from dynseg.io.archives import iterate_members
from dynseg.workflow.datasets import dataset_archive, has_ground_truth, prepare_options, sources_contents


def test_what_each_kind_brings() -> None:
    assert kind_names(lambda kind: kind.archive is not None) == ["bsd500", "voc2012"]
    assert kind_names(lambda kind: kind.annotated) == ["bsd500", "voc2012", "mosaic"]
    assert kind_names(lambda kind: kind.needs_archive) == ["folder"]
    assert kind_names(lambda kind: kind.unhashed_mirror is not None) == ["bsd500"]


def test_an_unknown_kind_is_one_sentence() -> None:
    with pytest.raises(UserError, match="kind 'coco' isn't known: choose bsd500, voc2012, folder"):
        find_kind("coco")


def read_examples(archive: Path, select: Select, reverse: str) -> Iterator[Example]:
    members = list(iterate_members(archive))
    for number, member in enumerate(reversed(members) if reverse == "yes" else members):
        yield Example(f"{number}{member.name[0]}", member.name, ".jpg", member.read(), 1.0, None)


def test_a_new_kind_is_a_module_and_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("numbered")
    module.kind = Kind(read_examples, {"reverse": Option("yes or no", "no")}, annotated=True, made_as="zip")  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "numbered", module)
    monkeypatch.setitem(MODULES, "numbered", "numbered")
    source = folder(tmp_path / "in", {"a.jpg": picture(), "b.jpg": picture()})
    assert prepare("numbered", source, tmp_path / "out", "mine") == ["0a", "1b"]
    assert prepare("numbered", source, tmp_path / "out", "mine", reverse="yes") == ["0b", "1a"]
    entry = {"kind": "numbered", "reverse": "yes", "sample": 2, "sample_seed": 1}
    assert prepare_options(entry) == ["--reverse", "yes", "--sample", "2", "--sample-seed", "1"]
    assert has_ground_truth(entry)
    config = {"resources": "resources", "datasets": {"mine": entry}, "tuning": {"dataset": entry}}
    assert dataset_archive(config, "mine") == "resources/mine.zip"
    assert sources_contents(entry) == sources_contents({})
