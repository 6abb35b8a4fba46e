"""Which GPU a job takes, with lists of GPUs that don't exist, and how many threads."""

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from threadpoolctl import threadpool_info

from dynseg.devices import claimed_gpu, limited_threads, visible_gpus

CLAIM = """
import sys, time
from dynseg.devices import claimed_gpu
with claimed_gpu() as gpu:
    print(gpu, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine of our own: no scheduler, no claims, no GPUs unless a test names some."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")


@contextmanager
def job() -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A process that claims a GPU and keeps it; yields it with the GPU's name."""
    process = subprocess.Popen([sys.executable, "-c", CLAIM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin
    assert process.stdout
    try:
        yield process, process.stdout.readline().strip()
    finally:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()


def test_jobs_at_the_same_time_take_different_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2, 3,GPU-5f/6")
    with job() as (_, first), job() as (_, second), claimed_gpu() as third:
        assert {first, second, third} == {"2", "3", "GPU-5f/6"}
        assert os.environ["CUDA_VISIBLE_DEVICES"] == third
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "2, 3,GPU-5f/6"


def test_a_killed_job_leaves_its_gpu_to_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    with job() as (_, first), job() as (process, second):
        process.kill()
        process.wait()
        with job() as (_, third):
            assert (first, second, third) == ("0", "1", "1")


def test_more_jobs_than_gpus_share_them_evenly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    with claimed_gpu() as a, claimed_gpu() as b:
        # Each claim narrows what this process sees, so that both of these took the first.
        assert a == b == "0"
    with job() as (_, first), job() as (_, second), job() as (_, third), job() as (_, fourth):
        assert Counter([first, second, third, fourth]) == {"0": 2, "1": 2}


def test_slurms_choice_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1,3")
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    with claimed_gpu() as gpu:
        assert gpu is None
        assert os.environ["CUDA_VISIBLE_DEVICES"] == "1,3"


@pytest.mark.parametrize(("given", "seen"), [("", []), ("-1", []), ("0", ["0"]), ("1,0,-1,2", ["1", "0"])])
def test_visible_gpus_are_those_that_cuda_would_see(
    monkeypatch: pytest.MonkeyPatch, given: str, seen: list[str]
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", given)
    assert visible_gpus() == seen


@pytest.mark.parametrize(("script", "seen"), [("printf '0\\n1\\n'", ["0", "1"]), ("echo broken; exit 9", [])])
def test_the_driver_is_asked_where_nothing_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, seen: list[str]
) -> None:
    command = tmp_path / "bin/nvidia-smi"
    command.parent.mkdir()
    command.write_text(f"#!/bin/sh\n{script}\n")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", str(command.parent), prepend=os.pathsep)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    assert visible_gpus() == seen
    with claimed_gpu() as gpu:
        assert gpu == (seen[0] if seen else None)
    assert "CUDA_VISIBLE_DEVICES" not in os.environ


def test_threads_are_limited_inside_and_as_before_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    def numbers() -> tuple[int, list[int], str | None, str | None]:
        pools = [pool["num_threads"] for pool in threadpool_info()]
        return torch.get_num_threads(), pools, os.environ.get("OMP_NUM_THREADS"), os.environ.get("MKL_NUM_THREADS")

    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        before = numbers()
        with limited_threads(1):
            assert numbers() == (1, [1] * len(before[1]), "1", "1")
        with pytest.raises(ValueError, match="inside"), limited_threads(3):
            assert torch.get_num_threads() == 3
            raise ValueError("inside")
        assert numbers() == before
    finally:
        torch.set_num_threads(threads)


def test_a_torch_that_is_loaded_later_obeys_too() -> None:
    code = (
        "import sys, numpy\nfrom dynseg.devices import limited_threads\nassert 'torch' not in sys.modules\n"
        "with limited_threads(1):\n    import torch\n    print(torch.get_num_threads())"
    )
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert result.stdout.strip() == "1"
