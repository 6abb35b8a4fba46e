"""`dynseg cut`: other cuts of regions that are saved already."""

from functools import partial
from pathlib import Path

import click

from dynseg.cli._options import PATH, Verbosity, check_cut, cut_options, verbosity_options
from dynseg.errors import warnings_said
from dynseg.own_images.outputs import FORMATS


@click.command()
@click.argument("hierarchies", nargs=-1, required=True, type=PATH, metavar="HIERARCHY.h5...")
@click.option("-o", "--output", required=True, type=PATH, help="The folder to write to.")
@cut_options
@click.option(
    "--format",
    "formats",
    multiple=True,
    type=click.Choice(list(FORMATS)),
    metavar="FORMAT",
    help="What to write, repeatable, as `dynseg segment` has it.  [default: png]",
)
@click.option(
    "--image",
    type=PATH,
    metavar="PHOTO",
    help="The photograph, for overlay, boundaries, viewer, labelstudio, labelme, geotiff and gpkg, which need it, and "
    "for csv, parquet and cvat, which say more with it.",
)
@verbosity_options
def command(
    hierarchies: tuple[Path, ...],
    output: Path,
    segments: int | None,
    scale: float | None,
    formats: tuple[str, ...],
    image: Path | None,
    verbosity: Verbosity | None,
) -> None:
    """Cut saved regions anew, with no training.

    Files are those of `dynseg segment --format h5`. Without --segments and --scale the regions are those that
    `dynseg segment` chose.

    \b
    Examples:
      dynseg segment photo.jpg -o out --format h5
      dynseg cut out/photo.h5 -o few --segments 5
      dynseg cut out/photo.h5 -o fine --scale 0.1 --format png --format boundaries --image photo.jpg
    """
    check_cut(segments, scale)
    formats = formats or ("png",)
    showing = [name for name in formats if FORMATS[name].needs_image]
    if showing and image is None:
        verb = "shows" if FORMATS[showing[0]].shows_image else "needs"
        raise click.UsageError(f"--format {showing[0]} {verb} the photograph: give it by --image")
    if image is not None and not showing and not any(FORMATS[name].takes_image for name in formats):
        raise click.UsageError(
            "--image is for --format overlay, boundaries and viewer, and for tables and other tools: add one, or leave "
            "it out"
        )
    from dynseg.own_images.cutting import cut_saved, plan_cuts

    planned = plan_cuts(hierarchies, output, formats)
    if image is not None and len(planned) > 1:
        raise click.UsageError(f"--image is one photograph and there are {len(planned)} images: cut one at a time")
    with warnings_said(partial(_say, err=True), verbosity == "verbose"):
        for saved in planned:
            line = cut_saved(saved, segments, scale, image)
            if verbosity != "quiet":
                _say(line)


def _say(text: str, err: bool = False) -> None:
    # Names of files may be no valid text.
    click.echo(text.encode(errors="replace"), err=err)
