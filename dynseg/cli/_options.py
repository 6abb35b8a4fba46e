"""Types and options that several commands share."""

from collections.abc import Callable, Sequence
from pathlib import Path

import click

from dynseg.errors import UserError

PATH = click.Path(path_type=Path)
EXISTING_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
EXISTING_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)

Command = Callable[..., None]

connectivity_option = click.option(
    "--connectivity",
    type=click.Choice(["4", "8"]),
    default="4",
    show_default=True,
    help="Neighbours through which the pixels of a predicted segment are connected.",
)


def figure_options(command: Command) -> Command:
    """Add --output-png and --output-pdf."""
    for name in ("pdf", "png"):
        command = click.option(f"--output-{name}", type=PATH, help=f"Figure to write, as {name.upper()}.")(command)
    return command


def parse_labels(option: str, texts: Sequence[str]) -> dict[str, str]:
    """Read the texts ID=LABEL of an option into a mapping from ids to labels.

    Raises
    ------
    UserError
        If a text has no "=".
    """
    for text in texts:
        if "=" not in text:
            raise UserError(f"{option} {text} has no label: write it as ID=LABEL")
    return dict(text.split("=", 1) for text in texts)
