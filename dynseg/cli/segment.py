"""`dynseg segment`: your own images."""

import sys
from contextlib import closing
from functools import partial
from pathlib import Path

import click
from click.core import ParameterSource

from dynseg.cli._options import PATH, Verbosity, check_cut, cut_options, verbosity_options
from dynseg.cli._training_options import (
    MASK_HELP,
    NETWORK_OPTIONS,
    IterationBar,
    all_threads,
    network_options,
    reading_options,
    reading_texts,
    running_options,
    training_changes,
)
from dynseg.devices import limited_threads, resolve_device
from dynseg.errors import warnings_said
from dynseg.own_images.outputs import FORMATS
from dynseg.own_images.plan import plan_images

METHODS = ("regions", "network")
INTERRUPTED = 130
FORMATS_HELP = """What to write, repeatable.  [default: png]

\b
Label maps:
  png          palette picture, values are labels
  npy          the same for NumPy
  h5           all regions, for dynseg cut; of one
               network the history of its training
  ucm          contour map of the BSDS (ucm2 in a
               .mat), for dynseg score

\b
Pictures:
  overlay      label colours over the photograph
  boundaries   lines between regions
  viewer       a page with a slider, few to many

\b
For other tools:
  csv, parquet table: shape, values and neighbours
               of every label
  json         COCO masks of connected regions
  labelstudio  Label Studio: a task with brush masks
  cvat         CVAT: "Segmentation mask 1.1"
  labelme      LabelMe and X-AnyLabeling: polygons
  ome-tiff     microscopes' programs: labels with the size of pixels
  ome-zarr     napari and others: the image, with labels in labels/dynseg
  geotiff      label raster where the image lies
  gpkg         the same as polygons, GeoPackage, with
               statistics of each band
"""


@click.command()
@click.argument("sources", nargs=-1, required=True, type=PATH, metavar="PHOTO_OR_FOLDER...")
@click.option("-o", "--output", required=True, type=PATH, help="The folder to write to.")
@click.option(
    "--format",
    "formats",
    multiple=True,
    type=click.Choice(list(FORMATS)),
    metavar="FORMAT",
    help=FORMATS_HELP,
)
@click.option(
    "--method",
    type=click.Choice(METHODS),
    help="regions: connected regions, few or many; network: the labels of one network, each of which may lie in many "
    "places.  [default: regions, or network if one of its options is given]",
)
@cut_options
@click.option(
    "--scribbles",
    type=PATH,
    help="A label image of 8 bits a pixel, grey (white, 255: no label) or with a palette (index 255: no label), for "
    "the one image, or a folder of them, NAME.png for NAME.jpg.",
)
@click.option("--mask", type=PATH, help=MASK_HELP)
@running_options
@reading_options
@click.option(
    "--match",
    is_flag=True,
    help="The images are a series, in the order of their names: what lies in nearly the same place and looks alike has "
    "the same label in all.",
)
@click.option("--resume", is_flag=True, help="Skip images whose outputs are there, from the same settings.")
@network_options
@click.option(
    "--model", type=PATH, help="Label with this network, from `dynseg fit`, instead of training one on each image."
)
@verbosity_options
@click.pass_context
def command(
    context: click.Context,
    sources: tuple[Path, ...],
    output: Path,
    formats: tuple[str, ...],
    method: str | None,
    segments: int | None,
    scale: float | None,
    scribbles: Path | None,
    mask: Path | None,
    max_size: int | None,
    seed: int,
    device: str,
    threads: int | None,
    channels: str | None,
    value_range: str | None,
    plane: str | None,
    match: bool,
    nodata: str | None,
    resume: bool,
    scheme: str,
    mu: float | None,
    preset: str,
    iterations: int | None,
    max_labels: int | None,
    min_labels: int | None,
    model: Path | None,
    verbosity: Verbosity | None,
) -> None:
    """Segment images, with no labels and no training set.

    An image becomes regions: two small networks are trained on it alone, boundaries lie where their labels or the
    colours change, and regions merge over the weakest boundaries first. --segments and --scale say how far; without
    them the threshold is one that suits most photographs.

    \b
    Examples:
      dynseg segment photo.jpg -o out
      dynseg segment photo.jpg -o out --segments 20       exactly 20 regions
      dynseg segment photo.jpg -o out --scale 0.3         more regions the lower it is
      dynseg segment photo.jpg -o out --format viewer     a page with a slider
      dynseg segment holiday/ -o out --format png --format overlay
      dynseg segment frames/ -o out --match               the same thing, the same label
      dynseg segment photo.jpg -o out --format h5 && dynseg cut out/photo.h5 -o cuts --segments 5
      dynseg segment photo.jpg -o out --scribbles marks.png

    --method network gives the labels of one network as the paper has them. It begins with up to 100 labels, which
    merge while two aims are weighed against each other: pixels that look alike get one label (similarity), and so do
    neighbours (continuity).

    \b
    Examples:
      dynseg segment photo.jpg -o out --method network
      dynseg segment photo.jpg -o out --mu 5              fewer segments
      dynseg segment photo.jpg -o out --mu 50             more segments
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
    channels, and OME-Zarr (NAME.zarr); the camera's orientation is applied, and transparency is laid on white. A stack
    of planes needs --plane.
    OUT/dynseg-run.json says what made the outputs.

    Exit code: 0 if all images are done, 1 if something couldn't be (the others are done all the same), 2 for unknown
    options and values out of bounds, 130 after Ctrl-C. Files are whole or not there.
    """
    threads = threads or all_threads()
    read_as = reading_texts(channels, value_range, plane, nodata)
    by_network = _is_by_network(context, method)
    if by_network:
        _refuse_regions(context, formats)
    check_cut(segments, scale)
    if model is not None:
        _refuse_beside_model(context)
    if scribbles is not None and (segments is not None or scale is not None):
        raise click.UsageError(
            f"--scribbles say where to cut, and so does {'--scale' if segments is None else '--segments'}: leave one "
            "of them out"
        )
    if scribbles is not None and match:
        raise click.UsageError("--scribbles say which labels there are, and --match changes them: leave one out")
    with warnings_said(_say):
        plan = plan_images(sources, output, formats or ("png",), scribbles, mask)
    _complain(plan.problems)
    if not plan.images:
        sys.exit(1)
    from dynseg.api import DEFAULT_MAX_SIZE, user_parameters
    from dynseg.io.images import Reading
    from dynseg.large import DEFAULT_LARGE_SIZE
    from dynseg.methods.regions import RegionsParameters
    from dynseg.own_images.labelling import ByModel, ByRegions, ByTraining, Labelling
    from dynseg.own_images.run import Batch

    device = resolve_device(device)
    labelling: Labelling
    if model is not None:
        labelling = ByModel.from_file(model, device, max_size)
        with warnings_said(_say):
            read_as = labelling.read_as(read_as, model)
    elif by_network:
        changes = training_changes(iterations, max_labels, min_labels)
        parameters = user_parameters(scheme, mu, preset, **changes)
        labelling = ByTraining(parameters, seed, device, max_size or DEFAULT_MAX_SIZE)
    else:
        regions = RegionsParameters(segments=segments, threshold=scale)
        labelling = ByRegions(regions, seed, device, max_size or DEFAULT_MAX_SIZE, max_size or DEFAULT_LARGE_SIZE)
    reading = Reading.from_texts(**read_as)
    with warnings_said(_say):
        batch = Batch(plan.images, output, labelling, threads, scribbles, resume, reading, mask, match)
    is_quiet = verbosity == "quiet"
    if len(batch.waiting) < len(plan.images) and not is_quiet:
        click.echo(f"{len(plan.images) - len(batch.waiting)} of {len(plan.images)} images are done already", err=True)

    bar = IterationBar(len(batch.waiting), labelling.iterations, is_quiet)
    saying = warnings_said(partial(bar.say, err=True), verbosity == "verbose")
    try:
        with limited_threads(threads), closing(bar), saying:
            failures = batch.run(bar)
    except KeyboardInterrupt:
        click.echo(f"interrupted after {batch.done} of {len(batch.waiting)} images: --resume does the others", err=True)
        sys.exit(INTERRUPTED)
    sys.exit(1 if failures or plan.problems else 0)


def _is_by_network(context: click.Context, method: str | None) -> bool:
    """Tell whether the network's labels are wanted: asked for, or because one of its options is given."""
    given = _given(context, *NETWORK_OPTIONS, "model")
    if given and method == "regions":
        raise click.UsageError(f"{given[0]} is an option of --method network: leave out one of the two")
    return bool(given) or method == "network"


def _refuse_regions(context: click.Context, formats: tuple[str, ...]) -> None:
    """Raise a UsageError if something is wanted that only regions have."""
    wanted = _given(context, "segments", "scale")
    wanted += [f"--format {name}" for name in formats if FORMATS[name].needs_hierarchy]
    if wanted:
        others = ["--method network"] if _given(context, "method") else _given(context, *NETWORK_OPTIONS, "model")
        raise click.UsageError(f"{wanted[0]} is of --method regions: leave out either it or {others[0]}")


def _refuse_beside_model(context: click.Context) -> None:
    allowed = {"sources", "output", "formats", "method", "model", "max_size", "device", "threads", "resume"}
    allowed |= {"channels", "value_range", "plane", "nodata", "mask", "verbosity"}
    given = _given(context, *(each.name or "" for each in context.command.params if each.name not in allowed))
    if given:
        raise click.UsageError(f"{given[0]} does nothing beside --model, which is trained: leave it out")


def _given(context: click.Context, *names: str) -> list[str]:
    """Return those of some options that are given, as they are written."""
    return [
        parameter.opts[0]
        for parameter in context.command.params
        if parameter.name in names and context.get_parameter_source(parameter.name) is ParameterSource.COMMANDLINE
    ]


def _complain(problems: list[str]) -> None:
    for problem in problems:
        _say(f"dynseg: {problem}")


def _say(text: str) -> None:
    # Names of files may be no valid text.
    click.echo(text.encode(errors="replace"), err=True)
