"""`dynseg fetch`."""

from pathlib import Path

import click

from dynseg.datasets import bsd500, voc2012
from dynseg.errors import UserError
from dynseg.io.download import fetch

ARCHIVES = {"bsd500": bsd500.ARCHIVE, "voc2012": voc2012.ARCHIVE}


@click.command()
@click.argument("benchmark", type=click.Choice(list(ARCHIVES)))
@click.option("--url", "urls", multiple=True, help="Mirror to try, in this order; by default all known ones.")
@click.option("--sha256", help="Hash that the archive at --url must have; by default it isn't checked.")
@click.option("--output", type=click.Path(path_type=Path), required=True, help="File to write.")
def command(benchmark: str, urls: tuple[str, ...], sha256: str | None, output: Path) -> None:
    """Download the archive of a benchmark (bsd500 or voc2012) and check it."""
    if urls:
        if sha256 is None:
            click.echo(f"No --sha256 was given, so {output.name} isn't checked against a hash.", err=True)
        fetch(urls, output, sha256)
    elif sha256 is not None:
        raise UserError("--sha256 belongs to --url: the hashes of the known mirrors are known")
    else:
        _fetch_known(benchmark, output)


def _fetch_known(benchmark: str, output: Path) -> None:
    archive = ARCHIVES[benchmark]
    try:
        fetch(archive.urls, output, archive.sha256, archive.size)
        return
    except UserError as error:
        if benchmark != "bsd500":
            raise
        click.echo(f"{error}. Trying a mirror without a stable hash, checked by its content.", err=True)
    # Outside the handler, so that the mirror's own error isn't taken for a part of the first one.
    fetch([bsd500.UNHASHED_MIRROR], output, check=bsd500.check_complete)
