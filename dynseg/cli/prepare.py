"""`dynseg prepare`."""

from pathlib import Path

import click

from dynseg.datasets import KINDS, Select, all_images, listed, prepare, sampled
from dynseg.errors import UserError


@click.command()
@click.argument("kind", type=click.Choice(list(KINDS)))
@click.option("--archive", type=click.Path(path_type=Path), required=True, help="Archive (tar, zip) or folder to read.")
@click.option("--annotations", type=click.Path(path_type=Path), help="folder: archive or folder of label maps.")
@click.option("--split", help="bsd500, mosaic: train, val, test or trainval; voc2012: train, val or trainval.")
@click.option("--masks", help="voc2012: a segment is an object or a class.")
@click.option(
    "--void", help="voc2012: the border is background, ignore or segment; folder: label 0 is segment, ignore."
)
@click.option("--sample", type=click.IntRange(min=1), help="Take this many images at random.")
@click.option("--sample-seed", type=int, help="Seed of --sample; 0 by default.")
@click.option("--ids", type=click.Path(path_type=Path), help="Take the images that this file lists, one id a line.")
@click.option("--name", required=True, help="Name of the dataset.")
@click.option("--output", type=click.Path(path_type=Path), required=True, help="Folder to write.")
def command(
    kind: str,
    archive: Path,
    annotations: Path | None,
    split: str | None,
    masks: str | None,
    void: str | None,
    sample: int | None,
    sample_seed: int | None,
    ids: Path | None,
    name: str,
    output: Path,
) -> None:
    """Turn an archive or a folder into images/, images.txt and ground_truth.h5."""
    if sample is not None and ids is not None:
        raise UserError("--sample and --ids exclude each other: give one of them")
    if sample_seed is not None and sample is None:
        raise UserError("--sample-seed belongs to --sample: give both or neither")
    select: Select = all_images
    if sample is not None:
        select = sampled(sample, sample_seed or 0, lambda text: click.echo(f"{name}: {text}", err=True))
    elif ids is not None:
        select = listed(ids)
    prepared = prepare(
        kind, archive, output, name, select, annotations=annotations, split=split, masks=masks, void=void
    )
    click.echo(f"{output}: {len(prepared)} images")
