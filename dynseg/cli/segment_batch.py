"""`dynseg segment-batch`: one method on one batch of a prepared dataset."""

import dataclasses
import json
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from dynseg.cli._training_options import SEED
from dynseg.code_version import label_map_code
from dynseg.datasets.reading import (
    find_image,
    read_image_list,
    read_image_sizes,
    read_stored_images,
    read_stored_picture,
    reading_texts,
)
from dynseg.devices import DEVICES, claimed_gpu, limited_threads, resolve_device
from dynseg.errors import UserError
from dynseg.methods import MODULES, Context, Method, Segmentation, find_method
from dynseg.parameters import parse_settings, values_of
from dynseg.result import LabelMapSeries
from dynseg.workflow.batches import batch_images
from dynseg.workflow.job_log import logged_job, say
from dynseg.workflow.together import SegmentingTogether


@click.command()
@click.option("--dataset-dir", type=click.Path(path_type=Path), required=True, help="A prepared dataset.")
@click.option("--batch", required=True, help="An image id of images.txt, or batch@INDEXofCOUNT.")
@click.option("--method", "method_name", required=True, help="Name of the method in the registry.")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="A parameter of the method; repeatable.")
@click.option(
    "--scales",
    metavar="NAME=VALUE,VALUE...",
    help="A parameter of the method to run with each of these values too, for the scores over scales.",
)
@click.option("--seed", type=SEED, default=0, show_default=True)
@click.option("--device", type=click.Choice(DEVICES), default="auto", show_default=True)
@click.option("--threads", type=click.IntRange(1), default=1, show_default=True)
@click.option("--output", type=click.Path(path_type=Path), required=True, help="The HDF5 file of label maps to write.")
def command(
    dataset_dir: Path,
    batch: str,
    method_name: str,
    settings: tuple[str, ...],
    scales: str | None,
    seed: int,
    device: str,
    threads: int,
    output: Path,
) -> None:
    """Segment the images of one batch and write their label maps and histories to one file.

    An image that can't be segmented doesn't keep the others from it: what is done is kept for the next attempt.
    """
    from dynseg.io.images import shown_as_rgb
    from dynseg.io.label_maps import write_label_maps
    from dynseg.provenance import describe_run
    from dynseg.workflow.kept_images import forget, segment_once

    method = find_method(method_name)
    parameters = method.make_parameters(parse_settings(settings))
    swept = swept_parameters(method, parse_settings(settings), scales) if scales else {}
    image_ids = batch_images(read_image_list(dataset_dir), batch)

    def read(image_id: str) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
        picture = read_stored_picture(dataset_dir, image_id)
        image = picture.pixels if method.takes_any_bands else shown_as_rgb(picture.pixels)
        return image, None if picture.valid is None or picture.valid.all() else picture.valid

    def segment(image_id: str) -> Segmentation:
        if together is not None:
            return reported(image_id, *together.segment(image_id))
        image, valid = read(image_id)
        context = Context(image_id, seed, device, valid)
        start = time.perf_counter()
        result = _segment_valid(method, image, context, parameters)
        seconds = time.perf_counter() - start
        if swept:
            label_maps = [_segment_valid(method, image, context, each).labels for each in swept.values()]
            result = dataclasses.replace(result, series=LabelMapSeries(np.array(list(swept)), np.stack(label_maps)))
        return reported(image_id, result, seconds)

    def segment_or_resume(image_id: str) -> Segmentation:
        file = find_image(dataset_dir, image_id)
        # A method of another package may read what isn't known here.
        if len(image_ids) == 1 or not method.uses_gpu or method_name not in MODULES:
            return segment(image_id)
        try:
            content = read_stored_images(dataset_dir)[image_id].content.encode() if file.is_dir() else file.read_bytes()
        except OSError as error:
            raise UserError(f"{file} can't be read ({error.strerror}): run `dynseg prepare` again") from error
        settings = [image_id, provenance, label_map_code(method), reading_texts(dataset_dir)]
        made_by = json.dumps(settings).encode() + content
        return segment_once(output, image_id, made_by, partial(segment, image_id), provenance)

    def segmentations() -> Iterator[tuple[str, Segmentation]]:
        failures = []
        for image_id in image_ids:
            try:
                segmentation = segment_or_resume(image_id)
            except UserError as error:
                failures.append(f"image {image_id}: {error}")
            else:
                yield image_id, segmentation
        if failures:
            raise UserError("\n".join(failures))

    with ExitStack() as stack:
        stack.enter_context(limited_threads(threads))
        stack.enter_context(logged_job(f"method {method_name}, batch {batch}, images {len(image_ids)}, seed {seed}"))
        gpu = stack.enter_context(claimed_gpu()) if method.uses_gpu and device != "cpu" else None
        device = resolve_device(device) if method.uses_gpu else "cpu"
        provenance = describe_run(method_name, values_of(parameters), seed, device, threads)
        if scales:
            provenance["scales"] = scales
        say(f"device {provenance['device']}{f', GPU {gpu}' if gpu else ''}, {threads} threads")
        together = None
        if device == "cuda" and method.segment_together is not None and not swept and len(image_ids) > 1:
            stored = read_image_sizes(dataset_dir)
            sizes = {image_id: stored[image_id] for image_id in image_ids if image_id in stored}
            # Those that train side by side have all of their pixels.
            if not _may_lack_data(dataset_dir, sizes):
                together = SegmentingTogether(
                    method, parameters, seed, device, sizes, lambda image_id: read(image_id)[0]
                )
        write_label_maps(output, segmentations(), provenance)
        forget(output)


def _segment_valid(method: Method, image: Any, context: Context, parameters: Any) -> Segmentation:
    """Return a method's result, of which pixels without data are 0 and the other labels begin at 1."""
    valid = context.valid
    if valid is None:
        return method.segment(image, context, parameters)
    if not valid.any():
        raise UserError("no pixel has data: leave the image out")
    result = method.segment(image, context, parameters)
    # Methods that know of such pixels have done it.
    if result.hierarchy is not None and result.hierarchy.valid is not None:
        return result
    return dataclasses.replace(result, labels=np.where(valid, result.labels.astype(np.int64) + 1, 0))


def _may_lack_data(dataset_dir: Path, image_ids: Iterable[str]) -> bool:
    """Tell whether pixels of any image may have no data, without reading the images."""
    if "nodata" in reading_texts(dataset_dir):
        return True
    return any(find_image(dataset_dir, image_id).suffix.lower() in (".tif", ".tiff") for image_id in image_ids)


def reported(image_id: str, result: Segmentation, seconds: float) -> Segmentation:
    """Say what an image's result is, and return it with its seconds as a fact."""
    say(f"{image_id}: {len(np.unique(result.labels))} labels, {seconds:.1f} s")
    return dataclasses.replace(result, facts={**result.facts, "seconds": seconds})


def swept_parameters(method: Method, settings: Mapping[str, str], scales: str) -> dict[float, Any]:
    """Return the method's parameters at each value of a text NAME=VALUE,VALUE....

    Raises
    ------
    UserError
        If the text has another form, or the method doesn't take a value.
    """
    name, _, values = scales.partition("=")
    try:
        return {float(value): method.make_parameters({**settings, name: value}) for value in values.split(",")}
    except ValueError:
        raise UserError(f"--scales {scales} isn't NAME=VALUE,VALUE...: give numbers") from None
