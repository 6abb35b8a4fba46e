"""The configuration: defaults, messages, and its agreement with code and documentation."""

import copy
import dataclasses
import os
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from snakemake.utils import update_config

from dynseg.datasets import find_kind, kind_names
from dynseg.errors import UserError
from dynseg.methods import MODULES, find_method
from dynseg.parameters import make_parameters, parameter_schema
from dynseg.workflow import configuration, datasets, figures, methods, schema
from dynseg.workflow.layout import ID_PATTERN
from dynseg.workflow.resolved import recorded

REPOSITORY = Path(__file__).parents[2]
SCHEMA = schema.config_schema()
SMALLEST: dict[str, Any] = {"datasets": {"mosaic": {}}, "methods": {"fsf-15": {"scheme": "fsf", "mu": 15}}}


def changed(path: str, value: Any) -> dict[str, Any]:
    config = copy.deepcopy(SMALLEST)
    section = config
    *parents, last = path.split("/")
    for name in parents:
        section = section.setdefault(name, {})
    section[last] = value
    return config


def merge(*parts: dict[str, Any]) -> dict[str, Any]:
    """What Snakemake makes of config files."""
    merged: dict[str, Any] = {}
    for part in parts:
        update_config(merged, part)
    return merged


def layered(*parts: dict[str, Any]) -> dict[str, Any]:
    return configuration.layer(merge(*parts), parts)


@pytest.mark.parametrize("path", sorted((REPOSITORY / "config").glob("*.yaml")), ids=lambda path: path.stem)
def test_the_configs_of_the_repository_are_valid(path: Path) -> None:
    base = yaml.safe_load((REPOSITORY / "config/config.yaml").read_text(encoding="utf-8"))
    given = yaml.safe_load(path.read_text(encoding="utf-8"))
    configuration.resolve(layered(base, given))


def test_everything_has_a_default() -> None:
    config = configuration.resolve(SMALLEST)
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
    configuration.resolve(SMALLEST)
    assert before == SMALLEST


def test_a_method_overrides_the_training_section() -> None:
    config = changed("training/iterations", 50)
    config["methods"]["long"] = {"scheme": "fsf", "mu": 15, "iterations": 90}
    resolved = configuration.resolve(config)
    assert "iterations=50" in methods.method_settings(resolved, "fsf-15")
    assert "iterations=90" in methods.method_settings(resolved, "long")


def test_whole_and_decimal_numbers_are_the_same_setting() -> None:
    whole = configuration.resolve(changed("methods/fsf-15/mu", 5))
    decimal = configuration.resolve(changed("methods/fsf-15/mu", 5.0))
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
        ("trainin", {}, "config: top level: there is no key 'trainin' here: write 'training' if you mean that, or see"),
        (
            "panels",
            {"p": {"dataset": "mosaic", "imges": []}},
            "config: panels/p: there is no key 'imges' here: write 'images'",
        ),
        ("device", "gpu", "device.*auto.*cpu.*cuda"),
        ("seeds", [], "seeds"),
        ("seeds", [1, 1], "seeds"),
        ("datasets/mosaic/split", "test", "config: datasets/mosaic: there is no key 'split' here: see"),
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
        configuration.resolve(changed(path, value))
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
    resolved = configuration.resolve(changed("methods/fsf-15/published", given))
    assert "fsf-15:mosaic_voi=1.7" in methods.published_scores(resolved)


def test_an_address_is_an_archive_of_what_is_downloaded() -> None:
    resolved = configuration.resolve(changed("datasets/bsd500", {"archive": "https://a.b/c.tgz"}))
    assert datasets.dataset_archive(resolved, "bsd500") == "resources/bsd500.archive"
    assert datasets.sources_contents(resolved["datasets"]["bsd500"]) == datasets.sources_contents({})


def test_archives_is_a_folder_that_decides_no_result(tmp_path: Path) -> None:
    for wrong in ("no/such folder", __file__):
        with pytest.raises(UserError, match=rf"^config: archives: {re.escape(wrong)} isn't a folder"):
            configuration.resolve(changed("archives", wrong))
    with_folder = configuration.resolve(changed("archives", str(tmp_path)))
    assert recorded(with_folder) == recorded(configuration.resolve(SMALLEST))
    assert datasets.dataset_archive(with_folder, "tuning") == "resources/official/bsd500.archive"


def test_another_folder_of_the_official_archive_changes_nothing_and_another_archive_does(tmp_path: Path) -> None:
    known = find_kind("bsd500").archive
    assert known is not None
    contents = set()
    for name, size in (("none", None), ("one", known.size), ("other", known.size), ("part", 5), ("other part", 5)):
        (tmp_path / name).mkdir()
        if size is not None:
            os.truncate(os.open(tmp_path / name / known.name, os.O_CREAT | os.O_WRONLY), size)
            os.utime(tmp_path / name / known.name, (1, 1))
        config = configuration.resolve(changed("archives", str(tmp_path / name)))
        contents.add((size == 5, datasets.found_contents(config, "bsd500")))
        assert (datasets.missing_archive(config, "tuning") is None) == (size is not None)
    assert {part for part, _ in contents} == {True, False}
    assert len(contents) == 2
    assert (False, "") in contents
    assert (True, "") not in contents


def test_a_file_of_predictions_that_changes_is_another(tmp_path: Path) -> None:
    predictions = tmp_path / "all.h5"
    predictions.write_bytes(b"1")
    entry = {"method": "external", "predictions": str(predictions)}
    config = configuration.resolve(changed("methods/other", entry))
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
    config = configuration.resolve(changed("tuning/grids/g", {"scheme": "fsf", "mu": values}))
    ids = [point_id for point_id, _ in methods.grid(config, "g")]
    expected = ["0.00001", "0.5", "15", "1000000", "1000001", "1000000.5"]
    assert ids == [f"tune.g.mu{text}" for text in expected]
    assert all(re.fullmatch(ID_PATTERN, point_id) for point_id in ids)
    assert [float(methods.number_text(value)) for value in values] == values


@pytest.mark.parametrize("config", [None, [], 3, "text", {}, {"datasets": None, "methods": 3}, {1: 2}])
def test_what_is_no_configuration_at_all_is_said_too(config: Any) -> None:
    with pytest.raises(UserError):
        configuration.resolve(config)


BASE: dict[str, Any] = {
    **SMALLEST,
    "training": {"momentum": 0.5},
    "panels": {"p": {"dataset": "mosaic"}},
    "figure_methods": {"scf-25": {"scheme": "scf", "mu": 25}},
}


def test_named_sections_of_a_file_replace_those_of_the_file_before() -> None:
    given = {"methods": {"scf-50": {"scheme": "scf", "mu": 50}}, "training": {"iterations": 7}}
    config = layered(BASE, given)
    assert list(config["methods"]) == ["scf-50"]
    assert config["datasets"] == SMALLEST["datasets"]
    assert config["training"] == {"momentum": 0.5, "iterations": 7}
    assert "panels" not in config
    assert "figure_methods" not in config


def test_no_file_leaks_values_into_an_entry_of_the_next() -> None:
    first = {"methods": {"graph": {"method": "graph_based", "scale": 50}, "k": {"method": "kmeans"}}}
    second = {"methods": {"graph": {"method": "graph_based"}}, "datasets": {"photographs": {}}}
    config = layered(BASE, first, second, {"training": {"iterations": 5}})
    assert config["methods"] == {"graph": {"method": "graph_based"}}
    assert config["datasets"] == {"photographs": {}}
    assert config["training"] == {"momentum": 0.5, "iterations": 5}


def test_a_figure_stays_where_the_file_that_replaces_its_methods_names_it() -> None:
    panels = {"q": {"dataset": "mosaic"}}
    methods = {"scf-50": {"scheme": "scf", "mu": 50}}
    assert layered(BASE, {"methods": methods, "panels": panels})["panels"] == panels
    assert "panels" not in layered(BASE, {"panels": panels}, {"methods": methods})


def test_a_module_is_layered_where_its_config_is_a_key_of_the_files_or_all_of_them() -> None:
    own, other = {"datasets": ["of", "others"], "dynseg": BASE}, {"dynseg": {"methods": {"k": {"method": "kmeans"}}}}
    merged = merge(own, other)
    assert configuration.layer(merged["dynseg"], [own, other]) == layered(BASE, other["dynseg"])
    # What another program made of the files is none of them.
    assert configuration.layer(SMALLEST, [own, other]) == SMALLEST


sections = st.fixed_dictionaries(
    {},
    optional={
        name: st.dictionaries(st.sampled_from("ab"), st.dictionaries(st.sampled_from("xy"), st.integers()) | st.none())
        for name in ("methods", "datasets", "panels", "training")
    },
)


@given(st.lists(sections, min_size=1, max_size=4))
def test_of_a_named_section_the_last_file_that_has_it_says_all(parts: list[dict[str, Any]]) -> None:
    config = layered(*parts)
    assert {**config, **{name: parts[-1][name] for name in parts[-1] if name != "training"}} == config
    assert config.get("training") == merge(*parts).get("training")
    assert layered(*parts, {}) == config


def test_the_files_that_follow_from_the_declared_keys_are_up_to_date() -> None:
    for path, content in schema.generated_files(REPOSITORY).items():
        assert path.read_text(encoding="utf-8") == content, f"{path.name}: run make schema"


@pytest.mark.parametrize("name", MODULES)
def test_the_schema_knows_the_parameters_of_every_method(name: str) -> None:
    entry = {field.name: [] for field in dataclasses.fields(find_method(name).parameters)}
    errors = list(
        Draft202012Validator(SCHEMA).iter_errors({"datasets": {}, "methods": {"m": {"method": name, **entry}}})
    )
    # No parameter is a list.
    assert {error.absolute_path[-1] for error in errors} - {"datasets"} == set(entry)


@pytest.mark.parametrize("name", MODULES)
def test_an_entry_gets_the_defaults_of_its_method_but_not_those_of_the_training_section(name: str) -> None:
    parameters = find_method(name).parameters
    required = {"scheme": "fsf", "mu": 3} if name == "cnn" else {"predictions": "."} if name == "external" else {}
    filled = configuration.resolve(changed("methods/m", {"method": name, "label": "m"} | required))
    made = make_parameters(parameters, required)
    for key, value in filled["methods"]["m"].items():
        if key not in methods.ENTRY_KEYS:
            assert value == getattr(made, key)


SECTIONS = {
    "Top level": ["Configuration"],
    "`tuning`": ["Tuning"],
    "`scoring`": ["Scoring"],
    "`panels`": ["Panel", "Shown"],
    "`sensitivity`": ["Sensitivity"],
    "`dynamics`": ["Dynamics"],
    "`scatter`": ["Scatter"],
    "`datasets`": ["Dataset"],
}


@pytest.mark.parametrize("heading", SECTIONS)
def test_the_tables_of_the_documentation_have_the_keys_and_defaults_of_the_classes(heading: str) -> None:
    text = (REPOSITORY / "config/README.md").read_text(encoding="utf-8")
    section = re.split(r"^##+ ", text.partition(f"# {heading}\n")[2], flags=re.MULTILINE)[0]
    rows = [[cell.strip() for cell in row.strip("|").split("|")] for row in section.splitlines() if "| `" in row[:4]]
    defaults = [(row[0].strip("`"), row[-2]) for row in rows]
    declared: list[tuple[str, Any]] = []
    sections = [getattr(schema, name) for name in SECTIONS[heading]]
    if heading == "`datasets`":
        sections += [find_kind(name).keys for name in kind_names()]
    for section_class in sections:
        declared += parameter_schema(section_class)["properties"].items()
    assert {key for key, _ in defaults} - {"show"} == {key for key, _ in declared}
    for key, entry in declared:
        default = entry.get("default", [])
        if not isinstance(default, dict) and default != []:
            cells = [cell.partition(";")[0] for name, cell in defaults if name == key]
            assert f"`{str(default).lower()}`" in cells


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
    config = configuration.resolve({**SMALLEST, "images_per_job": "auto", "tuning": {"grids": {"length": grid}}})
    points = {f"tune.length.iterations{count}": count for count in (10, 1000)}
    chosen = {methods.images_per_job(config, point, [(321, 481)] * 17_000) for point in points}
    alone = changed("methods/fsf-15", {**grid, "iterations": 1000})
    assert chosen == {
        methods.images_per_job(
            configuration.resolve({**alone, "images_per_job": "auto"}), "fsf-15", [(321, 481)] * 17_000
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
            configuration.resolve(given)
    else:
        resolved = configuration.resolve(given)
        assert datasets.prepare_options(resolved["datasets"]["mine"])[:2] == options


def test_the_scores_over_scales_sweep_one_parameter() -> None:
    entry = {"method": "graph_based", "scales": {"scale": [50, 300.5]}}
    config = configuration.resolve(changed("methods/graph", entry))
    assert methods.describe_method(config, "graph").scales == ["--scales=scale=50,300.5"]
    assert methods.describe_method(config, "fsf-15").scales == []
    alone = configuration.resolve(changed("methods/graph", {"method": "graph_based"}))
    assert methods.method_settings(config, "graph") == methods.method_settings(alone, "graph")


@pytest.mark.parametrize(
    ("scales", "sentence"),
    [
        ({"scale": [50]}, "methods/graph/scales/scale"),
        ({"scale": [300, 50]}, r"methods/graph/scales/scale: \[300, 50\] doesn't ascend: sort the values"),
        ({"scale": [50, 50]}, "doesn't ascend"),
        ({"scale": [50, 300], "sigma": [0.5, 0.8]}, "methods/graph/scales"),
        ({}, "methods/graph/scales"),
        ({"scale": [0, 50]}, "methods/graph: scale"),
        ({"clusters": [1, 2]}, "methods/graph: .*clusters"),
    ],
)
def test_scales_that_cannot_be_swept_are_one_sentence(scales: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        configuration.resolve(changed("methods/graph", {"method": "graph_based", "scales": scales}))


def test_scales_of_methods_that_are_not_scored_are_refused() -> None:
    entry = {"method": "graph_based", "scales": {"scale": [50, 300]}}
    with pytest.raises(UserError, match="figure_methods/graph/scales: figures show one setting"):
        configuration.resolve(changed("figure_methods/graph", entry))
