"""`dynseg summary`: what a finished run has to show."""

from pathlib import Path

import click

from dynseg.errors import UserError


@click.command()
@click.argument("results", type=click.Path(file_okay=False, path_type=Path))
def command(results: Path) -> None:
    """Print the table of a finished run, and where its table, panels and report lie."""
    table = results / "tables" / "table1.md"
    try:
        click.echo(f"\n{table.read_text(encoding='utf-8')}")
    except OSError as error:
        raise UserError(f"{table} can't be read: run the workflow to its end first") from error
    for title, pattern in (("Table", "tables/table1.*"), ("Panels", "figures/panels/*"), ("Report", "report.html")):
        for path in sorted(results.glob(pattern)):
            click.echo(f"{title + ':':8}{path}")
