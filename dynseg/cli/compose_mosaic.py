"""`dynseg compose-mosaic`."""

from pathlib import Path

import click

from dynseg.datasets.mosaic import compose_mosaic


@click.command()
@click.option("--output", type=click.Path(path_type=Path), required=True, help="Archive to write (.tgz).")
@click.option("--images", type=click.IntRange(1, 999), default=6, show_default=True, help="Number of mosaics.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of every random choice.")
def command(output: Path, images: int, seed: int) -> None:
    """Compose the embedded benchmark from scikit-image's pictures, in BSD500's archive layout."""
    compose_mosaic(output, images, seed=seed)
    click.echo(f"{output}: {images} mosaics")
