"""What made a result: parameters, seed, versions, device."""

import platform
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from typing import Any

from dynseg import __version__

PACKAGES = ("torch", "numpy", "scikit-image", "scikit-learn")


def describe_run(method: str, parameters: Mapping[str, Any], seed: int, device: str, threads: int) -> dict[str, Any]:
    """Return the attributes of a label map file.

    Parameters
    ----------
    method : str
        Name in the registry.
    parameters : mapping
        All parameters of the method, defaults too.
    seed, threads : int
    device : {"cpu", "cuda", "mps"}
    """
    return {
        "method": method,
        "parameters": dict(parameters),
        "seed": seed,
        "device": _device_name(device),
        "threads": threads,
        "versions": versions(),
    }


def versions(packages: Iterable[str] = PACKAGES) -> dict[str, str]:
    """Return the versions of dynseg, of Python and of packages, by their names."""
    return {
        "dynseg": __version__,
        "python": platform.python_version(),
        **{package: version(package) for package in packages},
    }


def _device_name(device: str) -> str:
    if device != "cuda":
        return f"{device} ({platform.machine()})"
    import torch

    return f"cuda ({torch.cuda.get_device_name()})"
