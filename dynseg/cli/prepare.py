"""`dynseg prepare`."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from dynseg.datasets import MODULES, find_kind
from dynseg.datasets.preparing import prepare
from dynseg.datasets.selection import Select, all_images, listed, sampled
from dynseg.errors import UserError


def _options_of_kinds(command: Callable[..., None]) -> Callable[..., None]:
    """Add every option that a kind of dataset has; its help says what it means to which kinds."""
    meanings: dict[str, dict[str, list[str]]] = {}
    paths = set()
    for kind in MODULES:
        for name, option in find_kind(kind).options.items():
            meanings.setdefault(name, {}).setdefault(option.meaning, []).append(kind)
            if option.is_path:
                paths.add(name)
    for name, by_meaning in reversed(meanings.items()):
        help_text = "; ".join(f"{', '.join(kinds)}: {meaning}" for meaning, kinds in by_meaning.items())
        given = click.Path(path_type=Path) if name in paths else str
        command = click.option(f"--{name}", type=given, help=f"{help_text}.")(command)
    return command


@contextmanager
def _warnings_as_lines(name: str) -> Iterator[None]:
    """Write each warning as a line that begins with the dataset's name to standard error."""
    with warnings.catch_warnings():
        warnings.simplefilter("always", UserWarning)
        warnings.showwarning = lambda message, *_, **__: click.echo(f"{name}: {message}", err=True)
        yield


@click.command()
@click.argument("kind", type=click.Choice(list(MODULES)))
@click.option("--archive", type=click.Path(path_type=Path), required=True, help="Archive (tar, zip) or folder to read.")
@_options_of_kinds
@click.option("--sample", type=click.IntRange(min=1), help="Take this many images at random.")
@click.option("--sample-seed", type=int, help="Seed of --sample; 0 by default.")
@click.option("--ids", type=click.Path(path_type=Path), help="Take the images that this file lists, one id a line.")
@click.option("--name", required=True, help="Name of the dataset.")
@click.option("--output", type=click.Path(path_type=Path), required=True, help="Folder to write.")
def command(
    kind: str,
    archive: Path,
    sample: int | None,
    sample_seed: int | None,
    ids: Path | None,
    name: str,
    output: Path,
    **options: Any,
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
    # The workflow links to an archive that lies elsewhere: sentences are to name that.
    archive = archive.resolve() if archive.is_symlink() else archive
    with _warnings_as_lines(name):
        prepared = prepare(kind, archive, output, name, select, **options)
    click.echo(f"{output}: {len(prepared)} images")
