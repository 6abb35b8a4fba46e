"""The registry of kinds of datasets, and what derives from it."""

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from archive_builders import folder, picture
from PIL import Image

from dynseg.datasets import MODULES, Kind, Option, find_kind, kind_names
from dynseg.datasets.example import Example
from dynseg.datasets.photographs import export_photographs
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


@pytest.mark.parametrize(
    ("kind", "entry", "images", "largest"),
    [
        ("bsd500", {}, 200, (321, 481)),
        ("bsd500", {"split": "trainval"}, 300, (321, 481)),
        ("voc2012", {"split": "val"}, 1449, (375, 500)),
        ("mosaic", {"images": 4}, 4, (120, 160)),
        ("photographs", {"longest_side": 160}, 11, (160, 160)),
    ],
)
def test_images_are_expected_before_they_are_there(
    kind: str, entry: dict[str, Any], images: int, largest: tuple[int, int]
) -> None:
    expected = find_kind(kind).expected
    assert expected is not None
    sizes = expected(entry)
    assert len(sizes) == images
    assert max(sizes, key=lambda size: size[0] * size[1]) == largest


def test_the_photographs_are_as_large_as_expected(tmp_path: Path) -> None:
    names = export_photographs(tmp_path, longest_side=100)
    expected = find_kind("photographs").expected
    assert expected is not None
    for name, size in zip(names, expected({"longest_side": 100}), strict=True):
        with Image.open(tmp_path / name) as picture_file:
            assert picture_file.size == pytest.approx((size[1], size[0]), abs=1)


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
