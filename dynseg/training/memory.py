"""How much memory segmenting an image takes, and how much there is."""

import os
from pathlib import Path

from dynseg.training.parameters import TrainingParameters, reduced_size

_FLOAT = 4
# Python, PyTorch and the libraries beside it, before any image: measured 0.54 GB with PyTorch's usual CUDA build, also
# where there is no GPU, and 0.26 GB with its CPU build.
PROCESS_BYTES = 540_000_000
# oneDNN's reordered copies, or a workspace of cuDNN; either library chooses by shape.
_LIBRARY_WORKSPACE = 300_000_000
# The image and its label map in several types.
BYTES_PER_PIXEL = 64
# What the first convolution reads of a pixel: 27 values and a 1.
_NEIGHBOURHOOD = 28
# Maps of what one strip is transformed to and from, in units of a tile and channel (`dynseg.training.fast.winograd`).
_STRIP_VALUES = 180
_TILES_PER_STRIP = 128
_TILE = 4
_KERNEL_GRADIENTS = 11 * 36


def estimate_memory(
    height: int, width: int, parameters: TrainingParameters, device: str = "cpu", threads: int = 1
) -> int:
    """Estimate the peak memory of training a network on an image and applying it to the whole of it.

    Parameters
    ----------
    height, width : int
        Of the image, in pixels, before it is reduced by `parameters.scale`.
    parameters : TrainingParameters
    device : {"cpu", "cuda"}
    threads : int
        Of the fast step; each has buffers of its own.

    Returns
    -------
    int
        Bytes. On the CPU beside what a process takes without an image: for 161 × 241 to 642 × 962 pixels the fast
        step's estimate and that were within 3 % of the measured peaks, the plain step's 6 to 55 % above them. On
        a GPU the memory that PyTorch takes there, reasoned from the maps that autograd keeps and not measured.
    """
    reduced_height, reduced_width = reduced_size(height, width, parameters.scale)
    fast = device == "cpu" and parameters.step == "fast"
    train = _fast_step if fast else _plain_step
    apply = _fast_step if fast else _plain_prediction
    peak = max(train(reduced_height, reduced_width, parameters, threads), apply(height, width, parameters, threads))
    return peak + BYTES_PER_PIXEL * height * width


def available_memory(device: str = "cpu") -> int | None:
    """Return how many bytes may still be taken on a device, or None if the system doesn't say.

    On the CPU: what Linux can give without swapping, and no more than the limits of the control groups that the process
    is in (containers, cluster jobs).

    Parameters
    ----------
    device : {"cpu", "cuda"}
    """
    if device == "cuda":
        import torch

        free, _ = torch.cuda.mem_get_info()
        return free + torch.cuda.memory_reserved() - torch.cuda.memory_allocated()
    limits = [limit for limit in (_system_memory(), *_control_group_memory()) if limit is not None]
    return min(limits, default=None)


def format_bytes(count: int) -> str:
    """Return a number of bytes as text: "350 MB", "5.1 GB"."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{max(1, round(count / 1e6))} MB"


def _fast_step(height: int, width: int, parameters: TrainingParameters, threads: int) -> int:
    channels = parameters.channels
    maps = height * width * _FLOAT * (channels * (parameters.components + 2) + _NEIGHBOURHOOD)
    tiles = max(_TILES_PER_STRIP, -(-width // _TILE))
    buffers = threads * tiles * _STRIP_VALUES * channels * _FLOAT
    return maps + buffers + _KERNEL_GRADIENTS * channels**2 * _FLOAT


def _plain_step(height: int, width: int, parameters: TrainingParameters, threads: int) -> int:
    # Two maps a component are kept for the backward pass, and about eight are alive at its peak.
    maps = height * width * _FLOAT * parameters.channels * (2 * parameters.components + 8)
    return maps + _LIBRARY_WORKSPACE


def _plain_prediction(height: int, width: int, parameters: TrainingParameters, threads: int) -> int:
    return height * width * _FLOAT * parameters.channels * 4 + _LIBRARY_WORKSPACE


def _system_memory() -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration, ValueError):
        pass
    try:
        # Elsewhere all of the memory: better than no bound.
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return None


def _control_group_memory(
    groups: Path = Path("/proc/self/cgroup"), root: Path = Path("/sys/fs/cgroup")
) -> list[int | None]:
    """Return what is left below the limit of each control group around the process, versions 2 and 1."""
    try:
        lines = [line.split(":", 2) for line in groups.read_text(encoding="utf-8").splitlines()]
    except OSError:
        return []
    left: list[int | None] = []
    for _, controllers, path in (line for line in lines if len(line) == 3):
        if controllers == "":
            folder, limit, usage, cache = root, "memory.max", "memory.current", "inactive_file"
        elif "memory" in controllers.split(","):
            folder, limit, usage, cache = (
                root / "memory",
                "memory.limit_in_bytes",
                "memory.usage_in_bytes",
                "total_inactive_file",
            )
        else:
            continue
        group = folder / path.lstrip("/")
        for place in (group, *group.parents):
            left.append(_left_in_group(place / limit, place / usage, place / "memory.stat", cache))
            if place == folder:
                break
    return left


def _left_in_group(limit: Path, usage: Path, statistics: Path, cache: str) -> int | None:
    try:
        used = int(usage.read_text())
        # Files that were read lately count as used, and make way for whoever needs memory.
        lines = [line.split() for line in statistics.read_text().splitlines()] if statistics.exists() else []
        used -= next((int(line[1]) for line in lines if line[0] == cache), 0)
        return max(0, int(limit.read_text()) - used)
    except (OSError, ValueError):
        # No such group here, or no limit ("max").
        return None
