"""Types and options that several commands share."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import click

from dynseg.errors import UserError

PATH = click.Path(path_type=Path)
EXISTING_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
EXISTING_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)

Command = Callable[..., None]
Verbosity = Literal["quiet", "usual", "verbose"]

connectivity_option = click.option(
    "--connectivity",
    type=click.Choice(["4", "8"]),
    default="4",
    show_default=True,
    help="Neighbours through which the pixels of a predicted segment are connected.",
)


def verbosity_options(command: Command) -> Command:
    """Add --quiet and --verbose, of which the last one given counts, as the parameter `verbosity`."""
    for letter, value, words in (
        ("v", "verbose", "Say more: what it works with, and what is found on the way."),
        ("q", "quiet", "Say nothing but warnings and errors, and show no progress."),
    ):
        command = click.option(f"-{letter}", f"--{value}", "verbosity", flag_value=value, help=words)(command)
    return command


def cut_options(command: Command) -> Command:
    """Add --segments and --scale: where a hierarchy of regions is cut."""
    command = click.option(
        "--scale",
        type=click.FloatRange(0, 1),
        callback=_number,
        metavar="T",
        help="Regions whose boundaries are stronger than T, between 0 (most regions) and 1 (one region).",
    )(command)
    return click.option("--segments", type=click.IntRange(1), metavar="K", help="Exactly K regions.")(command)


def check_cut(segments: int | None, scale: float | None) -> None:
    """Raise a UsageError if both are given."""
    if segments is not None and scale is not None:
        raise click.UsageError("--segments and --scale both say where to cut: leave one of them out")


def _number(context: click.Context, parameter: click.Parameter, value: float | None) -> float | None:
    # No bound refuses it.
    if value is not None and math.isnan(value):
        raise click.BadParameter("nan is no number from 0 to 1", context, parameter)
    return value


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
