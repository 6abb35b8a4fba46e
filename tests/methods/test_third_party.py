"""The worked example of docs/methods.md, installed as pip would install it and run through the registry."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
import yaml

from dynseg.errors import UserError
from dynseg.methods import MODULES, Context, find_method, method_names
from dynseg.parameters import make_parameters
from dynseg.workflow.methods import ENTRY_KEYS

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
        settings = {key: value for key, value in entry.items() if key not in ENTRY_KEYS}
        make_parameters(find_method(entry["method"]).parameters, settings)


def test_the_page_lists_the_builtin_methods():
    listed = re.findall(r"^\| `(\w+)` \|", DOCS.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(listed) == sorted(MODULES)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "import numpy as np",
            "import nunpy as np",
            r"can't be loaded \(ModuleNotFoundError: No module named 'nunpy'\)",
        ),
        ("method = Method", "raise OSError('two\\nlines')\nmethod = Method", r"can't be loaded \(OSError: two lines\)"),
        ("method = Method", "methode = Method", "can't be loaded .*AttributeError"),
        ("method = Method(GreyLevelsParameters, segment", "method = dict(a=3", "isn't a Method"),
        ("@parameter_class", "@__import__('dataclasses').dataclass(frozen=True)", "a parameter_class"),
    ],
)
def test_a_broken_package_is_one_sentence_that_names_it(installed, tmp_path, old, new, message):
    module = tmp_path / "dynseg_grey_levels.py"
    text = module.read_text(encoding="utf-8")
    assert old in text
    module.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(
        UserError, match=f"'grey_levels' of the package dynseg-grey-levels .*{message}.*: rep"
    ) as caught:
        find_method("grey_levels")
    assert "\n" not in str(caught.value)


def label_map_code(folder):
    """The digest of the method's code that a new process takes."""
    code = "from dynseg import code_version, methods\n"
    code += "print(code_version.label_map_code(methods.find_method('grey_levels')))"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), *sys.path])}
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    return result.stdout.strip()


@pytest.mark.parametrize(
    ("file", "old", "new", "reruns"),
    [
        ("dynseg_grey_levels.py", "image.mean(axis=2)", "image.max(axis=2)", True),
        ("dynseg_grey_levels.py", '"""Cut', '"""Slice', False),
        ("dynseg_grey_levels-1.0.dist-info/METADATA", "Version: 1.0", "Version: 1.1", True),
    ],
)
def test_a_changed_package_reruns_what_it_made(installed, tmp_path, file, old, new, reruns):
    (path,) = tmp_path.glob(file)
    before = label_map_code(tmp_path)
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    assert (label_map_code(tmp_path) != before) == reruns


def test_a_module_beside_that_of_the_method_counts_too_even_where_it_cant_be_parsed(installed, tmp_path):
    package = tmp_path / "dynseg_grey_levels"
    package.mkdir()
    (tmp_path / "dynseg_grey_levels.py").rename(package / "__init__.py")
    codes = [label_map_code(tmp_path)]
    for text in ("LEVELS = 3\n", "LEVELS = 4\n", "{{ template }", "{{ another }"):
        (package / "helper.py").write_text(text, encoding="utf-8")
        codes.append(label_map_code(tmp_path))
    assert len(set(codes)) == len(codes)


def test_without_the_package_there_is_no_such_method():
    assert "grey_levels" not in method_names()
