"""`dynseg table`: the table of a whole results tree."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from dynseg.io.files import written_aside
from dynseg.workflow.layout import ResultsTree

if TYPE_CHECKING:
    import pandas as pd

FILE = click.Path(dir_okay=False, path_type=Path)


@click.command()
@click.argument("score_files", nargs=-1, required=True, type=FILE, metavar="DATASET/METHOD/SEED.csv...")
@click.option("--dataset", "datasets", multiple=True, metavar="ID=LABEL", help="A column's dataset; repeatable.")
@click.option("--method", "methods", multiple=True, metavar="ID=LABEL", help="A row; repeatable.")
@click.option("--published", multiple=True, metavar="METHOD:MEASURE=VALUE", help="A score to compare with; repeatable.")
@click.option("--output-dir", type=click.Path(file_okay=False, path_type=Path), required=True)
def command(
    score_files: tuple[Path, ...],
    datasets: tuple[str, ...],
    methods: tuple[str, ...],
    published: tuple[str, ...],
    output_dir: Path,
) -> None:
    """Pool score files into one table, and compare every two methods.

    The last two folders of a score file name its dataset and its method. Writes table1.csv (long form), table1.md and
    table1.tex (for reading), and differences.csv (paired bootstrap intervals).
    """
    from dynseg.scoring.scores import read_scores
    from dynseg.scoring.tables import Reading, difference_table, latex_table, long_table, markdown_table, read_published

    runs: dict[tuple[str, str], list[pd.DataFrame]] = {}
    for path in score_files:
        runs.setdefault(ResultsTree.scored(path), []).append(read_scores(path))
    reading = Reading(
        long_table(runs, read_published(published)),
        difference_table(runs),
        _labels(datasets) or {dataset: dataset for dataset, _ in runs},
        _labels(methods) or {method: method for _, method in runs},
    )
    results = ResultsTree(output_dir.parent)
    texts = {
        results.table("csv"): reading.table.to_csv(index=False),
        results.table("md"): markdown_table(reading),
        results.table("tex"): latex_table(reading),
        results.differences: reading.differences.to_csv(index=False),
    }
    for path, text in texts.items():
        with written_aside(output_dir / path.name) as aside:
            aside.write_text(text, encoding="utf-8")


def _labels(texts: tuple[str, ...]) -> dict[str, str]:
    labels = {}
    for text in texts:
        identifier, equals, label = text.partition("=")
        labels[identifier] = label if equals else identifier
    return labels
