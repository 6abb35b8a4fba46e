"""Which device a computation runs on."""

import os
import shutil

from dynseg.errors import UserError

DEVICES = ("auto", "cpu", "cuda")


def gpu_is_visible() -> bool:
    """Tell whether this machine seems to have a GPU that may be used, without importing torch."""
    return os.environ.get("CUDA_VISIBLE_DEVICES") not in ("", "-1") and shutil.which("nvidia-smi") is not None


def resolve_device(device: str) -> str:
    """Return "cpu" or "cuda" for one of "auto", "cpu" and "cuda".

    Raises
    ------
    UserError
        If "cuda" is asked for and there is none.
    """
    if device == "cpu":
        return device
    import torch

    if torch.cuda.is_available():
        return "cuda"
    if device == "cuda":
        raise UserError("device is cuda, but PyTorch sees no CUDA device here: set device to auto or cpu")
    return "cpu"


def use_threads(threads: int) -> None:
    """Let the libraries of numerical computation that are loaded after this use this many threads."""
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[variable] = str(threads)
