"""`dynseg segment`: your own images."""

import dataclasses
import hashlib
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np
from click.core import ParameterSource

from dynseg.cli._training_options import (
    IterationBar,
    all_threads,
    training_changes,
    training_options,
    warnings_said,
)
from dynseg.devices import resolve_device, use_threads
from dynseg.errors import UserError

if TYPE_CHECKING:
    from dynseg.own_images.plan import PlannedImage
    from dynseg.result import Segmentation

PATH = click.Path(path_type=Path)
FORMATS = ("png", "overlay", "boundaries", "npy", "h5", "json")
INTERRUPTED = 130


@click.command()
@click.argument("sources", nargs=-1, required=True, type=PATH, metavar="PHOTO_OR_FOLDER...")
@click.option("-o", "--output", required=True, type=PATH, help="The folder to write to.")
@click.option(
    "--format",
    "formats",
    multiple=True,
    type=click.Choice(FORMATS),
    help="What to write, repeatable: png, label map whose pixel values are the labels, with a palette; overlay and "
    "boundaries, pictures; npy; h5, with history; json, COCO masks of connected regions.  [default: png]",
)
@training_options
@click.option(
    "--scribbles",
    type=PATH,
    help="A label image of 8 bits a pixel, grey (white, 255: no label) or with a palette (index 255: no label), for "
    "the one image, or a folder of them, NAME.png for NAME.jpg.",
)
@click.option("--model", type=PATH, help="Label with this network, from `dynseg fit`, instead of training.")
@click.option("--resume", is_flag=True, help="Skip images whose outputs are there, from the same settings.")
@click.pass_context
def command(
    context: click.Context,
    sources: tuple[Path, ...],
    output: Path,
    formats: tuple[str, ...],
    scheme: str,
    mu: float | None,
    preset: str,
    iterations: int | None,
    max_labels: int | None,
    min_labels: int | None,
    max_size: int | None,
    seed: int,
    device: str,
    threads: int | None,
    scribbles: Path | None,
    model: Path | None,
    resume: bool,
) -> None:
    """Segment images, with no labels and no training set.

    A small network is trained on each image alone. It begins with up to 100 labels, which merge while two aims are
    weighed against each other: pixels that look alike get one label (similarity), and so do neighbours (continuity).

    \b
    Examples:
      dynseg segment photo.jpg -o out
      dynseg segment holiday/ -o out --format png --format overlay
      dynseg segment photo.jpg -o out --mu 5              fewer segments
      dynseg segment photo.jpg -o out --mu 50             more segments
      dynseg segment photo.jpg -o out --scribbles marks.png
      dynseg fit typical.jpg -o model.pt && dynseg segment folder/ -o out --model model.pt

    \b
    What μ does, where q′ is the number of labels left:
      --scheme fsf    continuity weighs q′/μ: less and less as labels merge.  Smaller μ: fewer segments.
      --scheme scf    continuity weighs μ/q′: more and more as labels merge.  Larger μ: fewer segments.
      --scheme fixed  continuity weighs μ all along.                          Larger μ: fewer segments.

    \b
    Still too many segments:  more --iterations, a smaller --max-size, or --min-labels 2.
    Still too few:            fewer --iterations, a larger --max-size, or a larger --min-labels.

    Folders are read with all below them. JPEG, PNG, TIFF, BMP and WebP will do, with 8 or 16 bits a channel; the
    camera's orientation is applied, and transparency is laid on white. OUT/dynseg-run.json says what made the outputs.

    Exit code: 0 if all images are done, 1 if something couldn't be (the others are done all the same), 2 for unknown
    options and values out of bounds, 130 after Ctrl-C. Files are whole or not there.
    """
    use_threads(threads := threads or all_threads())
    if model is not None:
        _refuse_beside_model(context)
    from dynseg.own_images.plan import is_done, plan_images, start_record

    plan = plan_images(sources, output, formats or ("png",), scribbles)
    _complain(plan.problems)
    if not plan.images:
        sys.exit(1)
    from dynseg.code_version import label_map_code
    from dynseg.methods import find_method
    from dynseg.provenance import describe_run

    device = resolve_device(device)
    changes = training_changes(iterations, max_labels, min_labels)
    run = _run_with_model(model, max_size) if model else _run_of_training(scheme, mu, preset, max_size, seed, changes)
    about = describe_run("cnn", run.parameters, seed, device, threads)
    if run.by_model:
        # The seed was that of `dynseg fit`.
        del about["seed"]
    about |= run.settings
    code = label_map_code(find_method("cnn"))
    settings = {"parameters": run.parameters, "max_size": run.max_size, "code_version": code, **run.settings}
    marks = _scribbles_of(scribbles, plan.images) if scribbles else {}
    settings |= {"scribbles": str(scribbles)} if scribbles else {}
    since = start_record(output, plan.images, settings, about, resume, marks)
    waiting = [image for image in plan.images if not (resume and is_done(image, since, marks.get(image.source)))]
    if len(waiting) < len(plan.images):
        click.echo(f"{len(plan.images) - len(waiting)} of {len(plan.images)} images are done already", err=True)

    bar = IterationBar(len(waiting), run.iterations)
    failures = len(plan.problems)
    done = 0
    try:
        with closing(bar), warnings_said(partial(bar.say, err=True)):
            for image in waiting:
                bar.start(image.source.name)
                try:
                    line = _segment_one(image, run, marks.get(image.source), device, bar, about)
                except UserError as error:
                    failures += 1
                    named = str(image.source) in str(error)
                    bar.say(f"dynseg: {error}" if named else f"dynseg: {image.source}: {error}", err=True)
                else:
                    done += 1
                    bar.say(line)
                bar.finish()
    except KeyboardInterrupt:
        click.echo(f"interrupted after {done} of {len(waiting)} images: --resume does the others", err=True)
        sys.exit(INTERRUPTED)
    sys.exit(1 if failures else 0)


@dataclass(frozen=True)
class _Run:
    """How images are segmented, by training or with a model, and the settings that decide the label maps."""

    parameters: dict[str, Any]
    max_size: int
    iterations: int
    settings: dict[str, Any]
    segment: Callable[..., "Segmentation"]
    by_model: bool


def _run_of_training(
    scheme: str, mu: float | None, preset: str, max_size: int | None, seed: int, changes: dict[str, Any]
) -> _Run:
    from dynseg.api import DEFAULT_MAX_SIZE, segment, user_parameters

    parameters = user_parameters(scheme, mu, preset, **changes)
    size = max_size or DEFAULT_MAX_SIZE
    call = partial(segment, scheme=scheme, mu=mu, preset=preset, seed=seed, max_size=size, **changes)
    return _Run(dataclasses.asdict(parameters), size, parameters.iterations, {"seed": seed}, call, by_model=False)


def _run_with_model(path: Path, max_size: int | None) -> _Run:
    from dynseg.api import apply_model
    from dynseg.model import load_model

    model = load_model(path)
    size = max_size or model.max_size
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    call = partial(apply_model, model, max_size=size)
    return _Run(dataclasses.asdict(model.parameters), size, 1, {"model_sha256": digest}, call, by_model=True)


def _segment_one(
    image: "PlannedImage", run: _Run, scribbles: Path | None, device: str, bar: IterationBar, about: dict[str, Any]
) -> str:
    """Segment an image, write its outputs, and return the line that tells of it."""
    from dynseg.io.images import read_image, read_scribbles
    from dynseg.metrics import connected_components
    from dynseg.own_images.outputs import write_outputs

    pixels = read_image(image.source)
    more: dict[str, Any] = {} if run.by_model else {"on_iteration": bar}
    if scribbles is not None:
        more["scribbles"] = read_scribbles(scribbles)
    result = run.segment(image=pixels, device=device, **more)
    name = (image.relative.parent / image.source.name).as_posix()
    write_outputs(image.outputs, pixels, result, name, about, shared_labels=run.by_model)

    facts, (height, width) = result.facts, pixels.shape[:2]
    regions = int(connected_components(result.labels).max())
    sizes = []
    if not run.by_model:
        sizes.append(f"trained at {facts['trained_width']} × {facts['trained_height']}")
    if (facts["applied_height"], facts["applied_width"]) != (height, width):
        sizes.append(f"applied at {facts['applied_width']} × {facts['applied_height']}")
    outputs = ", ".join(str(path) for path in image.outputs.values())
    return (
        f"{image.source}: {len(np.unique(result.labels))} labels in {regions} regions, {facts['seconds']:.1f} s, "
        f"{width} × {height}{''.join(f', {size}' for size in sizes)} -> {outputs}"
    )


def _scribbles_of(path: Path, images: "list[PlannedImage]") -> dict[Path, Path]:
    """Return the file of scribbles of every image that has one."""
    if not path.is_dir():
        if len(images) > 1:
            raise UserError(f"{path} is one file and there are {len(images)} images: give a folder of scribbles")
        return {images[0].source: path}
    found = {image.source: path / image.relative.with_name(f"{image.relative.name}.png") for image in images}
    found = {source: file for source, file in found.items() if file.exists()}
    if not found:
        raise UserError(f"{path} has no scribbles for these images: name them as the images, NAME.png for NAME.jpg")
    return found


def _refuse_beside_model(context: click.Context) -> None:
    allowed = {"sources", "output", "formats", "model", "max_size", "device", "threads", "resume"}
    for parameter in context.command.params:
        given = context.get_parameter_source(parameter.name or "") is ParameterSource.COMMANDLINE
        if given and parameter.name not in allowed:
            raise click.UsageError(f"{parameter.opts[0]} does nothing beside --model, which is trained: leave it out")


def _complain(problems: list[str]) -> None:
    for problem in problems:
        # Names of files may be no valid text.
        click.echo(f"dynseg: {problem}".encode(errors="replace"), err=True)
