"""The plugin in a real window, on a screen that is none."""

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "support" / "napari_window.py"


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("napari") is None, reason="napari isn't installed")
@pytest.mark.skipif(shutil.which("xvfb-run") is None, reason="there is no xvfb-run")
def test_a_window_is_closed_during_a_run(tmp_path: Path) -> None:
    screen = ["xvfb-run", "--auto-servernum", "--server-args", "-screen 0 1400x1000x24"]
    settings = {"QT_QPA_PLATFORM": "xcb", "NAPARI_CONFIG": str(tmp_path / "settings.yaml")}
    picture = tmp_path / "window.png"
    result = subprocess.run(
        [*screen, sys.executable, "-W", "ignore", str(SCRIPT), str(picture)],
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert "closed" in result.stdout
    assert "Traceback" not in result.stderr
    assert picture.stat().st_size > 10_000
