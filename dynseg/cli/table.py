"""`dynseg table`: the table of a whole results tree."""

from pathlib import Path

import click

from dynseg.errors import UserError
from dynseg.files import written_aside

FILE = click.Path(dir_okay=False, path_type=Path)


@click.command()
@click.argument("score_files", nargs=-1, required=True, type=FILE, metavar="DATASET/METHOD/SEED.csv...")
@click.option("--dataset", "datasets", multiple=True, metavar="ID=LABEL", help="A column's dataset; repeatable.")
@click.option("--method", "methods", multiple=True, metavar="ID=LABEL", help="A row; repeatable.")
@click.option("--published", multiple=True, metavar="METHOD:MEASURE=VALUE", help="A score to compare with; repeatable.")
@click.option("--output", "outputs", multiple=True, required=True, type=FILE, help="A .csv, .md or .tex; repeatable.")
def command(
    score_files: tuple[Path, ...],
    datasets: tuple[str, ...],
    methods: tuple[str, ...],
    published: tuple[str, ...],
    outputs: tuple[Path, ...],
) -> None:
    """Pool score files into one table; their last two folders name the dataset and the method."""
    from dynseg.scores import read_scores
    from dynseg.tables import Run, latex_table, long_table, markdown_table, read_published

    runs = [Run(path.parts[-3], path.parts[-2], read_scores(path)) for path in score_files]
    columns = _labels(datasets) or {run.dataset: run.dataset for run in runs}
    rows = _labels(methods) or {run.method: run.method for run in runs}
    table = long_table(runs, read_published(published))
    texts = {
        ".csv": lambda: table.to_csv(index=False),
        ".md": lambda: markdown_table(table, columns, rows),
        ".tex": lambda: latex_table(table, columns, rows),
    }
    for output in outputs:
        if output.suffix not in texts:
            raise UserError(f"{output} has no known form: end its name in {', '.join(texts)}")
    for output in outputs:
        with written_aside(output) as aside:
            aside.write_text(texts[output.suffix](), encoding="utf-8")


def _labels(texts: tuple[str, ...]) -> dict[str, str]:
    labels = {}
    for text in texts:
        identifier, equals, label = text.partition("=")
        labels[identifier] = label if equals else identifier
    return labels
