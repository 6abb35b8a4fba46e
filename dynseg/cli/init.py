"""`dynseg init`."""

import shlex
from pathlib import Path

import click

from dynseg.errors import UserError
from dynseg.workflow.start import start_config

CONFIG = "config.yaml"


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
def command(folder: Path) -> None:
    """Write a commented configuration to start from into a folder, and say what to do next.

    It runs as it is, on pictures that come with scikit-image.
    """
    config = folder / CONFIG
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with config.open("x", encoding="utf-8") as file:
            file.write(start_config())
    except FileExistsError as error:
        raise UserError(f"{config} is there already: choose another folder, or move it away") from error
    except OSError as error:
        raise UserError(f"{config} can't be written ({error.strerror}): choose a writable folder") from error
    click.echo(f"{config} is written. Run it, then edit it:")
    click.echo(f"  cd {shlex.quote(str(folder))}\n  dynseg run {CONFIG}")
