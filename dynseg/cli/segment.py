"""`dynseg segment`: your own images."""

import sys
from contextlib import closing
from functools import partial
from pathlib import Path

import click
from click.core import ParameterSource

from dynseg.cli._training_options import (
    IterationBar,
    all_threads,
    parse_reading,
    reading_options,
    training_changes,
    training_options,
    warnings_said,
)
from dynseg.devices import limited_threads, resolve_device
from dynseg.own_images.outputs import FORMATS
from dynseg.own_images.plan import plan_images

PATH = click.Path(path_type=Path)
INTERRUPTED = 130


@click.command()
@click.argument("sources", nargs=-1, required=True, type=PATH, metavar="PHOTO_OR_FOLDER...")
@click.option("-o", "--output", required=True, type=PATH, help="The folder to write to.")
@click.option(
    "--format",
    "formats",
    multiple=True,
    type=click.Choice(list(FORMATS)),
    help="What to write, repeatable: png, label map whose pixel values are the labels, with a palette; overlay and "
    "boundaries, pictures; npy; h5, with history; json, COCO masks of connected regions.  [default: png]",
)
@training_options
@reading_options
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
    channels: str | None,
    value_range: str,
    plane: str | None,
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

    Folders are read with all below them. JPEG, PNG, TIFF, BMP, WebP and AVIF will do, with any number of bits and
    channels; the camera's orientation is applied, and transparency is laid on white. A stack of planes needs --plane.
    OUT/dynseg-run.json says what made the outputs.

    Exit code: 0 if all images are done, 1 if something couldn't be (the others are done all the same), 2 for unknown
    options and values out of bounds, 130 after Ctrl-C. Files are whole or not there.
    """
    threads = threads or all_threads()
    reading = parse_reading(channels, value_range, plane)
    if model is not None:
        _refuse_beside_model(context)
    with warnings_said(_say):
        plan = plan_images(sources, output, formats or ("png",), scribbles)
    _complain(plan.problems)
    if not plan.images:
        sys.exit(1)
    from dynseg.api import DEFAULT_MAX_SIZE, user_parameters
    from dynseg.own_images.run import Batch, ByModel, ByTraining

    device = resolve_device(device)
    labelling: ByModel | ByTraining
    if model is not None:
        labelling = ByModel.from_file(model, device, max_size)
    else:
        changes = training_changes(iterations, max_labels, min_labels)
        parameters = user_parameters(scheme, mu, preset, **changes)
        labelling = ByTraining(parameters, seed, device, max_size or DEFAULT_MAX_SIZE)
    batch = Batch(plan.images, output, labelling, threads, scribbles, resume, reading)
    if len(batch.waiting) < len(plan.images):
        click.echo(f"{len(plan.images) - len(batch.waiting)} of {len(plan.images)} images are done already", err=True)

    bar = IterationBar(len(batch.waiting), labelling.iterations)
    try:
        with limited_threads(threads), closing(bar), warnings_said(partial(bar.say, err=True)):
            failures = batch.run(bar)
    except KeyboardInterrupt:
        click.echo(f"interrupted after {batch.done} of {len(batch.waiting)} images: --resume does the others", err=True)
        sys.exit(INTERRUPTED)
    sys.exit(1 if failures or plan.problems else 0)


def _refuse_beside_model(context: click.Context) -> None:
    allowed = {"sources", "output", "formats", "model", "max_size", "device", "threads", "resume"}
    allowed |= {"channels", "value_range", "plane"}
    for parameter in context.command.params:
        given = context.get_parameter_source(parameter.name or "") is ParameterSource.COMMANDLINE
        if given and parameter.name not in allowed:
            raise click.UsageError(f"{parameter.opts[0]} does nothing beside --model, which is trained: leave it out")


def _complain(problems: list[str]) -> None:
    for problem in problems:
        _say(f"dynseg: {problem}")


def _say(text: str) -> None:
    # Names of files may be no valid text.
    click.echo(text.encode(errors="replace"), err=True)
