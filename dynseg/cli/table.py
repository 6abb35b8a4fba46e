"""`dynseg table`: the table of a whole results tree."""

from __future__ import annotations

from pathlib import Path

import click

from dynseg.cli._options import PATH, parse_labels
from dynseg.io.files import written_aside
from dynseg.workflow.layout import ResultsTree


@click.command()
@click.argument("score_files", nargs=-1, required=True, type=PATH, metavar="DATASET/METHOD/SEED.csv...")
@click.option(
    "--dataset",
    "datasets",
    multiple=True,
    metavar="ID=LABEL",
    help="Id and label of a dataset to show; repeatable. By default all are shown.",
)
@click.option(
    "--method",
    "methods",
    multiple=True,
    metavar="ID=LABEL",
    help="Id and label of a method to show; repeatable. By default all are shown.",
)
@click.option("--published", multiple=True, metavar="METHOD:MEASURE=VALUE", help="A score to compare with; repeatable.")
@click.option("--output-dir", type=PATH, required=True, help="Folder to write the tables to.")
def command(
    score_files: tuple[Path, ...],
    datasets: tuple[str, ...],
    methods: tuple[str, ...],
    published: tuple[str, ...],
    output_dir: Path,
) -> None:
    """Pool score files into one table, and compare every two methods.

    The last two folders of a score file name its dataset and its method; files that end in _scales.csv hold the scores
    at several scales. Writes table1.csv (long form), table1.md and
    table1.tex (for reading), and differences.csv (paired bootstrap intervals).
    """
    import pandas as pd

    from dynseg.scoring.scales import ScaleTables, read_scale_scores
    from dynseg.scoring.scores import read_scores
    from dynseg.scoring.tables import (
        ResultsTable,
        difference_table,
        latex_table,
        long_table,
        markdown_table,
        read_published,
        scale_table,
    )

    runs: dict[tuple[str, str], list[pd.DataFrame]] = {}
    scales: dict[tuple[str, str], list[ScaleTables]] = {}
    for path in score_files:
        if ResultsTree.is_of_scales(path):
            scales.setdefault(ResultsTree.scored(path), []).append(read_scale_scores(path))
        else:
            runs.setdefault(ResultsTree.scored(path), []).append(read_scores(path))
    tables = [long_table(runs, read_published(published)), scale_table(scales)]
    results = ResultsTable(
        pd.concat([table for table in tables if len(table)] or tables[:1], ignore_index=True),
        difference_table(runs),
        parse_labels("--dataset", datasets) or {dataset: dataset for dataset, _ in runs},
        parse_labels("--method", methods) or {method: method for _, method in runs},
    )
    tree = ResultsTree(output_dir.parent)
    texts = {
        tree.table("csv"): results.table.to_csv(index=False),
        tree.table("md"): markdown_table(results),
        tree.table("tex"): latex_table(results),
        tree.differences: results.differences.to_csv(index=False),
    }
    for path, text in texts.items():
        with written_aside(output_dir / path.name) as aside:
            aside.write_text(text, encoding="utf-8")
