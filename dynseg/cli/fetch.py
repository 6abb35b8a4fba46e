"""`dynseg fetch`."""

from pathlib import Path

import click

from dynseg.datasets import find_kind, kind_names
from dynseg.errors import UserError
from dynseg.io.download import fetch

BENCHMARKS = kind_names(lambda kind: kind.archive is not None)


@click.command(
    help=f"Download the archive of a benchmark ({' or '.join(BENCHMARKS)}) and check it.",
)
@click.argument("benchmark", type=click.Choice(BENCHMARKS))
@click.option("--url", "urls", multiple=True, help="Mirror to try, in this order; by default all known ones.")
@click.option("--sha256", help="Hash that the archive at --url must have; by default it isn't checked.")
@click.option("--output", type=click.Path(path_type=Path), required=True, help="File to write.")
def command(benchmark: str, urls: tuple[str, ...], sha256: str | None, output: Path) -> None:
    """Download the archive of a benchmark and check it."""
    if urls:
        if sha256 is None:
            click.echo(f"No --sha256 was given, so {output.name} isn't checked against a hash.", err=True)
        fetch(urls, output, sha256)
    elif sha256 is not None:
        raise UserError("--sha256 belongs to --url: the hashes of the known mirrors are known")
    else:
        _fetch_known(benchmark, output)


def _fetch_known(benchmark: str, output: Path) -> None:
    kind = find_kind(benchmark)
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
