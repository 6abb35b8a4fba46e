"""The name of the file that holds a wrong key, where several are laid over each other."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import Workflow
from hypothesis import given
from hypothesis import strategies as st

from dynseg.errors import UserError
from dynseg.workflow.configuration import read_config, resolve_parts
from dynseg.workflow.sources import with_source

BASE: dict[str, Any] = {
    "datasets": {"mosaic": {}},
    "methods": {"fsf-15": {"scheme": "fsf", "mu": 15}, "fixed": {"scheme": "fixed", "mu": 5, "channels": 8}},
    "training": {"iterations": 10},
}


@pytest.mark.parametrize(
    ("base", "over", "sentence", "holder"),
    [
        ({}, {"training": {"scale": 2}}, "training/scale", "over.yaml"),
        ({"training": {"scale": 2}}, {"training": {"momentum": 0.5}}, "training/scale", "base.yaml"),
        ({"training": {"scale": 0.5}}, {"training": {"scale": 2}}, "training/scale", "over.yaml"),
        ({}, {"trainin": {}}, "no key 'trainin' here", "over.yaml"),
        ({}, {"methods": {"a": {"scheme": "fsf", "mu": 1, "nu": 1}}}, "'nu'", "over.yaml"),
        ({"methods": {"a": {"scheme": "fsf"}}}, {"seeds": [1]}, "methods/a", "base.yaml"),
        ({}, {"panels": {"p": {"dataset": "none"}}}, "panels/p/dataset", "over.yaml"),
        ({"datasets": {"a": {"kind": "folder"}}}, {"seeds": [1]}, "datasets/a: 'archive' is a required", "base.yaml"),
        # A parameter that is checked beside others may be the entry's own or all entries'.
        ({}, {"training": {"minimum_labels": 9}}, "methods/fixed: training stops at 9", "over.yaml"),
        ({}, {"methods": {"a": {"scheme": "fsf", "mu": 1e39}}}, "methods/a: mu must be", "over.yaml"),
        ({}, {"archives": "nowhere"}, "archives: nowhere", "over.yaml"),
        ({}, {"seeds": [10**400]}, "seeds: a number", "over.yaml"),
    ],
)
def test_a_sentence_names_the_file_of_several(
    base: dict[str, Any], over: dict[str, Any], sentence: str, holder: str, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("base.yaml").write_text(yaml.safe_dump({**BASE, **base}))
    Path("over.yaml").write_text(yaml.safe_dump(over))
    with pytest.raises(UserError, match=rf"^config: .*{sentence}.* \(in {holder}\)$"):
        read_config([Path("base.yaml"), Path("over.yaml")])


def test_one_file_isnt_named_and_nor_is_what_no_file_says() -> None:
    wrong = {**BASE, "seeds": []}
    with pytest.raises(UserError, match=r"^config: seeds(?!.*\(in )"):
        resolve_parts(wrong, [("one.yaml", wrong)])
    assert with_source("config: results: results can't be a folder", [("a", {}), ("b", {})]).endswith("a folder")
    assert with_source("the config is no mapping", [("a", {"the": 1}), ("b", {})]) == "the config is no mapping"


def test_of_a_module_the_part_below_its_key_counts() -> None:
    parts = [("own.yaml", {"dynseg": BASE, "seeds": 1}), ("--config", {"dynseg": {"seeds": []}})]
    with pytest.raises(UserError, match=r"^config: seeds.*\(in --config\)$"):
        resolve_parts({**BASE, "seeds": []}, parts)


@given(st.text(), st.lists(st.tuples(st.text(), st.dictionaries(st.text(), st.integers())), max_size=3))
def test_no_sentence_is_lost(sentence: str, parts: list[tuple[str, dict[str, Any]]]) -> None:
    assert with_source(sentence, parts).startswith(sentence)


@pytest.mark.slow
def test_the_workflow_names_it_too(tmp_path: Path) -> None:
    (tmp_path / "over.yaml").write_text("training: {scale: 2}\n")
    workflow = Workflow(tmp_path, BASE)

    def said(*arguments: str, config: dict[str, Any] | None = None) -> str:
        result = workflow.snakemake(*arguments, "--dry-run", config=config)
        assert result.returncode != 0
        return result.stdout + result.stderr

    output = said("over.yaml")
    assert "config: training/scale: 2 is greater than" in output
    assert "(in over.yaml)" in output
    assert "(in --config)" in said("--config", "threads=0")
    assert "(in " not in said(config={**BASE, "seeds": []})


def test_a_config_to_lay_over_others_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for text in ("seeds: [0]", "datasets:\nmethods: {a: {method: blank}}"):
        Path("fast.yaml").write_text(text)
        with pytest.raises(UserError, match=r"datasets: there are none: .* over one that does, as in `dynseg plan"):
            read_config([Path("fast.yaml")])
