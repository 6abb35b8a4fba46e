"""No value under any key of the config is a traceback."""

import contextlib
import copy
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from snakemake.utils import update_config

from dynseg.errors import UserError
from dynseg.workflow import configuration
from dynseg.workflow.schema import config_schema

SCHEMA = config_schema()
SMALLEST: dict[str, Any] = {"datasets": {"mosaic": {}}, "methods": {"fsf-15": {"scheme": "fsf", "mu": 15}}}

leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.dates()
    | st.binary(max_size=5)
    | st.sampled_from([10**400, "cnn", "fsf", "mosaic", "fsf-15", "a/b", "http://x"])
)
keys = st.none() | st.booleans() | st.integers() | st.text(max_size=10) | st.sampled_from(["dataset", "method", "mu"])
values = st.recursive(leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4))


def layered(*parts: dict[str, Any]) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for part in parts:
        update_config(merged, part)
    return configuration.layer(merged, parts)


def resolve(config: Any) -> None:
    before = copy.deepcopy(config)
    with contextlib.suppress(UserError):
        configuration.resolve(layered(SMALLEST, config))
    assert repr(config) == repr(before)


@settings(max_examples=200)
@given(section=st.sampled_from(sorted(SCHEMA["properties"])), value=values)
def test_any_value_of_a_section_is_used_or_refused(section: str, value: Any) -> None:
    resolve({section: value})


known = st.sampled_from(
    ["kind", "archive", "dataset", "methods", "images", "method", "scheme", "mu", "label", "published", "sample"]
)


@settings(max_examples=200)
@given(
    section=st.sampled_from(configuration.NAMED_SECTIONS),
    name=st.sampled_from(["mosaic", "fsf-15", "bsd500", "grids"]),
    entry=st.dictionaries(known, values, max_size=4),
)
def test_any_value_of_an_entry_is_used_or_refused(section: str, name: str, entry: dict[str, Any]) -> None:
    resolve({section: {name: entry}})


def test_a_key_that_is_no_text_is_named() -> None:
    with pytest.raises(UserError, match="config: datasets: the key 2012 isn't text: put it in quotes"):
        configuration.resolve({**SMALLEST, "datasets": {2012: {"kind": "mosaic"}}})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seeds": [10**400]}, "config: seeds: a number has more than 63 bits"),
        ({"methods": {"a": {"scheme": "fsf", "mu": 10**400}}}, "config: methods/a/mu: a number has more than 63 bits"),
        ({"tuning": {"grids": {"g": {"scheme": "fsf", "mu": [1, 10**400]}}}}, "tuning/grids/g/mu: a number"),
        ({"datasets": {"a": {"kind": "folder", "archive": "x" * 5000}}}, "datasets/a/archive: x+ doesn't exist"),
    ],
)
def test_a_number_or_a_name_beyond_all_bounds_is_one_sentence(change: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        configuration.resolve({**SMALLEST, **change})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"methods": {"a": {"scheme": "fsf", "mu": "1e-3"}}}, r"methods/a/mu: '1e-3' is text.*: write 0\.001 without"),
        ({"methods": {"a": {"scheme": "fsf", "mu": "1e-9"}}}, r"methods/a/mu: .*: write 1\.0e-09 without"),
        ({"seeds": ["0", "1"]}, r"seeds/1: '1' is text.*: write 1 without quotes \(in a file where .* list"),
        ({"training": {"iterations": "5"}}, "training/iterations: '5' is text.*: write 5 without"),
        ({"scoring": {"connectivity": "8"}}, "scoring/connectivity: '8' is text.*: write 8 without"),
        ({"training": {"iterations": "-5"}}, "training/iterations: '-5' is not of type 'integer'"),
        ({"methods": {"a": {"scheme": "fsf", "mu": 1e39}}}, "methods/a: mu must be .* 32-bit floats, not 1e"),
        ({"methods": {"a": {"scheme": "fsf", "mu": 1e-300}}}, "methods/a: mu must be .* 32-bit floats, not 1e"),
    ],
)
def test_an_odd_number_is_one_sentence_with_what_to_write(change: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        configuration.resolve({**SMALLEST, **change})
    assert "\n" not in str(caught.value)


@given(number=st.floats(min_value=2.0**-126, max_value=1e38), form=st.sampled_from(["{!r}", "{:e}", "{:g}", "{:.0e}"]))
def test_what_the_message_says_to_write_is_the_number(number: float, form: str) -> None:
    text = form.format(number)
    with pytest.raises(UserError) as caught:
        configuration.resolve({**SMALLEST, "methods": {"a": {"scheme": "fsf", "mu": text}}})
    told = re.search("write (.*) without", str(caught.value))
    assert told
    assert yaml.safe_load(told[1]) == float(text)


def test_a_tilde_is_the_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "pictures").mkdir()
    (tmp_path / "ids.txt").write_text("a\n")
    folder = {"kind": "folder", "archive": "~/pictures", "annotations": "~/pictures", "ids": "~/ids.txt"}
    external = {"method": "external", "predictions": "~/pictures"}
    config = {
        "results": "~/results",
        "resources": "~",
        "datasets": {"mine": folder},
        "methods": {"other": external},
        "figure_methods": {"shown": {**external, "ucm_threshold": 0.5}},
        "tuning": {"dataset": folder, "grids": {"g": {**external, "ucm_threshold": [0.1, 0.2]}}},
    }
    resolved = configuration.resolve(config)
    assert "~" not in repr(resolved)
    assert resolved["datasets"]["mine"]["archive"] == str(tmp_path / "pictures")
