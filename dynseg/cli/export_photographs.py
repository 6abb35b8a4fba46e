"""`dynseg export-photographs`."""

from pathlib import Path

import click

from dynseg.datasets.photographs import export_photographs


@click.command()
@click.option("--output", type=click.Path(path_type=Path), required=True, help="Folder to write.")
@click.option("--longest-side", type=click.IntRange(16), help="Reduce larger ones to this many pixels; as PNG.")
def command(output: Path, longest_side: int | None) -> None:
    """Copy the photographs inside the scikit-image wheel into a folder."""
    names = export_photographs(output, longest_side)
    click.echo(f"{output}: {len(names)} photographs")
