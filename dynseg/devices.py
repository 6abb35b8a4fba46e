"""Which device a computation runs on, and with how many threads."""

import itertools
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from threadpoolctl import threadpool_limits

from dynseg.errors import UserError

DEVICES = ("auto", "cpu", "cuda", "mps")
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def gpu_is_visible() -> bool:
    """Tell whether this machine seems to have a GPU that may be used, without importing torch."""
    return os.environ.get("CUDA_VISIBLE_DEVICES") not in ("", "-1") and shutil.which("nvidia-smi") is not None


def resolve_device(device: str) -> str:
    """Return "cpu", "cuda" or "mps" for one of these and "auto", which takes CUDA where there is one, else the CPU.

    Apple's GPUs ("mps") are taken by name alone.

    Raises
    ------
    UserError
        If it is none of them, or "cuda" or "mps" is asked for and there is none.
    """
    if device not in DEVICES:
        raise UserError(
            f"device must be one of {', '.join(DEVICES)}, not {device!r}: CUDA_VISIBLE_DEVICES chooses a GPU"
        )
    if device == "cpu":
        return device
    import torch

    if device == "mps":
        if not torch.backends.mps.is_available():
            raise UserError("device is mps, but PyTorch sees no GPU of Apple's here: set device to auto or cpu")
        return device
    if torch.cuda.is_available():
        return "cuda"
    if device == "cuda":
        raise UserError("device is cuda, but PyTorch sees no CUDA device here: set device to auto or cpu")
    return "cpu"


@contextmanager
def claimed_gpu() -> Iterator[str | None]:
    """Let this process see one GPU that no other job of this user has claimed; where there is one alone, that one.

    The claim is the lock of a file in the system's folder of temporary files; the system releases it however the
    process ends. More jobs than GPUs share them evenly. Enter before CUDA starts, which reads `CUDA_VISIBLE_DEVICES`,
    set here, once. Under SLURM its choice stands.

    Yields
    ------
    str or None
        The claimed one, as `CUDA_VISIBLE_DEVICES` names it; None where there is nothing to choose from.

    Raises
    ------
    UserError
        If the folder of locks can't be written.
    """
    gpus = visible_gpus()
    if not gpus or "SLURM_JOB_ID" in os.environ:
        yield None
        return
    gpu, lock = _claim(gpus)
    before = os.environ.get("CUDA_VISIBLE_DEVICES")
    os.environ["CUDA_VISIBLE_DEVICES"] = gpu
    try:
        yield gpu
    finally:
        lock.release()
        if before is None:
            del os.environ["CUDA_VISIBLE_DEVICES"]
        else:
            os.environ["CUDA_VISIBLE_DEVICES"] = before


def visible_gpus() -> list[str]:
    """Return the GPUs that this process may use, as `CUDA_VISIBLE_DEVICES` names them, without importing torch."""
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    if given is not None:
        # As CUDA does, stop at the first entry that names none.
        return list(itertools.takewhile(lambda name: name not in ("", "-1"), map(str.strip, given.split(","))))
    if shutil.which("nvidia-smi") is None:
        return []
    command = ["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"]
    listed = subprocess.run(command, capture_output=True, text=True, check=False)
    return listed.stdout.split() if listed.returncode == 0 else []


def _claim(gpus: list[str]) -> tuple[str, FileLock]:
    # Windows has a folder of temporary files for each user.
    user = f"-{os.getuid()}" if hasattr(os, "getuid") else ""
    folder = Path(tempfile.gettempdir(), f"dynseg-gpus{user}")
    share = 0
    while True:
        for gpu in gpus:
            lock = FileLock(folder / f"{re.sub(r'[^A-Za-z0-9-]', '_', gpu)}.{share}.lock")
            try:
                folder.mkdir(mode=0o700, exist_ok=True)
                lock.acquire(blocking=False)
            except Timeout:
                continue
            except OSError as error:
                raise UserError(
                    f"{folder} can't hold the locks of GPUs ({error.strerror}): set TMPDIR to a writable folder"
                ) from error
            return gpu, lock
        share += 1


@contextmanager
def limited_threads(threads: int) -> Iterator[None]:
    """Let numerical libraries use this many threads of the CPU, and then as many as before.

    Libraries that are loaded already are told so; those that are loaded inside, torch among them, read it from their
    environment variables and keep it. Code inside reads the number by `torch.get_num_threads()`.

    Parameters
    ----------
    threads : int
        At least 1.
    """
    before = {variable: os.environ.get(variable) for variable in _THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(_THREAD_VARIABLES, str(threads)))
    try:
        with threadpool_limits(threads), _limited_torch(threads):
            yield
    finally:
        for variable, value in before.items():
            if value is None:
                os.environ.pop(variable, None)
            else:
                os.environ[variable] = value


@contextmanager
def _limited_torch(threads: int) -> Iterator[None]:
    torch: Any = sys.modules.get("torch")
    if torch is None:
        # Loading it takes longer than what many methods do without it.
        yield
        return
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
