"""The worked example of docs/methods.md, installed as pip would install it and run through the registry."""

import re
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
import yaml

from dynseg.errors import UserError
from dynseg.methods import MODULES, Context, find_method, method_names
from dynseg.parameters import make_parameters

DOCS = Path(__file__).parents[2] / "docs" / "methods.md"


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Install the package that the page shows; returns the page."""
    page = DOCS.read_text(encoding="utf-8")
    files = dict(re.findall(r"^`([\w.]+)`:\n\n```\w+\n(.*?)^```", page, re.MULTILINE | re.DOTALL))
    package = tomllib.loads(files.pop("pyproject.toml"))
    project = package["project"]
    assert [f"{module}.py" for module in package["tool"]["setuptools"]["py-modules"]] == list(files)
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    metadata = tmp_path / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    )
    groups = project["entry-points"].items()
    lines = [
        f"[{group}]\n" + "\n".join(f"{name} = {value}" for name, value in points.items()) for group, points in groups
    ]
    (metadata / "entry_points.txt").write_text("\n".join(lines))
    monkeypatch.syspath_prepend(tmp_path)
    yield page
    for name in files:
        sys.modules.pop(name.removesuffix(".py"), None)


def test_the_example_runs_through_the_registry(installed):
    method = find_method("grey_levels")
    image = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2)
    labels = method.segment(image, Context(), make_parameters(method.parameters, {"levels": "4"})).labels
    np.testing.assert_array_equal(labels, np.arange(256)[None] // 64)
    with pytest.raises(UserError, match="levels"):
        make_parameters(method.parameters, {"levels": 1})


def test_the_example_is_listed_after_the_builtin_methods(installed):
    names = method_names()
    assert names[: len(MODULES)] == list(MODULES)
    assert "grey_levels" in names


def test_the_pages_configuration_names_methods_and_parameters_that_exist(installed):
    entries = [
        entry
        for block in re.findall(r"^ *```yaml\n(.*?)^ *```", installed, re.MULTILINE | re.DOTALL)
        for entry in yaml.safe_load(block)["methods"].values()
    ]
    assert len(entries) >= 3
    for entry in entries:
        make_parameters(find_method(entry.pop("method")).parameters, entry)


def test_the_page_lists_the_builtin_methods():
    listed = re.findall(r"^\| `(\w+)` \|", DOCS.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(listed) == sorted(MODULES)


def test_without_the_package_there_is_no_such_method():
    assert "grey_levels" not in method_names()
