"""Windows and macOS: what only Linux or only Unix has isn't needed to import dynseg and to segment an image."""

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import torch

from dynseg.devices import resolve_device
from dynseg.errors import UserError

# Their own builds for Windows need none of it.
WITHOUT_UNIX = """
import os, sys
import psutil, torch

for name in ("fcntl", "resource", "grp", "pwd", "termios"):
    sys.modules[name] = None
for name in ("getuid", "geteuid", "getgid", "fork", "pread", "pwrite", "sched_getaffinity", "fchmod"):
    if hasattr(os, name):
        delattr(os, name)
"""


def run_without_unix(code: str, folder: Path) -> str:
    """Run code in a Python that lacks what Windows lacks; return what it prints."""
    command = [sys.executable, "-c", WITHOUT_UNIX + textwrap.dedent(code)]
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_everything_imports(tmp_path: Path) -> None:
    code = """
    import importlib, pkgutil, dynseg

    names = [module.name for module in pkgutil.walk_packages(dynseg.__path__, "dynseg.")]
    for name in names:
        if not name.endswith("__main__"):
            importlib.import_module(name)
    print(len(names))
    """
    assert int(run_without_unix(code, tmp_path)) > 80


def test_an_image_is_segmented_and_written(tmp_path: Path) -> None:
    code = """
    import numpy as np
    from PIL import Image
    from dynseg.cli import main
    from dynseg.devices import claimed_gpu
    from dynseg.io.locks import claim_folder, one_at_a_time

    os.environ["CUDA_VISIBLE_DEVICES"] = "0"
    with claimed_gpu() as gpu, one_at_a_time("made"):
        claim_folder("results")
        print(gpu)
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (12, 16, 3), dtype=np.uint8)).save("a.png")
    main(["segment", "a.png", "-o", "out", "--iterations", "2"])
    """
    assert run_without_unix(code, tmp_path).startswith("0\n")
    assert (tmp_path / "out/a.png").is_file()


def test_apples_gpu_is_taken_by_name_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert resolve_device("mps") == "mps"
    assert resolve_device("auto") == "cpu"
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(UserError, match="mps"):
        resolve_device("mps")
