"""`dynseg summary`: what a finished run has to show."""

from pathlib import Path

import click

from dynseg.cli._options import PATH
from dynseg.errors import UserError
from dynseg.workflow.layout import ResultsTree


@click.command()
@click.argument("results", type=PATH)
def command(results: Path) -> None:
    """Print the table of finished results, and where table, panels and report lie."""
    tree = ResultsTree(results)
    table = tree.table("md")
    if not table.exists() and not tree.report.exists():
        raise UserError(f"{results} has no table and no report: run the workflow to its end first")
    try:
        click.echo(f"\n{table.read_text(encoding='utf-8')}" if table.exists() else "No dataset has ground truth.\n")
    except OSError as error:
        raise UserError(f"{table} can't be read ({error.strerror}): run the workflow again") from error
    places = (
        ("Table", tree.tables, f"{table.stem}.*"),
        ("Panels", tree.figures / "panels", "*"),
        ("Report", results, tree.report.name),
    )
    for title, folder, pattern in places:
        for path in sorted(folder.glob(pattern)):
            click.echo(f"{title + ':':8}{path}")
