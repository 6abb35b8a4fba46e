"""No value under any key of the config is a traceback."""

import contextlib
import copy
from typing import Any

import pytest
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
