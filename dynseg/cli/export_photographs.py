"""`dynseg export-photographs`."""

from pathlib import Path

import click

from dynseg.datasets.photographs import export_photographs


@click.command()
@click.option("--output", type=click.Path(path_type=Path), required=True, help="Folder to write.")
def command(output: Path) -> None:
    """Copy the photographs inside the scikit-image wheel into a folder."""
    names = export_photographs(output)
    click.echo(f"{output}: {len(names)} photographs")
