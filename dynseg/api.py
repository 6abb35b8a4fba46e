"""Segment your own images from Python: `dynseg.segment` and its companions."""

import dataclasses
import gc
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from dynseg.devices import resolve_device
from dynseg.errors import UserError
from dynseg.io.images import read_image
from dynseg.io.label_maps import smallest_unsigned
from dynseg.methods.cnn import CnnParameters
from dynseg.model import Model
from dynseg.parameters import check_parameter, make_parameters
from dynseg.result import Context, Segmentation
from dynseg.training.loop import OnIteration
from dynseg.training.memory import BYTES_PER_PIXEL, available_memory, estimate_memory, format_bytes
from dynseg.training.network import initial_network
from dynseg.training.parameters import DEFAULT_MU, LARGEST_SEED, PRESETS, check_label_limits, reduced_size
from dynseg.training.run import (
    apply_network,
    image_array,
    image_tensor,
    reduce_image,
    train_and_apply,
    train_network,
    training_facts,
)
from dynseg.training.scribbles import number_scribbles, restore_labels
from dynseg.training.weighting import SCHEMES

# The benchmarks' images are about this large: the schemes' values of μ are chosen on them.
DEFAULT_MAX_SIZE = 512
# However small the scale: on fewer pixels a network learns little.
_LEAST_TRAINING_SIDE = 120
_LEAST_MAX_SIZE = 64
# The strips of enlarged responses that are there at once (`dynseg.training.enlargement`).
_ENLARGEMENT_BYTES = 4 * 32_000_000
_BYTES_PER_VALUE = 4
# By how much sides shrink when a device's memory was too small: by a half in pixels.
_SHRINKAGE = 0.7

Image = NDArray[np.uint8] | str | Path
Result = TypeVar("Result")

_logger = logging.getLogger("dynseg")


def segment(
    image: Image,
    scheme: str = "fsf",
    mu: float | None = None,
    *,
    preset: str = "fast",
    seed: int = 0,
    device: str = "auto",
    max_size: int = DEFAULT_MAX_SIZE,
    scribbles: NDArray[np.integer] | None = None,
    on_iteration: OnIteration | None = None,
    **training: Any,
) -> Segmentation:
    """Segment an image without labels: a small network is trained on it alone.

    Parameters
    ----------
    image : ndarray, (H, W, 3), uint8, or path
        RGB.
    scheme : {"fsf", "scf", "fixed"}
        The weight of spatial continuity beside feature similarity: q′/μ, μ/q′ or μ, where q′ is the number of labels
        left (equations 1 to 3 of the paper).
    mu : float, optional
        μ; by default 15 (fsf), 50 (scf) or 5 (fixed). A larger weight of continuity gives fewer, larger regions: a
        smaller μ with fsf, a larger μ with scf and fixed.
    preset : {"fast", "paper"}
        How to train: on a reduced image for few iterations, or as published.
    seed : int
        Of the network's initial weights.
    device : {"auto", "cpu", "cuda"}
    max_size : int
        A larger image is reduced to this many pixels along its longer side before the network sees it. The label map
        has the image's own size all the same.
    scribbles : ndarray, (H, W), integer, optional
        Labels that some pixels should get; 255 where there is none.
    on_iteration : callable, optional
        Called at every iteration with its number, an `Observation` and the weight; see
        `dynseg.training.loop.OnIteration`.
    **training
        Fields of `dynseg.training.parameters.TrainingParameters`, in place of the preset's.

    Returns
    -------
    Segmentation
        `labels`, (H, W) in the smallest unsigned type; `history` by iteration; `facts`: `stopped_by`, `iterations_run`,
        the sizes `trained_height`, `trained_width`, `applied_height`, `applied_width`, and `seconds`.

    Raises
    ------
    UserError
        If an argument isn't usable, or the memory of the CPU won't do. If a GPU's won't do, or the estimate is wrong,
        the work goes on at a smaller size and a warning is logged.
    """
    parameters = user_parameters(scheme, mu, preset, **training)
    _check_numbers(seed, max_size)
    pixels = _pixels(image)
    numbered, labels = None, None
    if scribbles is not None:
        numbered, labels = number_scribbles(np.asarray(scribbles), pixels.shape[:2], parameters.channels)
        minimum = max(parameters.minimum_labels, len(labels))
        parameters = dataclasses.replace(parameters, minimum_labels=minimum)
    device = _device_for(pixels, device)
    start = time.perf_counter()

    def work(size: int) -> Segmentation:
        _check_memory(pixels, size, parameters, device)
        applied, fitted = _fit_to_size(pixels, parameters, size)
        result = train_and_apply(
            applied,
            Context(seed=seed, device=device),
            fitted,
            partial(SCHEMES[parameters.scheme], mu=parameters.mu),
            on_iteration=on_iteration,
            scribbles=numbered,
            size=pixels.shape[:2],
        )
        return dataclasses.replace(result, facts={**result.facts, **_size_facts(applied, fitted)})

    result = _smaller_when_full(work, pixels.shape[:2], max_size)
    label_map = result.labels if labels is None else restore_labels(result.labels, labels, parameters.channels)
    facts = {**result.facts, "seconds": time.perf_counter() - start}
    return Segmentation(smallest_unsigned(label_map), result.history, facts)


def segment_many(
    images: Iterable[Image],
    scheme: str = "fsf",
    mu: float | None = None,
    *,
    preset: str = "fast",
    seed: int = 0,
    device: str = "auto",
    max_size: int = DEFAULT_MAX_SIZE,
    **training: Any,
) -> Iterator[Segmentation]:
    """Segment images one after the other, each on its own; see `segment`.

    Arguments are checked at once, each image is read when its turn comes.

    Yields
    ------
    Segmentation
        Of each image, in their order.

    Raises
    ------
    UserError
        See `segment`; an error of one image names its place.
    """
    user_parameters(scheme, mu, preset, **training)
    _check_numbers(seed, max_size)
    device = resolve_device(device)

    def results() -> Iterator[Segmentation]:
        for place, image in enumerate(images):
            try:
                yield segment(image, scheme, mu, preset=preset, seed=seed, device=device, max_size=max_size, **training)
            except UserError as error:
                raise UserError(f"image {place}: {error}") from error

    return results()


def fit(
    images: Sequence[Image],
    scheme: str = "fsf",
    mu: float | None = None,
    *,
    preset: str = "fast",
    seed: int = 0,
    device: str = "auto",
    max_size: int = DEFAULT_MAX_SIZE,
    on_iteration: OnIteration | None = None,
    **training: Any,
) -> Model:
    """Train one network on reference images together, to label others with it by `apply_model`.

    The losses are means over the images, and q′ counts the labels of all of them. Parameters are those of `segment`.

    Raises
    ------
    UserError
        See `segment`.
    """
    parameters = user_parameters(scheme, mu, preset, **training)
    _check_numbers(seed, max_size)
    if not len(images):
        raise UserError("there is no reference image to train on: give at least one")
    device = resolve_device(device)
    # One after the other: together, photographs of full size may need more memory than the training.
    references = [_fit_to_size(_pixels(image), parameters, max_size)[0] for image in images]

    def work(size: int) -> Model:
        fitted = [_fit_to_size(pixels, parameters, size) for pixels in references]
        network = initial_network(parameters.components, parameters.channels, seed, parameters.initialisation).to(
            device
        )
        reduced = [reduce_image(image_tensor(applied).to(device), own.scale) for applied, own in fitted]
        _check_memory_of_training(reduced, parameters, device)
        trained = train_network(
            network,
            reduced,
            parameters,
            partial(SCHEMES[parameters.scheme], mu=parameters.mu),
            on_iteration=on_iteration,
        )
        return Model(network.to("cpu"), parameters, size, training_facts(trained), trained.history)

    return _smaller_when_full(work, max((pixels.shape[:2] for pixels in references), key=max), max_size)


def apply_model(model: Model, image: Image, *, device: str = "auto", max_size: int | None = None) -> Segmentation:
    """Label an image with a network that was trained on others: no training, and the same label for the same things.

    Parameters
    ----------
    model : Model
        From `fit` or `load_model`.
    image : ndarray, (H, W, 3), uint8, or path
        RGB.
    device : {"auto", "cpu", "cuda"}
    max_size : int, optional
        See `segment`; by default that of the model.

    Returns
    -------
    Segmentation
        `labels`, (H, W) in the smallest unsigned type: the network's channels. No history.
    """
    max_size = model.max_size if max_size is None else max_size
    _check_numbers(0, max_size)
    pixels = _pixels(image)
    device = _device_for(pixels, device)
    network = model.network.to(device)
    start = time.perf_counter()

    def work(size: int) -> Segmentation:
        _check_memory(pixels, size, model.parameters, device)
        applied, _ = _fit_to_size(pixels, model.parameters, size)
        label_map = apply_network(network, applied, model.parameters, pixels.shape[:2])
        facts = {"applied_height": applied.shape[0], "applied_width": applied.shape[1]}
        return Segmentation(smallest_unsigned(label_map), {}, {**facts, "seconds": time.perf_counter() - start})

    return _smaller_when_full(work, pixels.shape[:2], max_size)


def user_parameters(scheme: str, mu: float | None, preset: str, **training: Any) -> CnnParameters:
    """Return the parameters of the paper's method for what `segment` is given.

    Raises
    ------
    UserError
        If one of them isn't known or not allowed, or training would stop at once.
    """
    check_parameter("preset", preset, preset in PRESETS, f"one of {', '.join(PRESETS)}")
    check_parameter("scheme", scheme, scheme in DEFAULT_MU, f"one of {', '.join(DEFAULT_MU)}")
    values = {**PRESETS[preset], **training, "scheme": scheme, "mu": DEFAULT_MU[scheme] if mu is None else mu}
    parameters = make_parameters(CnnParameters, values)
    if "channels" in training and "minimum_labels" not in training:
        least = max(1, min(parameters.minimum_labels, parameters.channels - 1))
        parameters = dataclasses.replace(parameters, minimum_labels=least)
    check_label_limits(parameters)
    return parameters


def _check_numbers(seed: int, max_size: int) -> None:
    whole = int | np.integer
    is_seed = isinstance(seed, whole) and 0 <= seed <= LARGEST_SEED
    check_parameter("seed", seed, is_seed, f"a whole number from 0 to {LARGEST_SEED}")
    is_size = isinstance(max_size, whole) and max_size >= 1
    check_parameter("max_size", max_size, is_size, "a whole number of pixels of at least 1")


def _pixels(image: Image) -> NDArray[np.uint8]:
    if isinstance(image, str | Path):
        return read_image(image)
    pixels = np.asarray(image)
    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8 or not pixels.size:
        raise UserError(
            f"an image must be uint8 of shape (H, W, 3), RGB, not {pixels.dtype} of shape {pixels.shape}: "
            "convert it, or give the path of a file"
        )
    return pixels


def _fit_to_size(
    image: NDArray[np.uint8], parameters: CnnParameters, max_size: int
) -> tuple[NDArray[np.uint8], CnnParameters]:
    """Return the image that the network is applied to, and the parameters with the scale that it is trained at."""
    height, width = image.shape[:2]
    factor = min(1.0, max_size / max(height, width))
    if factor < 1:
        image = image_array(reduce_image(image_tensor(image), factor))
    return image, dataclasses.replace(parameters, scale=_training_scale(image.shape[:2], parameters.scale))


def _training_scale(shape: tuple[int, ...], scale: float) -> float:
    return min(1.0, max(scale, _LEAST_TRAINING_SIDE / max(shape)))


def _size_facts(applied: NDArray[np.uint8], parameters: CnnParameters) -> dict[str, int]:
    height, width = applied.shape[:2]
    trained_height, trained_width = reduced_size(height, width, parameters.scale)
    return {
        "trained_height": trained_height,
        "trained_width": trained_width,
        "applied_height": height,
        "applied_width": width,
    }


def _device_for(pixels: NDArray[np.uint8], device: str) -> str:
    # Batch norm of a single pixel: PyTorch refuses it, the fast step doesn't.
    return "cpu" if pixels.shape[:2] == (1, 1) else resolve_device(device)


def _check_memory(pixels: NDArray[np.uint8], size: int, parameters: CnnParameters, device: str) -> None:
    """Raise a UserError if an image won't fit into the CPU's memory at a size; a GPU says so itself, unharmed."""
    available = available_memory(device) if device == "cpu" else None
    if available is None:
        return
    height, width = pixels.shape[:2]
    needed = memory_needed(height, width, parameters, size, device)
    if needed <= available:
        return
    sizes = range(min(size, max(height, width)), _LEAST_MAX_SIZE, -_LEAST_MAX_SIZE // 2)
    fitting = [less for less in sizes if memory_needed(height, width, parameters, less, device) <= available]
    advice = f"give --max-size (max_size) {fitting[0]} or less" if fitting else "free some, or give a smaller image"
    raise UserError(
        f"{width} × {height} pixels need about {format_bytes(needed)} of memory at {sizes.start} pixels along the "
        f"longer side, and {format_bytes(available)} are free: {advice}"
    )


def _check_memory_of_training(images: Sequence[torch.Tensor], parameters: CnnParameters, device: str) -> None:
    """Raise a UserError if several images, of the size of training, won't fit into the CPU's memory together."""
    available = available_memory(device) if device == "cpu" else None
    whole = dataclasses.replace(parameters, scale=1.0)
    # Each image has a step with buffers of its own.
    sizes = [(image.shape[1], image.shape[2]) for image in images]
    needed = sum(estimate_memory(*size, whole, device, torch.get_num_threads()) for size in sizes)
    if available is not None and needed > available:
        raise UserError(
            f"training on {len(images)} images together needs about {format_bytes(needed)} of memory, and "
            f"{format_bytes(available)} are free: give fewer, or a smaller --max-size (max_size)"
        )


def memory_needed(height: int, width: int, parameters: CnnParameters, max_size: int, device: str = "cpu") -> int:
    """Estimate the peak memory of `segment` in bytes, beside what the process takes anyway.

    Parameters
    ----------
    height, width : int
        Of the image.
    parameters : CnnParameters
    max_size : int
        See `segment`.
    device : {"cpu", "cuda"}
    """
    applied = reduced_size(height, width, min(1.0, max_size / max(height, width)))
    scale = _training_scale(applied, parameters.scale)
    network = dataclasses.replace(parameters, scale=scale)
    estimate = estimate_memory(*applied, network, device, torch.get_num_threads())
    if device != "cpu" or applied == (height, width):
        return estimate
    # The estimate counts the pixels that the network is applied to; its responses are copied to be enlarged.
    pixels = applied[0] * applied[1]
    responses = _BYTES_PER_VALUE * parameters.channels * pixels
    return estimate + BYTES_PER_PIXEL * (height * width - pixels) + responses + _ENLARGEMENT_BYTES


def _smaller_when_full(work: Callable[[int], Result], shape: tuple[int, int], max_size: int) -> Result:
    """Return what `work` makes at the size, or at a smaller one if the device has no memory for more."""
    size = min(max_size, max(shape))
    while True:
        try:
            # In a caller's inference mode no network can be trained.
            with torch.inference_mode(False), torch.enable_grad():
                return work(size)
        except (RuntimeError, MemoryError) as error:
            if not _is_out_of_memory(error):
                raise
        # Outside of the except clause, whose traceback holds what was computed so far.
        if size <= _LEAST_MAX_SIZE:
            raise UserError(f"there is too little memory even at {size} pixels along the longer side: free some")
        size = max(_LEAST_MAX_SIZE, int(size * _SHRINKAGE))
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        _logger.warning("the device's memory was too small: going on at %d pixels along the longer side", size)


def _is_out_of_memory(error: BaseException) -> bool:
    # The CPU's allocator raises a plain RuntimeError.
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in str(error)
