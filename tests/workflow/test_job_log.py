"""What a segmentation job's log says."""

import os
import platform
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dynseg.workflow.job_log import logged_job


def test_a_job_says_where_it_ran_on_what_and_how_it_ended(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    Image.fromarray(np.zeros((8, 9, 3), np.uint8)).save(tmp_path / "images/a.png")
    (tmp_path / "images.txt").write_text("a\n")
    command = [sys.executable, "-m", "dynseg", "segment-batch", "--dataset-dir", str(tmp_path), "--batch", "a"]
    command += ["--method", "cnn", "--set=scheme=fsf", "--set=mu=1", "--set=channels=4", "--set=iterations=2"]
    # A GPU that isn't there is claimed all the same, and PyTorch falls back to the CPU.
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "5", "TMPDIR": str(tmp_path), "PBS_JOBID": "77.server"}
    environment.pop("SLURM_JOB_ID", None)
    command += ["--output", str(tmp_path / "a.h5")]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    first, device, image, last = result.stderr.splitlines()
    assert re.match(r"\d{4}-\d\d-\d\dT[\d:+-]+ start: method cnn, batch a, images 1, seed 0; host ", first)
    assert f"host {platform.node()}, PBS job 77.server" in first
    assert device.startswith("device cpu")
    assert "GPU 5, 1 threads" in device
    assert image.startswith("a: ")
    assert re.search(r" end: after [\d.]+ s$", last)


def test_a_job_that_fails_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ZeroDivisionError), logged_job("nothing"):
        raise ZeroDivisionError
    assert " failed: after " in capsys.readouterr().err
