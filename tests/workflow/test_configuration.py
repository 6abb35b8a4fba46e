"""The configuration: defaults, messages, and its agreement with code and documentation."""

import copy
import dataclasses
import os
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from dynseg.errors import UserError
from dynseg.methods import MODULES, find_method
from dynseg.parameters import TrainingParameters
from dynseg.workflow import configuration, datasets, figures, methods
from dynseg.workflow.layout import ID_PATTERN

REPOSITORY = Path(__file__).parents[2]
SCHEMA = configuration.load_schema(REPOSITORY / "workflow/schemas/config.schema.yaml")
SMALLEST: dict[str, Any] = {"datasets": {"mosaic": {}}, "methods": {"fsf-15": {"scheme": "fsf", "mu": 15}}}


def changed(path: str, value: Any) -> dict[str, Any]:
    config = copy.deepcopy(SMALLEST)
    section = config
    *parents, last = path.split("/")
    for name in parents:
        section = section.setdefault(name, {})
    section[last] = value
    return config


@pytest.mark.parametrize("path", sorted((REPOSITORY / "config").glob("*.yaml")), ids=lambda path: path.stem)
def test_the_configs_of_the_repository_are_valid(path: Path) -> None:
    base = yaml.safe_load((REPOSITORY / "config/config.yaml").read_text(encoding="utf-8"))
    given = yaml.safe_load(path.read_text(encoding="utf-8"))
    configuration.resolve(configuration.layer({**base, **given}, given), SCHEMA)


def test_everything_has_a_default() -> None:
    config = configuration.resolve(SMALLEST, SCHEMA)
    assert config["seeds"] == [0]
    assert config["datasets"]["mosaic"]["kind"] == "mosaic"
    assert config["panels"] == {
        "mosaic": {
            "dataset": "mosaic",
            "images": 5,
            "ground_truth": True,
            "images_as": "rows",
            "colours": "distinct",
            "width": "two-columns",
        }
    }
    assert list(config["methods"]) == ["blank", "fsf-15"]
    assert "mu=15.0" in methods.method_settings(config, "fsf-15")


def test_resolving_leaves_the_given_configuration_alone() -> None:
    before = copy.deepcopy(SMALLEST)
    configuration.resolve(SMALLEST, SCHEMA)
    assert before == SMALLEST


def test_a_method_overrides_the_training_section() -> None:
    config = changed("training/iterations", 50)
    config["methods"]["long"] = {"scheme": "fsf", "mu": 15, "iterations": 90}
    resolved = configuration.resolve(config, SCHEMA)
    assert "iterations=50" in methods.method_settings(resolved, "fsf-15")
    assert "iterations=90" in methods.method_settings(resolved, "long")


def test_whole_and_decimal_numbers_are_the_same_setting() -> None:
    whole = configuration.resolve(changed("methods/fsf-15/mu", 5), SCHEMA)
    decimal = configuration.resolve(changed("methods/fsf-15/mu", 5.0), SCHEMA)
    assert methods.method_settings(whole, "fsf-15") == methods.method_settings(decimal, "fsf-15")


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("methods/fsf-15/scheme", "fsv", "methods/fsf-15/scheme.*fixed.*fsf.*scf"),
        ("methods/fsf-15/mu", 0, "methods/fsf-15/mu"),
        ("methods/fsf-15/mu", -3, "methods/fsf-15/mu"),
        ("methods/fsf-15/mu", "1e-1", "methods/fsf-15/mu"),
        ("methods/fsf-15/mu", float("inf"), "methods/fsf-15.*mu.*finite"),
        ("methods/fsf-15/nu", 3, "methods/fsf-15.*'nu'.*mu"),
        ("methods/other/method", "cmn", "methods/other/method.*'cmn'.*cnn"),
        ("methods/no-mu/scheme", "fsf", "methods/no-mu.*mu"),
        ("methods/again", {"scheme": "fsf", "mu": 15.0}, "methods/again is the same as methods/fsf-15"),
        ("methods/a b", {"scheme": "fsf", "mu": 1}, "a b"),
        ("training/momentum", 1.5, "training/momentum"),
        ("training/iterations", 2.5, "training/iterations"),
        ("trainin", {}, "trainin"),
        ("device", "gpu", "device.*auto.*cpu.*cuda"),
        ("seeds", [], "seeds"),
        ("seeds", [1, 1], "seeds"),
        ("datasets/mosaic/split", "test", "datasets/mosaic.*split"),
        ("datasets/bsd500", {"split": "tset"}, "datasets/bsd500/split.*train.*val.*test"),
        ("datasets/mine", {"kind": "folder"}, "datasets/mine.*archive"),
        ("datasets/mine", {"kind": "folder", "archive": "nowhere/at all"}, "datasets/mine/archive.*nowhere/at all"),
        ("datasets/mine", {"archive": "x"}, "datasets/mine.*kind"),
        ("datasets/mine", {"kind": "folder", "archive": "https://a.b/c.zip"}, "datasets/mine/archive.*is an address"),
        ("datasets/bsd500", {"archive": "ftp://a.b/c.tgz"}, "datasets/bsd500/archive.*doesn't exist"),
        ("datasets/bsd500", {"ids": "https://a.b/ids.txt"}, "datasets/bsd500/ids.*is an address"),
        ("datasets/bsd500", {"archive": "https://a.b/{c}.tgz"}, "datasets/bsd500/archive.*braces"),
        (
            "methods/other",
            {"method": "external", "predictions": "no/where"},
            "other/predictions: no/where doesn't",
        ),
        ("methods/fsf-15/published", {"mosaic_all": 1.5}, "methods/fsf-15/published/mosaic_all.*1.5"),
        ("methods/fsf-15/published", {"mosaic_voi": -1}, "methods/fsf-15/published/mosaic_voi"),
        ("methods/fsf-15/published", {"mosaic_al": 0.5}, "methods/fsf-15/published: mosaic_al is no measure"),
        ("methods/fsf-15/published", {"mosiac": 0.5}, "methods/fsf-15/published: mosiac is no measure"),
        ("panels/p", {"dataset": "mosaic", "seed": 3}, "panels/p/seed: 3 is none of the seeds section"),
        ("tuning/grids/a_scales", {"scheme": "fsf", "mu": [1, 2]}, "tuning/grids/a_scales ends in _scales"),
        (
            "tuning/grids",
            {
                "g": {"scheme": "fsf", "mu": [1, 2], "scale": [0.1, 0.2]},
                "g.mu1": {"scheme": "fsf", "mu": 1, "scale": [0.1, 0.3]},
            },
            r"tuning/grids/g\.mu1 has the point tune\.g\.mu1\.scale0\.1, which is another",
        ),
        ("panels/wrong", {"dataset": "bsd500"}, "panels/wrong/dataset.*bsd500"),
        ("panels/wrong", {"dataset": "mosaic", "methods": ["fsf-16"]}, "panels/wrong/methods.*fsf-16"),
        ("images_per_job", 0, "images_per_job"),
        (
            "datasets/mine",
            {"kind": "folder", "archive": ".", "sample": 1, "ids": __file__},
            "mine: sample and ids exclude",
        ),
        ("training/minimum_labels", 100, "methods/fsf-15: training stops at 100 labels .* begin with 100 "),
        ("seeds", [2**32], "seeds"),
        ("scoring/connectivity", 6, "scoring/connectivity"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(path: str, value: Any, message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        configuration.resolve(changed(path, value), SCHEMA)
    assert "\n" not in str(caught.value)


def test_published_scores_are_of_any_dataset_of_the_paper_and_bits_of_any_number() -> None:
    given = {
        "mosaic": 0.3,
        "mosaic_raw": 0.2,
        "mosaic_voi": 1.7,
        "mosaic_voi_raw": 2,
        "voc2012": 0.1,
        "bsd500_all": 0.3,
    }
    resolved = configuration.resolve(changed("methods/fsf-15/published", given), SCHEMA)
    assert "fsf-15:mosaic_voi=1.7" in methods.published_scores(resolved)


def test_an_address_is_an_archive_of_what_is_downloaded() -> None:
    resolved = configuration.resolve(changed("datasets/bsd500", {"archive": "https://a.b/c.tgz"}), SCHEMA)
    assert datasets.dataset_archive(resolved, "bsd500") == "resources/bsd500.archive"
    assert datasets.sources_contents(resolved["datasets"]["bsd500"]) == datasets.sources_contents({})


def test_a_file_of_predictions_that_changes_is_another(tmp_path: Path) -> None:
    predictions = tmp_path / "all.h5"
    predictions.write_bytes(b"1")
    entry = {"method": "external", "predictions": str(predictions)}
    config = configuration.resolve(changed("methods/other", entry), SCHEMA)
    before = methods.predictions_contents(config, "other")
    assert before == methods.predictions_contents(config, "other")
    predictions.write_bytes(b"22")
    assert before != methods.predictions_contents(config, "other")


def test_an_archive_or_a_list_that_an_older_one_replaces_is_another(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"1")
    for name in ("archive", "annotations", "ids"):
        before = datasets.sources_contents({name: str(file)})
        assert before == datasets.sources_contents({name: str(file)})
        os.utime(file, (1, file.stat().st_mtime - 1000))
        assert before != datasets.sources_contents({name: str(file)})


def test_a_file_in_a_linked_folder_counts(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures/linked").symlink_to("../far")
    before = datasets.sources_contents({"archive": str(tmp_path / "pictures")})
    (tmp_path / "far/a.png").write_bytes(b"1")
    assert before != datasets.sources_contents({"archive": str(tmp_path / "pictures")})


def test_points_of_a_grid_have_ids_of_their_own_and_values_without_loss() -> None:
    values = [0.00001, 0.5, 15, 1000000, 1000001, 1e6 + 0.5]
    config = configuration.resolve(changed("tuning/grids/g", {"scheme": "fsf", "mu": values}), SCHEMA)
    ids = [point_id for point_id, _ in methods.grid(config, "g")]
    expected = ["0.00001", "0.5", "15", "1000000", "1000001", "1000000.5"]
    assert ids == [f"tune.g.mu{text}" for text in expected]
    assert all(re.fullmatch(ID_PATTERN, point_id) for point_id in ids)
    assert [float(methods.number_text(value)) for value in values] == values


@pytest.mark.parametrize("config", [None, [], 3, "text", {}, {"datasets": None, "methods": 3}, {1: 2}])
def test_what_is_no_configuration_at_all_is_said_too(config: Any) -> None:
    with pytest.raises(UserError):
        configuration.resolve(config, SCHEMA)


def test_named_sections_of_the_command_line_replace_those_of_the_file() -> None:
    given = {"methods": {"scf-50": {"scheme": "scf", "mu": 50}}, "training": {"iterations": 7}}
    base = {**copy.deepcopy(SMALLEST), "training": {"momentum": 0.5}, "panels": {"p": {"dataset": "mosaic"}}}
    merged = {
        **base,
        "methods": {**base["methods"], **given["methods"]},
        "training": {"momentum": 0.5, "iterations": 7},
    }
    layered = configuration.layer(merged, given)
    assert list(layered["methods"]) == ["scf-50"]
    assert layered["datasets"] == SMALLEST["datasets"]
    assert layered["training"] == {"momentum": 0.5, "iterations": 7}
    assert "panels" not in layered


def test_the_schema_and_the_code_have_the_same_training_defaults() -> None:
    properties = SCHEMA["properties"]["training"]["properties"]
    fields = {field.name: field.default for field in dataclasses.fields(TrainingParameters)}
    assert {name: entry["default"] for name, entry in properties.items()} == fields


@pytest.mark.parametrize("name", MODULES)
def test_the_schema_knows_the_parameters_of_every_method(name: str) -> None:
    known: set[str] = set()
    for part in SCHEMA["$defs"]["method"]["allOf"]:
        condition = part["if"]["properties"]["method"]
        if name in condition.get("enum", [condition.get("const")]):
            known |= set(part["then"]["properties"])
    assert known == {field.name for field in dataclasses.fields(find_method(name).parameters)}


@pytest.mark.parametrize("name", MODULES)
def test_the_schema_and_the_code_have_the_same_method_defaults(name: str) -> None:
    fields = {field.name: field.default for field in dataclasses.fields(find_method(name).parameters)}
    for part in SCHEMA["$defs"]["method"]["allOf"]:
        if part["if"]["properties"]["method"] == {"const": name}:
            defaults = {
                key: entry["default"] for key, entry in part["then"]["properties"].items() if "default" in entry
            }
            assert defaults == {key: fields[key] for key in defaults}


def keys_of(schema: Any) -> set[str]:
    """The names of all properties in a schema, and of its sub-schemas."""
    if isinstance(schema, list):
        return set().union(*map(keys_of, schema))
    if not isinstance(schema, dict):
        return set()
    named = {
        name for name, entry in schema.get("properties", {}).items() if "const" not in entry and "enum" not in entry
    }
    return named.union(*(keys_of(part) for part in schema.values()))


def test_the_documentation_explains_every_key() -> None:
    text = (REPOSITORY / "config/README.md").read_text(encoding="utf-8")
    assert [key for key in sorted(keys_of(SCHEMA)) if f"`{key}`" not in text] == []


@pytest.mark.parametrize(("wanted", "chosen"), [(2, ["a", "c"]), (9, ["a", "b", "c", "d"]), (["d", "a"], ["d", "a"])])
def test_a_panel_shows_the_images_it_names_or_evenly_spread_ones(wanted: Any, chosen: list[str]) -> None:
    assert figures.panel_images({"dataset": "mine", "images": wanted}, ["a", "b", "c", "d"]) == chosen


def test_a_panel_cannot_show_an_image_that_is_not_there() -> None:
    with pytest.raises(UserError, match=r"mine.*'e'"):
        figures.panel_images({"dataset": "mine", "images": ["e"]}, ["a", "b"])


def test_all_points_of_a_grid_have_the_batches_of_the_most_expensive_one() -> None:
    grid = {"scheme": "fsf", "mu": 15, "scale": 0.25, "iterations": [10, 1000]}
    config = configuration.resolve(
        {**SMALLEST, "images_per_job": "auto", "tuning": {"grids": {"length": grid}}}, SCHEMA
    )
    points = {f"tune.length.iterations{count}": count for count in (10, 1000)}
    chosen = {methods.images_per_job(config, point, [(321, 481)] * 17_000) for point in points}
    alone = changed("methods/fsf-15", {**grid, "iterations": 1000})
    assert chosen == {
        methods.images_per_job(
            configuration.resolve({**alone, "images_per_job": "auto"}, SCHEMA), "fsf-15", [(321, 481)] * 17_000
        )
    }
    assert methods.images_per_job({**config, "images_per_job": 7}, "fsf-15", []) == 7


@pytest.mark.parametrize(
    ("void", "options"),
    [
        (255, ["--void", "255"]),
        ([0, 255], ["--void", "0,255"]),
        ("ignore", ["--void", "ignore"]),
        ("0", None),
        ([], None),
    ],
)
def test_void_of_a_folder_is_a_word_a_label_or_several(tmp_path: Path, void: object, options: list[str] | None) -> None:
    given = changed("datasets/mine", {"kind": "folder", "archive": str(tmp_path), "void": void})
    if options is None:
        with pytest.raises(UserError, match="datasets/mine"):
            configuration.resolve(given, SCHEMA)
    else:
        resolved = configuration.resolve(given, SCHEMA)
        assert datasets.prepare_options(resolved["datasets"]["mine"])[:2] == options
