"""Every block of the documents for users runs, and names what there is."""

import inspect
import json
import pkgutil
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import yaml
from click.testing import CliRunner
from PIL import Image
from small_ensemble import use_small_ensembles

import dynseg
from dynseg.cli import main_group
from dynseg.datasets import find_kind
from dynseg.training.parameters import PRESETS

DOCUMENTS = Path(__file__).parents[1] / "docs"


def blocks(document: str) -> list[tuple[str, str]]:
    """The language and the text of every block of code."""
    text = (DOCUMENTS / document).read_text(encoding="utf-8")
    return re.findall(r"^```(\w+)\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)


def save_photograph(path: Path, seed: int) -> None:
    image = np.random.default_rng(seed).integers(0, 25, (16, 24, 3))
    image[:, 12:] += np.array([200, 90, 30])
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(image.astype(np.uint8)).save(path)


@pytest.mark.parametrize("document", ["your-own-images.md", "api.md", "annotation.md", "microscopy.md"])
def test_blocks_run_from_top_to_bottom(document: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if document == "microscopy.md":
        pytest.importorskip("ome_zarr")
    monkeypatch.chdir(tmp_path)
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        monkeypatch.setenv(variable, "1")
    # The documents mean the usual training; here it is enough that everything runs.
    monkeypatch.setitem(PRESETS, "fast", {"components": 2, "channels": 20, "iterations": 12, "scale": 0.25})
    use_small_ensembles(monkeypatch)
    save_photograph(tmp_path / "photo.jpg", 0)
    save_photograph(tmp_path / "holiday" / "a.png", 1)
    (tmp_path / "drawn").mkdir()
    Image.fromarray(np.indices((16, 24))[1].astype(np.uint8) // 12).save(tmp_path / "drawn" / "photo.png")
    names: dict[str, object] = {}
    languages = set()
    for language, text in blocks(document):
        languages.add(language)
        if language == "python":
            exec(text, names)
            continue
        if language == "xml":
            # A setting of another program.
            continue
        if language == "yaml":
            for entry in yaml.safe_load(text)["datasets"].values():
                find_kind(entry.pop("kind")).keys.model_validate(entry)
            continue
        for line in text.splitlines():
            prompt, program, *arguments = shlex.split(line)
            assert (prompt, program) == ("$", "dynseg")
            result = CliRunner().invoke(main_group, arguments)
            assert result.exit_code == 0, f"{line}: {result.output}{result.exception}"
    assert "python" in languages
    if document == "annotation.md":
        (task,) = json.loads((tmp_path / "tasks.json").read_text())
        assert task["data"]["image"] == "https://images.example.org/holiday/a.png"
        renamed = json.loads((tmp_path / "polygons" / "a.json").read_text())["shapes"]
        assert {"sky", "roof", "label 2"} <= {shape["label"] for shape in renamed}
    if document == "your-own-images.md":
        made = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.png")}
        assert {"out/photo.png", "five/photo.png", "all/a.overlay.png", "labelled/a.png", "poster.png"} <= made


def test_the_reference_has_every_name_with_its_parameters() -> None:
    text = (DOCUMENTS / "api.md").read_text(encoding="utf-8")
    signatures = dict(re.findall(r"`dynseg\.(\w+)\(([^)]*)\)`", text))
    functions = {name for name in dynseg.__all__ if inspect.isfunction(getattr(dynseg, name))}
    assert functions <= signatures.keys()
    for name in functions:
        documented = [part.strip(" *") for part in signatures[name].split(",")]
        assert [part for part in documented if part] == list(inspect.signature(getattr(dynseg, name)).parameters)
    for name in set(dynseg.__all__) - functions - {"__version__"}:
        assert f"dynseg.{name}" in text
    for module in re.findall(r"`dynseg\.([a-z_]+(?:\.[a-z_]+)*)`", text):
        assert pkgutil.resolve_name(f"dynseg.{module}"), module
