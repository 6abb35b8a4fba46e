"""Segment your own images from Python: `dynseg.segment` and its companions."""

import dataclasses
import gc
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from numbers import Real
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from dynseg.devices import resolve_device
from dynseg.errors import UserError
from dynseg.hierarchy import Hierarchy
from dynseg.io.hdf5 import smallest_unsigned
from dynseg.io.images import Reading, parse_channels
from dynseg.io.large_tiff import large_tiff
from dynseg.io.value_range import ValueRange, parse_value_range
from dynseg.large import DEFAULT_LARGE_SIZE, LargeSegmentation, OnWindow, segment_by_windows
from dynseg.methods.cnn import CnnParameters
from dynseg.methods.regions import RegionsParameters, cost, cut, find_hierarchy
from dynseg.model import Model
from dynseg.parameters import check_parameter, make_parameters
from dynseg.regions.enlarging import enlarge_regions
from dynseg.regions.parts import enlarge_hierarchy
from dynseg.regions.scribbles import cut_by_scribbles
from dynseg.result import VALID_PIXELS, Segmentation
from dynseg.training.images import applied_image, image_array, reduce_image
from dynseg.training.loop import OnIteration
from dynseg.training.memory import (
    LEAST_MAX_SIZE,
    PROCESS_BYTES,
    check_memory,
    check_memory_of_training,
    is_out_of_memory,
    refuse_too_large,
)
from dynseg.training.network import initial_network
from dynseg.training.parameters import LARGEST_SEED, PRESETS, check_label_limits
from dynseg.training.prediction import label_map
from dynseg.training.run import train_and_apply, train_network, training_facts
from dynseg.training.scribbles import (
    number_scribbles,
    put_back_missing,
    restore_labels,
    scribbles_inside,
    share_kept,
)
from dynseg.training.sizes import Sizes
from dynseg.training.validity import check_mask, reduce_valid, valid_image
from dynseg.training.weighting import SCHEMES, weight_of

# The benchmarks' images are about this large: the schemes' values of μ are chosen on them.
DEFAULT_MAX_SIZE = 512
# How much sides shrink when a device's memory was too small: to half of the pixels.
_SHRINKAGE = 0.7
# The enlarged leaves, the regions and their numbers, for a value of the image.
_BYTES_OF_REGIONS = 16

Pixels = NDArray[np.uint8] | NDArray[np.float32]
Mask = NDArray[np.bool_] | NDArray[np.integer]
Image = NDArray[np.uint8] | NDArray[np.floating] | str | Path
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
    mask: Mask | None = None,
    on_iteration: OnIteration | None = None,
    **training: Any,
) -> Segmentation:
    """Segment an image without labels: a small network is trained on it alone.

    Parameters
    ----------
    image : ndarray, (H, W, bands) or (H, W), uint8 or float, or path
        RGB, grey, or any number of bands; floats in [0, 1]. A file is read as `dynseg.read_image` does.
    scheme : {"fsf", "scf", "fixed"}
        The weight of spatial continuity beside feature similarity: q′/μ, μ/q′ or μ, where q′ is the number of labels
        left (equations 1 to 3 of the paper).
    mu : float, optional
        μ; by default 15 (fsf), 50 (scf) or 5 (fixed). A larger weight of continuity gives fewer, larger regions: a
        smaller μ with fsf, a larger μ with scf and fixed.
    preset : {"fast", "paper"}
        Training preset: "fast" (reduced image, 60 iterations) or "paper" (as published).
    seed : int
        Seed of the network's initial weights.
    device : {"auto", "cpu", "cuda", "mps"}
    max_size : int
        A larger image is reduced to this many pixels along its longer side before the network sees it. The label map
        has the image's own size all the same.
    scribbles : ndarray, (H, W), integer, optional
        Labels that some pixels should get; 255 where there is none.
    mask : ndarray, (H, W), bool or integer, optional
        0 outside of the region of interest. Pixels outside, and those without data by the file's own word, take no part
        in anything and are 0 in the label map, whose other labels then begin at 1.
    on_iteration : callable, optional
        Called at every iteration with its number, an `Observation` and the weight; see
        `dynseg.training.loop.OnIteration`.
    **training
        Fields of `dynseg.training.parameters.TrainingParameters`, in place of the preset's.

    Returns
    -------
    Segmentation
        `labels`, (H, W) in the smallest unsigned type; `history` by iteration; `facts`: `stopped_by`, `iterations_run`,
        the sizes `trained_height`, `trained_width`, `applied_height`, `applied_width`, `seconds`, and with scribbles
        `scribbles_kept`, the share of scribbled pixels that training gave their label. If it gave it to none, the
        pixels of the stroke have it all the same, and a warning is logged.

    Raises
    ------
    UserError
        If an argument isn't usable, or too little CPU memory is free. If a GPU runs out, or the estimate was too low,
        the image is tried again at a smaller size and a warning is logged.

    Examples
    --------
    >>> import numpy as np
    >>> image = np.zeros((24, 32, 3), np.uint8)
    >>> image[:, 16:] = 200
    >>> result = segment(image, "fsf", mu=15, iterations=5, device="cpu")
    >>> result.labels.shape, result.facts["iterations_run"]
    ((24, 32), 5)
    """
    parameters = user_parameters(scheme, mu, preset, **training)
    result = segment_with(
        parameters,
        image,
        seed=seed,
        device=device,
        max_size=max_size,
        scribbles=scribbles,
        mask=mask,
        on_iteration=on_iteration,
    )
    return _said_if_empty(result, mask)


def segment_with(
    parameters: CnnParameters,
    image: Image,
    *,
    seed: int = 0,
    device: str = "auto",
    max_size: int = DEFAULT_MAX_SIZE,
    scribbles: NDArray[np.integer] | None = None,
    mask: Mask | None = None,
    on_iteration: OnIteration | None = None,
) -> Segmentation:
    """Segment an image with parameters that are made already, by `user_parameters`; see `segment` for all else.

    Nothing is said of an image of which no pixel counts: see `is_empty`.
    """
    _check_numbers(seed, max_size)
    pixels, valid = _read(image, mask)
    size = pixels.shape[:2]
    if valid is not None and not valid.any():
        return _without_data(size)
    marks, numbered, labels = None, None, None
    if scribbles is not None:
        marks = scribbles_inside(np.asarray(scribbles), size, valid)
        numbered, labels = number_scribbles(marks, size, parameters.channels)
        minimum = max(parameters.minimum_labels, len(labels))
        parameters = dataclasses.replace(parameters, minimum_labels=minimum)
    device = _device_for(pixels, device)
    start = time.perf_counter()

    def work(longer_side: int) -> Segmentation:
        _check_memory(pixels, longer_side, parameters, device)
        sizes = Sizes.within(size, longer_side, parameters.scale)
        applied, counts = _applied(pixels, valid, sizes.applied, device)
        result = train_and_apply(
            applied,
            seed,
            parameters,
            weight_of(parameters.scheme, parameters.mu),
            sizes=sizes,
            scribbles=numbered,
            valid=counts,
            repeats_border=True,
            on_iteration=on_iteration,
        )
        return dataclasses.replace(result, facts={**result.facts, **sizes.facts()})

    result = _retry_smaller(work, size, max_size)
    if marks is not None and labels is not None:
        restored = restore_labels(result.labels, labels, parameters.channels, least=int(valid is not None))
        restored = restored if valid is None else np.where(valid, restored, 0)
        result = _with_scribbles(dataclasses.replace(result, labels=restored), marks)
    else:
        result = dataclasses.replace(result, labels=_from_one(result.labels, valid))
    facts = {**result.facts, **_valid_facts(valid), "seconds": time.perf_counter() - start}
    return Segmentation(smallest_unsigned(result.labels), result.history, facts)


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
        The result of each image, in their order.

    Raises
    ------
    UserError
        See `segment`; an error of one image names its place.

    Examples
    --------
    >>> import numpy as np
    >>> image = np.zeros((24, 32, 3), np.uint8)
    >>> image[:, 16:] = 200
    >>> [result.labels.shape for result in segment_many([image, image[:8]], iterations=3, device="cpu")]
    [(24, 32), (8, 32)]
    """
    parameters = user_parameters(scheme, mu, preset, **training)
    _check_numbers(seed, max_size)
    device = resolve_device(device)

    def results() -> Iterator[Segmentation]:
        for place, image in enumerate(images):
            try:
                result = segment_with(parameters, image, seed=seed, device=device, max_size=max_size)
                yield _said_if_empty(result, None)
            except UserError as error:
                raise UserError(f"image {place}: {error}") from error

    return results()


def segment_regions(
    image: Image,
    segments: int | None = None,
    scale: float | None = None,
    *,
    seed: int = 0,
    device: str = "auto",
    max_size: int = DEFAULT_MAX_SIZE,
    scribbles: NDArray[np.integer] | None = None,
    mask: Mask | None = None,
    on_iteration: OnIteration | None = None,
) -> Segmentation:
    """Cut an image into connected regions without labels, with the hierarchy that holds every other cut.

    Small networks that are trained on the image alone give textons; where their local histograms and those of colour
    change there is a boundary, and regions merge in the order of how unlike they are (`dynseg.methods.regions`).

    Parameters
    ----------
    image : ndarray, (H, W, bands) or (H, W), uint8 or float, or path
        RGB, grey, or any number of bands; floats in [0, 1].
    segments : int, optional
        Exactly so many regions, or as many leaves as there are.
    scale : float, optional
        Threshold in [0, 1], in place of a number: fewer regions where it is larger. Without either the scale is
        chosen for the image.
    seed : int
        Seed of the networks' initial weights.
    device : {"auto", "cpu", "cuda"}
    max_size : int
        A larger image is reduced to this many pixels along its longer side. Regions have the image's own size all the
        same.
    scribbles : ndarray, (H, W), integer, optional
        Labels that some pixels have; 255 where there is none. They choose the cut: the largest regions that hold no
        two labels.
    mask : ndarray, (H, W), bool or integer, optional
        0 outside of the region of interest. Pixels outside, and those without data by the file's own word, take no part
        in anything and are 0 in the label map, whose other labels then begin at 1.
    on_iteration : callable, optional
        Called at every iteration of every network; see `dynseg.training.loop.OnIteration`.

    Returns
    -------
    Segmentation
        `labels`, (H, W) in the smallest unsigned type; `hierarchy` at the image's size; as `facts` the `threshold` (not
        where scribbles choose), the number of regions (`segments`) and of `leaves`, sizes and `seconds`.

    Raises
    ------
    UserError
        If an argument isn't usable, or too little memory of the CPU is free.

    Examples
    --------
    >>> import numpy as np
    >>> image = np.zeros((40, 60, 3), np.uint8)
    >>> image[:, 30:] = 200
    >>> np.unique(segment_regions(image, segments=2, device="cpu").labels).tolist()
    [0, 1]
    """
    parameters = make_parameters(RegionsParameters, {"segments": segments, "threshold": scale})
    result = segment_regions_with(
        parameters,
        image,
        seed=seed,
        device=device,
        max_size=max_size,
        scribbles=scribbles,
        mask=mask,
        on_iteration=on_iteration,
    )
    return _said_if_empty(result, mask)


def segment_regions_with(
    parameters: RegionsParameters,
    image: Image,
    *,
    seed: int = 0,
    device: str = "auto",
    max_size: int = DEFAULT_MAX_SIZE,
    scribbles: NDArray[np.integer] | None = None,
    mask: Mask | None = None,
    on_iteration: OnIteration | None = None,
) -> Segmentation:
    """Cut an image with parameters that are made already; see `segment_regions` for all else.

    Nothing is said of an image of which no pixel counts: see `is_empty`.
    """
    _check_numbers(seed, max_size)
    pixels, valid = _read(image, mask)
    size = pixels.shape[:2]
    if valid is not None and not valid.any():
        return _without_data(size)
    if scribbles is not None:
        if parameters.segments is not None or parameters.threshold is not None:
            raise UserError("scribbles choose the cut: leave the number of segments and the scale out")
        scribbles = scribbles_inside(np.asarray(scribbles), size, valid)
    device = resolve_device(device)
    start = time.perf_counter()

    def needed_at(longer_side: int) -> int:
        applied = Sizes.within(size, longer_side, parameters.scale).applied
        return (
            cost(parameters, *applied, torch.get_num_threads()).memory - PROCESS_BYTES + _BYTES_OF_REGIONS * pixels.size
        )

    def work(longer_side: int) -> Segmentation:
        if device == "cpu":
            refuse_too_large(size, longer_side, needed_at)
        applied = Sizes.within(size, longer_side, parameters.scale).applied
        reduced, counts = _applied(pixels, valid, applied, "cpu")
        hierarchy = find_hierarchy(
            image_array(reduced, pixels.dtype),
            seed,
            device,
            parameters,
            on_iteration,
            None if counts is None else counts.numpy(),
        )
        if counts is None or valid is None:
            hierarchy = dataclasses.replace(hierarchy, leaves=enlarge_regions(hierarchy.leaves, size))
        else:
            hierarchy = enlarge_hierarchy(hierarchy, size, valid)
        result = cut(hierarchy, parameters)
        facts = {**result.facts, "applied_height": applied[0], "applied_width": applied[1]}
        return dataclasses.replace(result, facts=facts)

    result = _retry_smaller(work, size, max_size)
    facts = {**result.facts, **_valid_facts(valid), "seconds": time.perf_counter() - start}
    # Where a mask leaves nothing out, the cut numbers regions from 0 all the same.
    labels = _from_one(result.labels, valid) if valid is None or valid.all() else result.labels
    if scribbles is not None and result.hierarchy is not None:
        labels = cut_by_scribbles(result.hierarchy, scribbles, least=int(valid is not None))
        facts = {**facts, "segments": int(np.unique(labels if valid is None else labels[valid]).size)}
        del facts["threshold"]
    return dataclasses.replace(result, labels=smallest_unsigned(labels), facts=facts)


def segment_large(
    path: str | Path,
    segments: int | None = None,
    scale: float | None = None,
    *,
    seed: int = 0,
    device: str = "auto",
    max_size: int = DEFAULT_LARGE_SIZE,
    channels: Sequence[int | str] | str | None = None,
    value_range: ValueRange = "auto",
    no_data: float | None = None,
    on_iteration: OnIteration | None = None,
    on_window: OnWindow | None = None,
) -> LargeSegmentation:
    """Cut a TIFF that is too large for memory into regions: by windows, as `dynseg segment` does.

    It is read once, a few rows at a time, and reduced by a whole number; regions are found there, in windows that
    overlap (`dynseg.regions.windows`), and enlarged while they are written.

    Parameters
    ----------
    path : path
        A TIFF of more than 178,956,970 pixels, or 4 GiB. Smaller ones are refused: `segment_regions` is for them.
    segments, scale : optional
        See `segment_regions`.
    seed : int
        Seed of the networks' initial weights.
    device : {"auto", "cpu", "cuda"}
    max_size : int
        Pixels along the longer side, at most, of the image that regions are found in.
    channels : sequence of int or str, or str, optional
        The channels to take, numbered from 1 or by the names that the file has for them, in this order; or as
        `--channels` has them, "4,3,2". By default all.
    value_range : "auto", "type", "percentile", "minmax" or (float, float)
        Which values become 0 and 1, as `--range` has it.
    no_data : float, optional
        The value of pixels that have no data, NaN too, beside the one that a GeoTIFF names.
    on_iteration : callable, optional
        Called at every iteration of every network; see `dynseg.training.loop.OnIteration`.
    on_window : callable, optional
        Called after each window with its number from 1, and how many there are.

    Returns
    -------
    LargeSegmentation
        Its `save` writes the label map as .npy or GeoTIFF, its `rows` give it a few rows at a time.

    Raises
    ------
    UserError
        If an argument isn't usable, the file isn't a TIFF that is so large, or too little memory is free.

    Examples
    --------
    >>> result = segment_large("scene.tif", segments=50)  # doctest: +SKIP
    >>> result.save("labels.npy")  # doctest: +SKIP
    >>> np.load("labels.npy", mmap_mode="r").shape  # doctest: +SKIP
    (20000, 20000)
    """
    parameters = make_parameters(RegionsParameters, {"segments": segments, "threshold": scale})
    _check_numbers(seed, max_size)
    device = resolve_device(device)
    if not isinstance(path, str | Path):
        raise UserError(f"the path must be text or a path, not {type(path).__name__}: give the path of a TIFF")
    reading = _reading_of(channels, value_range, no_data)
    if not Path(path).exists():
        raise UserError(f"{path} doesn't exist: give the path of a TIFF")
    with large_tiff(Path(path)) as source:
        if source is None:
            raise UserError(f"{path} is no TIFF that is too large to be read whole: give it to dynseg.segment_regions")
        return segment_by_windows(
            source,
            parameters,
            reading,
            seed=seed,
            device=device,
            max_size=max_size,
            on_iteration=on_iteration,
            on_window=on_window,
        )


def _reading_of(channels: Sequence[int | str] | str | None, value_range: ValueRange, no_data: float | None) -> Reading:
    """Return what to take of an image, by arguments of a caller."""
    if no_data is not None and (isinstance(no_data, bool) or not isinstance(no_data, Real)):
        raise UserError(f"no_data must be a number or None, not {no_data!r}")
    try:
        said = value_range if isinstance(value_range, str) else ",".join(map(str, value_range))
    except TypeError:
        raise UserError(f"value_range must be a name or two numbers, not {value_range!r}") from None
    if channels is None:
        return Reading(None, parse_value_range(said), None, no_data)
    try:
        chosen = parse_channels(channels) if isinstance(channels, str) else tuple(channels)
    except TypeError:
        raise UserError(f"channels must be numbers from 1, or names, not {channels!r}") from None
    if not chosen:
        raise UserError("channels must be at least one, or None for all")
    return Reading(chosen, parse_value_range(said), None, no_data)


def fit(
    images: Sequence[Image],
    scheme: str = "fsf",
    mu: float | None = None,
    *,
    preset: str = "fast",
    seed: int = 0,
    device: str = "auto",
    max_size: int = DEFAULT_MAX_SIZE,
    mask: Sequence[Mask | None] | None = None,
    on_iteration: OnIteration | None = None,
    **training: Any,
) -> Model:
    """Train one network on reference images together, to label others with it by `apply_model`.

    The losses are means over the images, and q′ counts the labels of all of them. Parameters are those of `segment`;
    `mask` has a mask, or None, for each image. An image without any pixel that counts is left out with a warning.

    Raises
    ------
    UserError
        See `segment`.

    Examples
    --------
    >>> import numpy as np
    >>> image = np.zeros((24, 32, 3), np.uint8)
    >>> image[:, 16:] = 200
    >>> model = fit([image, image[:, ::-1]], iterations=3, device="cpu")
    >>> model.bands, model.facts["iterations_run"]
    (3, 3)
    """
    parameters = user_parameters(scheme, mu, preset, **training)
    _check_numbers(seed, max_size)
    if not len(images):
        raise UserError("there is no reference image to train on: give at least one")
    device = resolve_device(device)
    if mask is not None and len(mask) != len(images):
        raise UserError(f"there are {len(mask)} masks for {len(images)} images: give one, or None, for each")
    # One after the other: together, photographs of full size may need more memory than the training.
    references = _references(images, mask, max_size, parameters.scale)
    bands = _common_bands([pixels for pixels, _ in references])

    def work(longer_side: int) -> Model:
        sizes = [Sizes.within(pixels.shape[:2], longer_side, parameters.scale) for pixels, _ in references]
        if device == "cpu":
            check_memory_of_training([each.trained for each in sizes], bands, parameters, torch.get_num_threads())
        reduced = [
            _reduced(*_applied(pixels, valid, each.applied, device), each.trained)
            for (pixels, valid), each in zip(references, sizes, strict=True)
        ]
        network = initial_network(parameters.components, parameters.channels, seed, parameters.initialisation, bands)
        network = network.to(device)
        weighting = weight_of(parameters.scheme, parameters.mu)
        trained = train_network(
            network,
            [pixels for pixels, _ in reduced],
            parameters,
            weighting,
            valid=[valid for _, valid in reduced],
            on_iteration=on_iteration,
        )
        return Model(network.to("cpu"), parameters, longer_side, training_facts(trained), trained.history)

    return _retry_smaller(work, max((pixels.shape[:2] for pixels, _ in references), key=max), max_size)


def apply_model(
    model: Model, image: Image, *, device: str = "auto", max_size: int | None = None, mask: Mask | None = None
) -> Segmentation:
    """Label an image with a network that was trained on others: no training, and the same label for the same things.

    Parameters
    ----------
    model : Model
        From `fit` or `load_model`.
    image : ndarray, (H, W, bands) or (H, W), uint8 or float, or path
        As for `segment`, with as many bands as the model's references. A file is read as `dynseg fit` read those.
    device : {"auto", "cpu", "cuda", "mps"}
    max_size : int, optional
        See `segment`; by default that of the model.
    mask : ndarray, (H, W), bool or integer, optional
        See `segment`.

    Returns
    -------
    Segmentation
        `labels`, (H, W) in the smallest unsigned type: the network's channels, plus 1 where the image has a mask or a
        value for no data. No history.

    Examples
    --------
    >>> import numpy as np
    >>> image = np.zeros((24, 32, 3), np.uint8)
    >>> image[:, 16:] = 200
    >>> model = fit([image], iterations=3, device="cpu")
    >>> apply_model(model, image[:10, :20], device="cpu").labels.shape
    (10, 20)
    """
    return _said_if_empty(apply_with(model, image, device=device, max_size=max_size, mask=mask), mask)


def apply_with(
    model: Model, image: Image, *, device: str = "auto", max_size: int | None = None, mask: Mask | None = None
) -> Segmentation:
    """Label an image by a trained network; see `apply_model` for all else.

    Nothing is said of an image of which no pixel counts: see `is_empty`.
    """
    max_size = model.max_size if max_size is None else max_size
    _check_numbers(0, max_size)
    pixels, valid = _read(image, mask, Reading.from_texts(**model.read_as))
    size, bands = pixels.shape[:2], pixels.shape[2]
    if bands != model.bands:
        raise UserError(
            f"the image has {bands} bands and the model was trained on {model.bands}: give an image like the model's "
            "references"
        )
    if valid is not None and not valid.any():
        return _without_data(size)
    device = _device_for(pixels, device)
    network = model.network.to(device)
    start = time.perf_counter()

    def work(longer_side: int) -> Segmentation:
        _check_memory(pixels, longer_side, model.parameters, device)
        sizes = Sizes.within(size, longer_side, model.parameters.scale)
        applied, counts = _applied(pixels, valid, sizes.applied, device)
        labels = label_map(network, applied, model.parameters, size, repeats_border=True, valid=counts)
        facts = {"applied_height": sizes.applied[0], "applied_width": sizes.applied[1], **_valid_facts(valid)}
        return Segmentation(
            smallest_unsigned(_from_one(labels.cpu().numpy(), valid)),
            {},
            {**facts, "seconds": time.perf_counter() - start},
        )

    return _retry_smaller(work, size, max_size)


def is_empty(result: Segmentation) -> bool:
    """Tell whether no pixel of an image counts, so that its label map is 0 everywhere."""
    return result.facts.get(VALID_PIXELS) == 0


def user_parameters(scheme: str, mu: float | None, preset: str, **training: Any) -> CnnParameters:
    """Return the parameters of the paper's method for what `segment` is given.

    Raises
    ------
    UserError
        If one of them isn't known or not allowed, or training would stop at once.
    """
    check_parameter("preset", preset, preset in PRESETS, f"one of {', '.join(PRESETS)}")
    check_parameter("scheme", scheme, scheme in SCHEMES, f"one of {', '.join(SCHEMES)}")
    values = {**PRESETS[preset], **training, "scheme": scheme, "mu": SCHEMES[scheme].mu if mu is None else mu}
    parameters = make_parameters(CnnParameters, values)
    if "channels" in training and "minimum_labels" not in training:
        least = max(1, min(parameters.minimum_labels, parameters.channels - 1))
        parameters = dataclasses.replace(parameters, minimum_labels=least)
    check_label_limits(parameters)
    return parameters


def _with_scribbles(result: Segmentation, scribbles: NDArray[np.integer]) -> Segmentation:
    """Return a result that has every scribbled label; a warning names those that training didn't keep."""
    facts = {**result.facts, "scribbles_kept": share_kept(result.labels, scribbles)}
    labels, missing = put_back_missing(result.labels, scribbles)
    if missing.size:
        names = ", ".join(map(str, missing))
        _logger.warning(
            "training kept no pixel of the scribbled label%s %s: the strokes themselves are put back into the label "
            "map, and longer strokes, a larger --max-size or --method regions may give it an area",
            "s" * (missing.size > 1),
            names,
        )
    return dataclasses.replace(result, labels=labels, facts=facts)


def _check_numbers(seed: int, max_size: int) -> None:
    whole = int | np.integer
    is_seed = isinstance(seed, whole) and 0 <= seed <= LARGEST_SEED
    check_parameter("seed", seed, is_seed, f"a whole number from 0 to {LARGEST_SEED}")
    is_size = isinstance(max_size, whole) and max_size >= 1
    check_parameter("max_size", max_size, is_size, "a whole number of pixels of at least 1")


def _read(
    image: Image,
    mask: Mask | None = None,
    reading: Reading = Reading(),  # noqa: B008 - it is frozen
) -> tuple[Pixels, NDArray[np.bool_] | None]:
    """Return the image, or that of a file, as an array (H, W, bands) of uint8, or of float32 in [0, 1].

    And which of its pixels count, (H, W): None if neither the file nor a mask says that any may not.
    """
    if isinstance(image, str | Path):
        with large_tiff(Path(image)) as large:
            if large is not None:
                raise UserError(f"{image} is too large to be read whole: dynseg.segment_large makes regions of it")
        picture = reading.read(Path(image))
        pixels, valid = picture.pixels, picture.valid
    else:
        pixels, valid = _as_pixels(np.asarray(image)), None
    if mask is not None:
        inside = check_mask(mask, pixels.shape[:2])
        valid = inside if valid is None else inside & valid
    return _in_range(pixels, valid), valid


def _as_pixels(pixels: NDArray[Any]) -> NDArray[Any]:
    if pixels.ndim == 2:
        pixels = pixels[:, :, np.newaxis]
    if pixels.ndim != 3 or not pixels.size:
        raise UserError(
            f"an image must have the shape (H, W) or (H, W, bands), not {pixels.shape}: reshape it, or give the path "
            "of a file"
        )
    if pixels.dtype not in (np.uint8, np.float32, np.float64):
        raise UserError(
            f"an image must be uint8, or float32 or float64 in [0, 1], not {pixels.dtype}: divide it by its largest "
            "possible value, for example image / 65535 for 16 bits"
        )
    return pixels


def _in_range(pixels: NDArray[Any], valid: NDArray[np.bool_] | None) -> Pixels:
    if pixels.dtype == np.uint8:
        return pixels
    if valid is not None:
        pixels = np.where(valid[:, :, np.newaxis], pixels, 0)
    # Written so that NaN is refused, too.
    if not (pixels.min() >= 0 and pixels.max() <= 1):
        raise UserError(
            f"an image of {pixels.dtype} must be in [0, 1], not from {pixels.min():g} to {pixels.max():g}: subtract "
            "its least possible value and divide by the possible range"
        )
    return pixels.astype(np.float32, copy=False)


def _applied(
    pixels: Pixels, valid: NDArray[np.bool_] | None, size: tuple[int, int], device: str
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Return the image at the size at which a network is applied to it, and which of its pixels count; None for all."""
    if valid is None or valid.all():
        return applied_image(pixels, size).to(device), None
    image, counts = valid_image(pixels, valid, size)
    return image.to(device), counts.to(device)


def _reduced(
    image: torch.Tensor, valid: torch.Tensor | None, size: tuple[int, int]
) -> tuple[torch.Tensor, torch.Tensor | None]:
    return (reduce_image(image, size), None) if valid is None else reduce_valid(image, valid, size)


def _from_one(labels: NDArray[np.integer], valid: NDArray[np.bool_] | None) -> NDArray[np.integer]:
    """Return labels that begin at 1, and 0 where pixels don't count; as they are where all do."""
    return labels if valid is None else np.where(valid, labels + 1, 0)


def _valid_facts(valid: NDArray[np.bool_] | None) -> dict[str, int]:
    return {} if valid is None else {VALID_PIXELS: int(np.count_nonzero(valid))}


def _without_data(size: tuple[int, int]) -> Segmentation:
    """Return the result of an image of which no pixel counts."""
    hierarchy = Hierarchy(np.full(size, -1, np.int32), np.empty((0, 2), np.int32), np.empty(0, np.float32))
    return Segmentation(
        np.zeros(size, np.uint8), facts={VALID_PIXELS: 0, "segments": 0, "seconds": 0.0}, hierarchy=hierarchy
    )


def _said_if_empty(result: Segmentation, mask: Mask | None) -> Segmentation:
    """Return a result; a warning says if no pixel counts."""
    if is_empty(result):
        inside = "" if mask is None else " inside of the mask"
        _logger.warning("no pixel of the image has data%s: its label map is 0 everywhere", inside)
    return result


def _reference(
    image: Image, mask: Mask | None, max_size: int, scale: float
) -> tuple[Pixels, NDArray[np.bool_] | None] | None:
    """Return an image at the size at which a network is applied to it, and its pixels that count; None if none does."""
    pixels, valid = _read(image, mask)
    if valid is not None and not valid.any():
        return None
    size = Sizes.within(pixels.shape[:2], max_size, scale).applied
    if size == pixels.shape[:2]:
        return pixels, valid
    applied, counts = _applied(pixels, valid, size, "cpu")
    return image_array(applied, pixels.dtype), None if counts is None else counts.numpy()


def _references(
    images: Sequence[Image], masks: Sequence[Mask | None] | None, max_size: int, scale: float
) -> list[tuple[Pixels, NDArray[np.bool_] | None]]:
    """Return the pixels of images at the size at which a network is applied to them, and which of them count."""
    references = []
    for place, image in enumerate(images):
        reference = _reference(image, None if masks is None else masks[place], max_size, scale)
        if reference is None:
            _logger.warning("reference image %d has no pixel with data that a mask leaves in: it is left out", place)
        else:
            references.append(reference)
    if not references:
        raise UserError("no reference image has a pixel with data, inside of its mask if it has one: give one that has")
    return references


def _common_bands(references: Sequence[Pixels]) -> int:
    bands: set[int] = {pixels.shape[2] for pixels in references}
    if len(bands) > 1:
        raise UserError(
            f"the reference images have {' and '.join(map(str, sorted(bands)))} bands: give images with the same bands"
        )
    return bands.pop()


def _device_for(pixels: Pixels, device: str) -> str:
    # Batch norm of a single pixel: PyTorch refuses it, the fast step doesn't.
    return "cpu" if pixels.shape[:2] == (1, 1) else resolve_device(device)


def _check_memory(pixels: Pixels, longer_side: int, parameters: CnnParameters, device: str) -> None:
    # A GPU says itself that its memory is too small, unharmed.
    if device == "cpu":
        height, width, bands = pixels.shape
        check_memory((height, width), bands, longer_side, parameters, torch.get_num_threads())


def _retry_smaller(work: Callable[[int], Result], shape: tuple[int, int], max_size: int) -> Result:
    """Return what `work` makes at the size, or at a smaller one if the device has no memory for more."""
    size = min(max_size, max(shape))
    while True:
        try:
            # In a caller's inference mode no network can be trained.
            with torch.inference_mode(False), torch.enable_grad():
                return work(size)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
        # Outside of the except clause, whose traceback holds what was computed so far.
        if size <= LEAST_MAX_SIZE:
            raise UserError(f"there is too little memory even at {size} pixels along the longer side: free some")
        size = max(LEAST_MAX_SIZE, int(size * _SHRINKAGE))
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        _logger.warning("the device's memory was too small: going on at %d pixels along the longer side", size)
