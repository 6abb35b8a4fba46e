"""The table of scores: rows = methods, columns = measures of the datasets, beside what was published."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from dynseg.errors import UserError
from dynseg.scores import pool

COLUMNS = ("dataset", "method", "measure", "score", "published", "difference", "images", "seeds")

# Which annotations of a dataset with several annotators count, by the names that `pool` gives the measures.
ANNOTATORS = ("all", "fine", "coarse", "mean")

TITLES = {False: "Predictions relabelled by connected components", True: "Raw labels"}


@dataclass(frozen=True)
class Run:
    """The scores of one method on one dataset with one seed.

    Attributes
    ----------
    dataset, method : str
        Their ids.
    scores : DataFrame
        As `dynseg.scores.score_run` returns it.
    """

    dataset: str
    method: str
    scores: pd.DataFrame


def long_table(runs: Sequence[Run], published: Mapping[tuple[str, str], float]) -> pd.DataFrame:
    """Return the table with one line for each dataset, method and measure.

    A dataset with several annotators has the measures `{dataset}_all`, `_fine`, `_coarse` and `_mean`, one with a
    single annotator has `{dataset}`: the mean IoU of section IV.A of the paper. The same names with `_raw` are of
    predictions that aren't relabelled by connected components. Of several seeds, the score is the mean.

    Parameters
    ----------
    runs : sequence of Run
        Rows come in the order of the runs' methods, within the order of their datasets.
    published : mapping from (method, measure) to float
        Scores to compare with.

    Returns
    -------
    DataFrame
        With the columns `COLUMNS`; `published` and `difference` are NaN where nothing was published.
    """
    grouped: dict[tuple[str, str], list[pd.DataFrame]] = {}
    for run in runs:
        grouped.setdefault((run.dataset, run.method), []).append(run.scores)
    lines = []
    for (dataset, method), seeds in grouped.items():
        pooled = [pool(scores) for scores in seeds]
        for measure, name in _measures(dataset, several_annotators=bool((seeds[0]["annotator"] > 0).any())).items():
            score = float(np.mean([measures[name] for measures in pooled]))
            expected = published.get((method, measure), np.nan)
            lines.append(
                (dataset, method, measure, score, expected, score - expected, int(pooled[0]["images"]), len(seeds))
            )
    return pd.DataFrame(lines, columns=list(COLUMNS))


def markdown_table(table: pd.DataFrame, datasets: Mapping[str, str], methods: Mapping[str, str]) -> str:
    """Return the table pivoted for reading, as Markdown: first with relabelled predictions, then with raw labels.

    Parameters
    ----------
    table : DataFrame
        As `long_table` returns it.
    datasets, methods : mapping from id to label
        Columns and rows, in this order.
    """
    parts = []
    for raw, title in TITLES.items():
        headings, rows = _pivot(table, datasets, methods, raw, bold="**{}**")
        lines = [[cell.replace("|", "&#124;") for cell in row] for row in (["Method", *headings], *rows)]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        padded = [
            [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
            for row in lines
        ]
        rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
        grid = "\n".join(f"| {' | '.join(row)} |" for row in (padded[0], rule, *padded[1:]))
        parts.append(f"## {title}\n\n{grid}\n")
    return "\n".join([*parts, f"{_note(table, datasets)}\n"])


def latex_table(table: pd.DataFrame, datasets: Mapping[str, str], methods: Mapping[str, str]) -> str:
    """Return the table pivoted for reading, as LaTeX with booktabs rules; see `markdown_table`."""
    parts = []
    for raw, title in TITLES.items():
        headings, rows = _pivot(table, datasets, methods, raw, bold="\\textbf{{{}}}", escape=_escape_latex)
        lines = [" & ".join(row) + r" \\" for row in [["Method", *map(_escape_latex, headings)], *rows]]
        columns = "l" + "r" * len(headings)
        body = "\n".join([rf"\begin{{tabular}}{{{columns}}}", r"\toprule", lines[0], r"\midrule", *lines[1:]])
        parts.append(f"% {title}\n{body}\n\\bottomrule\n\\end{{tabular}}\n")
    return "\n".join([*parts, f"% {_note(table, datasets)}\n"])


def read_published(texts: Sequence[str]) -> dict[tuple[str, str], float]:
    """Read texts METHOD:MEASURE=VALUE into a mapping from (method, measure) to value.

    Raises
    ------
    UserError
        If a text has another form.
    """
    published = {}
    for text in texts:
        match = re.fullmatch(r"([^:=]+):([^:=]+)=([0-9.eE+-]+)", text)
        if not match:
            raise UserError(f"{text!r} isn't a published score: write it as METHOD:MEASURE=VALUE")
        published[match[1], match[2]] = float(match[3])
    return published


def _measures(dataset: str, several_annotators: bool) -> dict[str, str]:
    """Return the measures of a dataset, and the names that `pool` gives them."""
    if not several_annotators:
        return {dataset: "all", f"{dataset}_raw": "raw_all"}
    names = {f"{dataset}_{name}": name for name in ANNOTATORS}
    return names | {f"{measure}_raw": f"raw_{name}" for measure, name in names.items()}


def _pivot(
    table: pd.DataFrame,
    datasets: Mapping[str, str],
    methods: Mapping[str, str],
    raw: bool,
    bold: str,
    escape: Callable[[str], str] = str,
) -> tuple[list[str], list[list[str]]]:
    """Return the headings of the measures' columns, and rows of a label and cells."""
    headings: dict[str, str] = {}
    for dataset, label in datasets.items():
        several = (table["measure"] == f"{dataset}_mean").any()
        suffix = "_raw" if raw else ""
        names = {f"{dataset}_{name}{suffix}": f"{label} {name.capitalize()}" for name in ANNOTATORS}
        headings |= names if several else {f"{dataset}{suffix}": label}
    by_cell = {(line["method"], line["measure"]): line for line in table.to_dict("records")}
    best = table.groupby("measure")["score"].max()
    rows = []
    for method, label in methods.items():
        cells = []
        for measure in headings:
            line = by_cell.get((method, measure))
            if line is None:
                cells.append("–")
                continue
            is_best = _three_decimals(line["score"]) == _three_decimals(best[measure])
            score = bold.format(_three_decimals(line["score"])) if is_best else _three_decimals(line["score"])
            known = f" ({_three_decimals(line['published'])}, {line['difference']:+.3f})"
            cells.append(score if np.isnan(line["published"]) else score + known)
        rows.append([escape(label), *cells])
    return list(headings.values()), rows


def _note(table: pd.DataFrame, datasets: Mapping[str, str]) -> str:
    """Return what a reader must know of the table: the protocol, how many images, how many seeds."""
    parts = []
    for dataset, label in datasets.items():
        lines = table[table["dataset"] == dataset]
        if len(lines):
            images, seeds = int(lines["images"].iloc[0]), int(lines["seeds"].max())
            parts.append(f"{label}: {images} image{'s' * (images != 1)}, {seeds} seed{'s' * (seeds != 1)}.")
    return (
        "Mean IoU: the largest IoU of every annotated segment, pooled over all images; in parentheses the published "
        f"score and the difference from it; the best in bold. {' '.join(parts)}"
    )


def _three_decimals(score: float) -> str:
    return f"{score:.3f}"


def _escape_latex(text: str) -> str:
    special = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    return "".join(special.get(letter, f"\\{letter}" if letter in "&%$#_{}" else letter) for letter in text)
