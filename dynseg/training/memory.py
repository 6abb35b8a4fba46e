"""How much memory segmenting an image takes, and how much there is."""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

from dynseg.errors import UserError
from dynseg.training.parameters import TrainingParameters, reduced_size
from dynseg.training.sizes import Size, Sizes
from dynseg.training.strip_sizes import ENLARGED_VALUES_PER_STRIP, TILE, tiles_per_strip

_FLOAT = 4
# Python, PyTorch and the libraries beside it, before any image: measured 0.54 GB with PyTorch's usual CUDA build, also
# where there is no GPU, and 0.26 GB with its CPU build.
PROCESS_BYTES = 540_000_000
# oneDNN's reordered copies, or a workspace of cuDNN; either library chooses by shape.
_LIBRARY_WORKSPACE = 300_000_000
# The label map, and each band of the image, in several types.
_LABEL_BYTES = 16
_BAND_BYTES = 16
# Maps of what one strip is transformed to and from, in units of a tile and channel (`dynseg.training.fast.winograd`).
_STRIP_VALUES = 180
_KERNEL_GRADIENTS = 11 * 36
# While one strip of enlarged responses is made, about four are there.
_ENLARGEMENT_BYTES = 4 * _FLOAT * ENLARGED_VALUES_PER_STRIP
# Of all trainings that a GPU does side by side: 27 at a quarter of 481 × 321, after which images a second hardly rise
# (benchmarks/README.md); at full size one alone fills it.
_PIXELS_TOGETHER = 2**18
# Sizes along the longer side, in pixels, that are tried in place of one that memory doesn't do for.
LEAST_MAX_SIZE = 64
_SIZE_STEP = 32


def estimate_memory(
    height: int,
    width: int,
    parameters: TrainingParameters,
    device: str = "cpu",
    threads: int = 1,
    bands: int = 3,
) -> int:
    """Estimate the peak memory of training a network on an image and applying it to the whole of it.

    Parameters
    ----------
    height, width : int
        Size of the image, in pixels, before it is reduced by `parameters.scale`.
    parameters : TrainingParameters
    device : {"cpu", "cuda"}
    threads : int
        Threads of the fast step; each has buffers of its own.
    bands : int
        Channels of the image.

    Returns
    -------
    int
        Bytes. On the CPU beside what a process takes without an image: for 161 × 241 to 642 × 962 pixels the fast
        step's estimate and that were within 3 % of the measured peaks, the plain step's 6 to 55 % above them. On
        a GPU the memory that PyTorch takes there: a quarter to a third above the measured peaks at 321 × 481 pixels,
        three times them at a quarter of that, by the room for the library's workspace.
    """
    return _estimate(Sizes.at_scale((height, width), parameters.scale), parameters, device, threads, bands)


def memory_needed(
    height: int,
    width: int,
    parameters: TrainingParameters,
    max_size: int,
    threads: int = 1,
    bands: int = 3,
) -> int:
    """Estimate the peak memory of `dynseg.segment` on the CPU in bytes, beside what the process takes anyway.

    Parameters
    ----------
    height, width : int
        Size of the image, in pixels.
    parameters : TrainingParameters
    max_size : int
        See `dynseg.segment`.
    threads, bands
        See `estimate_memory`.
    """
    sizes = Sizes.within((height, width), max_size, parameters.scale)
    estimate = _estimate(sizes, parameters, "cpu", threads, bands)
    if sizes.applied == sizes.original:
        return estimate
    # The estimate counts the pixels that the network is applied to. Where responses are enlarged, a copy of them takes
    # the place of the features.
    pixels = sizes.applied[0] * sizes.applied[1]
    return estimate + _pixel_bytes(bands) * (height * width - pixels) + _ENLARGEMENT_BYTES


def check_memory(size: Size, bands: int, max_size: int, parameters: TrainingParameters, threads: int) -> None:
    """Raise a UserError if an image won't fit into the CPU's memory at a size.

    Parameters
    ----------
    size : (int, int)
        Height and width of the image, in pixels.
    bands : int
        Channels of the image.
    max_size : int
        See `dynseg.segment`.
    parameters : TrainingParameters
    threads : int
        See `estimate_memory`.
    """

    def needed_at(longer_side: int) -> int:
        return memory_needed(*size, parameters, longer_side, threads=threads, bands=bands)

    refuse_too_large(size, max_size, needed_at)


def refuse_too_large(size: Size, max_size: int, needed_at: Callable[[int], int]) -> None:
    """Raise a UserError if too little memory of the CPU is free for an image.

    Parameters
    ----------
    size : (int, int)
        Height and width of the image, in pixels.
    max_size : int
        Pixels along the longer side that the image is reduced to if it is larger.
    needed_at : callable
        From pixels along the longer side to the bytes that they need.
    """
    available, needed = available_memory("cpu"), needed_at(max_size)
    if needed <= available:
        return
    sizes = range(min(max_size, max(size)), LEAST_MAX_SIZE, -_SIZE_STEP)
    fitting = next((longer_side for longer_side in sizes if needed_at(longer_side) <= available), None)
    advice = f"give --max-size (max_size) {fitting} or less" if fitting else "free some, or give a smaller image"
    raise UserError(
        f"{size[1]} × {size[0]} pixels need about {format_bytes(needed)} of memory at {sizes.start} pixels along the "
        f"longer side, and {format_bytes(available)} are free: {advice}"
    )


def check_memory_of_training(sizes: Sequence[Size], bands: int, parameters: TrainingParameters, threads: int) -> None:
    """Raise a UserError if training on several images won't fit into the CPU's memory.

    Parameters
    ----------
    sizes : sequence of (int, int)
        Height and width of each image at the size of training, in pixels.
    bands : int
        Channels of the images.
    parameters : TrainingParameters
    threads : int
        See `estimate_memory`.
    """
    available = available_memory("cpu")
    unreduced = dataclasses.replace(parameters, scale=1.0)
    # Each image has a step with buffers of its own.
    needed = sum(estimate_memory(*size, unreduced, threads=threads, bands=bands) for size in sizes)
    if needed > available:
        raise UserError(
            f"training on {len(sizes)} images together needs about {format_bytes(needed)} of memory, and "
            f"{format_bytes(available)} are free: give fewer, or a smaller --max-size (max_size)"
        )


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an error says that a device's memory was too small."""
    import torch

    # The CPU's allocator raises a plain RuntimeError.
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in str(error)


def available_memory(device: str = "cpu") -> int:
    """Return how many bytes may still be taken on a device.

    On the CPU: what the system can give without swapping, and no more than the limits of the control groups that the
    process is in (containers, cluster jobs).

    Parameters
    ----------
    device : {"cpu", "cuda"}
    """
    if device == "cuda":
        import torch

        free, _ = torch.cuda.mem_get_info()
        return free + torch.cuda.memory_reserved() - torch.cuda.memory_allocated()
    return min(limit for limit in (_system_memory(), *_control_group_memory()) if limit is not None)


def trainings_together(height: int, width: int, parameters: TrainingParameters, bands: int = 3) -> int:
    """Return how many trainings on images of one size a GPU does side by side: as many as fill it, and fit half of it.

    Parameters
    ----------
    height, width : int
        Size of the images, in pixels, before they are reduced by `parameters.scale`.
    parameters : TrainingParameters
    bands : int
        Channels of the images.
    """
    trained = reduced_size(height, width, parameters.scale)
    needed = _plain_maps(trained, parameters, 2 * parameters.components + 8) + _pixel_bytes(bands) * height * width
    fitting = available_memory("cuda") // 2 // needed
    return max(1, min(fitting, _PIXELS_TOGETHER // (trained[0] * trained[1])))


def format_bytes(count: int) -> str:
    """Return a number of bytes as text: "350 MB", "5.1 GB"."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{max(1, round(count / 1e6))} MB"


def _estimate(sizes: Sizes, parameters: TrainingParameters, device: str, threads: int, bands: int) -> int:
    """Estimate the peak memory of training and application, without what the original size takes beyond the applied."""
    height, width = sizes.applied
    if device == "cpu" and parameters.step == "fast":
        training = _fast_maps(sizes.trained, parameters, parameters.components + 2, threads, bands)
        training += _KERNEL_GRADIENTS * parameters.channels**2 * _FLOAT
        application = _fast_maps(sizes.applied, parameters, 2, threads, bands)
    else:
        # Two maps a component are kept for the backward pass, and about eight are alive at its peak.
        training = _plain_maps(sizes.trained, parameters, 2 * parameters.components + 8)
        application = _plain_maps(sizes.applied, parameters, 4)
    return max(training, application) + _pixel_bytes(bands) * height * width


def _fast_maps(size: Size, parameters: TrainingParameters, maps: int, threads: int, bands: int) -> int:
    height, width = size
    # What the first convolution reads of a pixel: the neighbourhood in every band, and a 1.
    values = parameters.channels * maps + 9 * bands + 1
    tiles = max(tiles_per_strip(parameters.channels), -(-width // TILE))
    buffers = threads * tiles * _STRIP_VALUES * parameters.channels
    return _FLOAT * (height * width * values + buffers)


def _plain_maps(size: Size, parameters: TrainingParameters, maps: int) -> int:
    return size[0] * size[1] * _FLOAT * parameters.channels * maps + _LIBRARY_WORKSPACE


def _pixel_bytes(bands: int) -> int:
    return _LABEL_BYTES + _BAND_BYTES * bands


def _system_memory() -> int:
    import psutil

    available: int = psutil.virtual_memory().available
    return available


def _control_group_memory(
    groups: Path = Path("/proc/self/cgroup"), root: Path = Path("/sys/fs/cgroup")
) -> list[int | None]:
    """Return the free bytes below the limit of each control group around the process, versions 2 and 1."""
    try:
        lines = [line.split(":", 2) for line in groups.read_text(encoding="utf-8").splitlines()]
    except OSError:
        return []
    limits: list[int | None] = []
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
            limits.append(_free_in_group(place / limit, place / usage, place / "memory.stat", cache))
            if place == folder:
                break
    return limits


def _free_in_group(limit: Path, usage: Path, statistics: Path, cache: str) -> int | None:
    try:
        used = int(usage.read_text())
        # Files that were read lately count as used, and make way for whoever needs memory.
        lines = [line.split() for line in statistics.read_text().splitlines()] if statistics.exists() else []
        used -= next((int(line[1]) for line in lines if line[0] == cache), 0)
        return max(0, int(limit.read_text()) - used)
    except (OSError, ValueError):
        # No such group here, or no limit ("max").
        return None
