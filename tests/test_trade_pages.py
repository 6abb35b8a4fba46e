"""The pages for each trade run from top to bottom, on data that they make themselves."""

import re
import shlex
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import pytest
from click.testing import CliRunner
from small_ensemble import use_small_ensembles

from dynseg.cli import main_group
from dynseg.training.parameters import PRESETS

DOCUMENTS = Path(__file__).parents[1] / "docs"


@pytest.mark.parametrize(
    ("page", "packages", "made"),
    [("remote-sensing.md", ("rasterio", "pyogrio", "shapely"), {"out/scene.tif", "out/scene.gpkg", "segments.png"})],
)
def test_a_page_runs(
    page: str, packages: tuple[str, ...], made: set[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for package in packages:
        pytest.importorskip(package)
    monkeypatch.chdir(tmp_path)
    matplotlib.use("agg")
    # The page means the usual training; here it is enough that everything runs.
    monkeypatch.setitem(PRESETS, "fast", {"components": 2, "channels": 20, "iterations": 8, "scale": 0.25})
    use_small_ensembles(monkeypatch)
    text = (DOCUMENTS / page).read_text(encoding="utf-8")
    names: dict[str, object] = {}
    for number, (language, block) in enumerate(re.findall(r"^```(\w+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)):
        if language == "python":
            exec(compile(block, f"{page}, block {number}", "exec"), names)
            continue
        for line in block.splitlines():
            prompt, program, *arguments = shlex.split(line)
            assert prompt == "$"
            if program == "pip":
                continue
            assert program == "dynseg"
            result = CliRunner().invoke(main_group, arguments)
            assert result.exit_code == 0, f"{line}: {result.output}{result.exception}"
    plt.close("all")
    assert {name for name in made if not (tmp_path / name).exists()} == set()
