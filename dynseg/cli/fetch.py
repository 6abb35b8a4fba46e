"""`dynseg fetch`."""

from pathlib import Path

import click

from dynseg.datasets import Kind, find_kind, kind_names
from dynseg.errors import UserError
from dynseg.io.archives import archive_hash
from dynseg.io.download import fetch, link

BENCHMARKS = kind_names(lambda kind: kind.archive is not None)


@click.command(
    help=f"Download the archive of a benchmark ({' or '.join(BENCHMARKS)}) and check it.",
)
@click.argument("benchmark", type=click.Choice(BENCHMARKS))
@click.option("--url", "urls", multiple=True, help="Mirror to try, in this order; by default all known ones.")
@click.option("--sha256", help="Hash that the archive at --url must have; by default it isn't checked.")
@click.option(
    "--archives",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder where the archive may be already under its official name: --output becomes a link to it.",
)
@click.option("--output", type=click.Path(path_type=Path), required=True, help="File to write.")
def command(benchmark: str, urls: tuple[str, ...], sha256: str | None, archives: Path | None, output: Path) -> None:
    """Download the archive of a benchmark and check it."""
    if urls:
        if archives is not None:
            raise UserError("--archives and --url exclude each other: leave one out")
        if sha256 is None:
            click.echo(f"No --sha256 was given, so {output.name} isn't checked against a hash.", err=True)
        fetch(urls, output, sha256)
    elif sha256 is not None:
        raise UserError("--sha256 belongs to --url: the hashes of the known mirrors are known")
    else:
        kind = find_kind(benchmark)
        if archives is None or not _take_from(archives, kind, output):
            _fetch_known(kind, output)


def _take_from(archives: Path, kind: Kind, output: Path) -> bool:
    """Tell whether a folder has the archive of a benchmark, which the output then is a link to."""
    assert kind.archive is not None  # as of every benchmark
    file = archives / kind.archive.name
    if not file.is_file():
        click.echo(f"{archives} has no {file.name}, so it is downloaded.", err=True)
        return False
    size, expected = file.stat().st_size, kind.archive.size
    if size == expected and archive_hash(file) != kind.archive.sha256:
        raise UserError(
            f"{file} has the size of the official archive and another sha256: copy it again, or move it away to have "
            "the archive downloaded"
        )
    link(file, output)
    # As the key `archive` takes any part of the official one.
    other = f", though it isn't the official archive ({size:,} bytes and not {expected:,})" if size != expected else ""
    click.echo(f"{file} is used in place{other}.", err=True)
    return True


def _fetch_known(kind: Kind, output: Path) -> None:
    assert kind.archive is not None  # as of every benchmark
    try:
        fetch(kind.archive.urls, output, kind.archive.sha256, kind.archive.size)
        return
    except UserError as error:
        if kind.unhashed_mirror is None:
            raise
        click.echo(f"{error}. Trying a mirror without a stable hash, checked by its content.", err=True)
    # Outside the handler, so that the mirror's own error isn't taken for a part of the first one.
    fetch([kind.unhashed_mirror.url], output, check=kind.unhashed_mirror.check_complete)
