"""The table of scores: rows = methods, columns = measures of the datasets, beside what was published."""

import csv
import io
import itertools
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from dynseg.errors import UserError
from dynseg.scoring.bootstrap import (
    FEWEST_IMAGES,
    TOO_FEW_IMAGES,
    bootstrap_intervals,
    deviations_over_seeds,
    paired_differences,
)
from dynseg.scoring.measures import BY_NAME, RAW, SCALES, Measure, table_measures
from dynseg.scoring.scales import ScaleTables

COLUMNS = (
    "dataset",
    "method",
    "measure",
    "score",
    "published",
    "difference",
    "images",
    "seeds",
    "standard_deviation",
    "interval_low",
    "interval_high",
)

# What a reader must know of the table over scales.
SCALE_NOTE = (
    "Over scales: ODS is the one scale that is best for all images and OIS the best one of each image, both chosen by "
    "the annotations for each measure by itself, so that they are bounds and no results of a setting; Best takes the "
    "best segment of any scale. Hierarchies are cut at 99 thresholds, 33 of them for F and AP. There are no intervals. "
)

# Parts of a cell, and what they are called in a CSV after their column.
_CSV_PARTS = {
    "score": "",
    "deviation": " deviation over seeds",
    "low": " 95 % from",
    "high": " 95 % to",
    "published": " published",
    "difference": " difference",
}

Runs = Mapping[tuple[str, str], Sequence[pd.DataFrame]]


def long_table(runs: Runs, published: Mapping[tuple[str, str], float]) -> pd.DataFrame:
    """Return the table with one line for each dataset, method and measure.

    A dataset with several annotators has the measures `{dataset}_all`, `_fine`, `_coarse` and `_mean`, one with a
    single annotator has `{dataset}`: the mean IoU of section IV.A of the paper. `{dataset}_covering`, `_pri` and
    `_voi` are the region measures of Arbeláez et al. 2011. The same names with `_raw` are of predictions that aren't
    relabelled by connected components.

    Parameters
    ----------
    runs : mapping from (dataset, method) to sequence of DataFrame
        Score tables as `dynseg.scoring.scores.score_run` makes them, one a seed. The table has their order.
    published : mapping from (method, measure) to float
        Scores to compare with.

    Returns
    -------
    DataFrame
        With the columns `COLUMNS`. `score` is the mean over seeds, `standard_deviation` that of the seeds (NaN for a
        single one); `interval_low` and `interval_high` bound the 95 % interval of a bootstrap over images;
        `published` and `difference` are NaN where nothing was published.

    Raises
    ------
    UserError
        If the seeds of a method aren't of the same images.
    """
    lines = []
    for (dataset, method), seeds in runs.items():
        intervals = bootstrap_intervals(seeds).to_dict("index")
        deviations = deviations_over_seeds(seeds)
        images = seeds[0]["image"].nunique()
        for measure, name in _scored_measures(dataset, seeds).items():
            score, low, high = (intervals[name][column] for column in ("score", "low", "high"))
            expected = published.get((method, measure), np.nan)
            spread = (deviations[name], low, high)
            lines.append((dataset, method, measure, score, expected, score - expected, images, len(seeds), *spread))
    return pd.DataFrame(lines, columns=list(COLUMNS))


def scale_table(runs: Mapping[tuple[str, str], Sequence[ScaleTables]]) -> pd.DataFrame:
    """Return the scores over scales with one line for each dataset, method, measure and kind of scale.

    The measures are mean IoU (`{dataset}_mean`, or `{dataset}` with a single annotator), covering, PRI, VoI and the
    F-measure of boundaries, with `_ods`, `_ois`, `_best` or `_ap` at the end. They have no intervals.

    Parameters
    ----------
    runs : mapping from (dataset, method) to sequence of ScaleTables
        One a seed. Runs without scales have no lines.

    Returns
    -------
    DataFrame
        With the columns of `long_table`, NaN for what isn't known.
    """
    lines: list[dict[str, Any]] = []
    for (dataset, method), every_seed in runs.items():
        seeds = [tables for tables in every_seed if tables.tables]
        if not seeds:
            continue
        pooled = [tables.pooled() for tables in seeds]
        first = next(iter(seeds[0].tables.values()))
        several_annotators = bool((first["annotator"] > 0).any())
        for column in _scale_columns(dataset):
            if column.measure.is_miou and column.of_single_annotator == several_annotators:
                continue
            scores = [of_seed[column.measure.name].get(column.scale, np.nan) for of_seed in pooled]
            if not np.isnan(scores).all():
                spread = float(np.std(scores, ddof=1)) if len(scores) > 1 else np.nan
                lines.append(
                    {
                        "dataset": dataset,
                        "method": method,
                        "measure": column.name,
                        "score": float(np.mean(scores)),
                        "images": first["image"].nunique(),
                        "seeds": len(seeds),
                        "standard_deviation": spread,
                    }
                )
    return pd.DataFrame(lines, columns=list(COLUMNS))


def difference_table(runs: Runs) -> pd.DataFrame:
    """Return the differences between every two methods on every dataset, with paired bootstrap intervals.

    Parameters
    ----------
    runs : mapping from (dataset, method) to sequence of DataFrame
        As for `long_table`.

    Returns
    -------
    DataFrame
        `dataset, measure, method, other, difference` (method less other), `interval_low, interval_high` (95 %) and
        `distinguishable` (from zero).

    Raises
    ------
    UserError
        If two methods aren't scored on the same images.
    """
    lines = []
    for (dataset, method), (other_dataset, other) in itertools.combinations(runs, 2):
        if dataset == other_dataset:
            seeds = runs[dataset, method]
            differences = paired_differences(seeds, runs[dataset, other])
            for measure, name in _scored_measures(dataset, seeds).items():
                lines.append((dataset, measure, method, other, *differences.loc[name]))
    names = ["difference", "interval_low", "interval_high", "distinguishable"]
    return pd.DataFrame(lines, columns=["dataset", "measure", "method", "other", *names])


@dataclass(frozen=True)
class ResultsTable:
    """The scores of all methods, with the labels and the order in which they are shown.

    Attributes
    ----------
    table, differences : DataFrame
        As `long_table` and `difference_table` return them.
    datasets, methods : mapping from id to label
        Columns and rows, in this order.
    """

    table: pd.DataFrame
    differences: pd.DataFrame
    datasets: Mapping[str, str]
    methods: Mapping[str, str]


@dataclass(frozen=True)
class Column:
    """A measure of a dataset, as a column of a pivoted table.

    Attributes
    ----------
    dataset : str
        Id of the dataset.
    name : str
        Name of the measure in the table.
    measure : Measure
    scale : str
        Key of `dynseg.scoring.measures.SCALES`; empty for the method's own setting.
    """

    dataset: str
    name: str
    measure: Measure
    scale: str = ""

    @property
    def of_single_annotator(self) -> bool:
        """Whether it is the mean IoU of a dataset with a single annotator, which has no selections to name."""
        return self.name.removesuffix(RAW).removesuffix(f"_{self.scale}") == self.dataset

    @property
    def heading(self) -> str:
        """What it is called after its dataset; nothing for the mean IoU of a single annotator."""
        label = self.measure.label
        if self.of_single_annotator:
            label = "mIOU" if self.scale else ""
        return f"{label} {SCALES[self.scale]}" if self.scale else label


@dataclass(frozen=True)
class Cell:
    """A score in a pivoted table; None for what there isn't.

    Attributes
    ----------
    score : float or None
        None where no pixel is scored.
    deviation : float or None
        Standard deviation over seeds.
    low, high : float or None
        The 95 % interval; None for fewer than `dynseg.scoring.bootstrap.FEWEST_IMAGES` images.
    published, difference : float or None
        The published score, and the difference from it.
    best : bool
        Whether no score of the column is better.
    alike : bool
        Whether it isn't distinguishable from the best one; of too few images nothing is said.
    """

    score: float | None
    deviation: float | None
    low: float | None
    high: float | None
    published: float | None
    difference: float | None
    best: bool
    alike: bool


def columns_of(results: ResultsTable, wanted: Callable[[Measure], bool]) -> list[Column]:
    """Return the columns of a pivoted table: the measures that are wanted of every dataset, as far as there are any."""
    known = set(zip(results.table["dataset"], results.table["measure"], strict=True))
    return [
        Column(dataset, name, measure)
        for dataset in results.datasets
        for name, measure in table_measures(dataset).items()
        if wanted(measure) and (dataset, name) in known
    ]


def scale_columns_of(results: ResultsTable) -> list[Column]:
    """Return the columns of the table over scales: see `scale_table`; none if no method has scales."""
    known = set(zip(results.table["dataset"], results.table["measure"], strict=True))
    return [
        column for dataset in results.datasets for column in _scale_columns(dataset) if (dataset, column.name) in known
    ]


def pivot(results: ResultsTable, columns: Sequence[Column]) -> dict[str, list[Cell | None]]:
    """Return the cells of a table with a row for each method: by the method's id, None where it has no score."""
    places = [(column.dataset, column.name) for column in columns]
    lines = {(line["dataset"], line["measure"], line["method"]): line for line in results.table.to_dict("records")}
    best = {(column.dataset, column.name): _best_method(results.table, column) for column in columns}
    alike = {
        (line["dataset"], line["measure"], *pair)
        for line in results.differences.to_dict("records")
        if not line["distinguishable"]
        for pair in ((line["method"], line["other"]), (line["other"], line["method"]))
    }

    def cell(place: tuple[str, str], method: str) -> Cell | None:
        line = lines.get((*place, method))
        if line is None:
            return None
        is_enough = line["images"] >= FEWEST_IMAGES
        return Cell(
            _number(line["score"]),
            _number(line.get("standard_deviation")),
            _number(line.get("interval_low")) if is_enough else None,
            _number(line.get("interval_high")) if is_enough else None,
            _number(line.get("published")),
            _number(line.get("difference")),
            best=method == best[place],
            alike=is_enough and (*place, method, best[place]) in alike,
        )

    # A method that isn't named, as one that was only published, follows under its own name.
    methods = dict.fromkeys([*results.methods, *results.table["method"]])
    return {method: [cell(place, method) for place in places] for method in methods}


def markdown_table(results: ResultsTable) -> str:
    """Return the table pivoted for reading, as Markdown: relabelled predictions, raw labels, region measures."""
    parts = []
    for title, section in _sections(results).items():
        headings, rows = _texts(results, section, bold="**{}**", escape=lambda text: text.replace("|", "&#124;"))
        lines = [headings, *rows.values()]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        padded = [
            [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
            for row in lines
        ]
        rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
        grid = "\n".join(f"| {' | '.join(row)} |" for row in (padded[0], rule, *padded[1:]))
        parts.append(f"## {title}\n\n{grid}\n")
    return "\n".join([*parts, f"{_note(results)}\n"])


def latex_table(results: ResultsTable) -> str:
    """Return the table pivoted for reading, as LaTeX with booktabs rules; see `markdown_table`."""
    parts = [_latex_text(results, title, section).whole for title, section in _sections(results).items()]
    return "\n".join([*parts, _without_letters(f"% {_note(results)}\n")])


@dataclass(frozen=True)
class TableText:
    """A table as the text of a file, whose rows may be put into another order.

    Attributes
    ----------
    head, foot : str
        What comes before and after the rows.
    rows : dict of str to str
        The line of each method, by its id.
    """

    head: str
    rows: dict[str, str]
    foot: str = ""

    @property
    def whole(self) -> str:
        """The text with its rows in the order of the methods."""
        return "".join([self.head, *self.rows.values(), self.foot])


def latex_texts(results: ResultsTable, columns: Sequence[Column], title: str) -> list[TableText]:
    """Return some columns of all methods as LaTeX: their scores, and their intervals where there are any."""
    scores = _latex_text(results, title, _Section(list(columns)))
    noted = replace(scores, head=_without_letters(f"% {_note(results)}\n") + scores.head)
    if all(cell is None or cell.low is None for row in pivot(results, columns).values() for cell in row):
        return [noted]
    return [noted, _latex_text(results, f"{title}: 95 % intervals", _Section(list(columns), intervals=True))]


def csv_text(results: ResultsTable, columns: Sequence[Column]) -> TableText:
    """Return some columns of all methods as CSV, with three decimals.

    Deviation, bounds of the interval, published score and difference have columns of their own, after the score's,
    where a method has them.
    """
    cells = pivot(results, columns)
    shown = [
        (number, part)
        for number in range(len(columns))
        for part in _CSV_PARTS
        if part == "score" or any(_csv_number(cells[method][number], part) for method in results.methods)
    ]
    headings = [f"{_full_heading(results, columns[number])}{_CSV_PARTS[part]}" for number, part in shown]
    rows = {
        method: [label, *(_csv_number(cells[method][number], part) for number, part in shown)]
        for method, label in results.methods.items()
    }
    return TableText(_csv_line(["Method", *headings]), {method: _csv_line(row) for method, row in rows.items()})


def three_decimals(score: float | None) -> str:
    """Return a score as text; a dash where there is none."""
    return "–" if score is None else f"{score:.3f}"


def signed(difference: float) -> str:
    """Return a difference of scores as text, with its sign unless it rounds to zero."""
    text = f"{difference:+.3f}"
    return text if float(text) else "0.000"


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
        try:
            published[match[1], match[2]] = float(match[3])
        except ValueError:
            raise UserError(f"{text!r} isn't a published score: {match[3]!r} is no number") from None
    return published


def _scored_measures(dataset: str, seeds: Sequence[pd.DataFrame]) -> dict[str, str]:
    """Return the measures that a dataset has by its number of annotators, and the names that `pool` gives them."""
    several_annotators = bool((seeds[0]["annotator"] > 0).any())
    columns = [Column(dataset, name, measure) for name, measure in table_measures(dataset).items()]
    return {
        column.name: column.measure.name
        for column in columns
        if not column.measure.is_miou or column.of_single_annotator != several_annotators
    }


def _scale_columns(dataset: str) -> list[Column]:
    """Return the columns over scales that a dataset may have: mean IoU for several annotators and for one, and more."""
    mean, alone = BY_NAME["mean"], BY_NAME["all"]
    regions = [measure for measure in BY_NAME.values() if not measure.is_miou and not measure.raw]
    named = [(f"{dataset}_{measure.name}", measure) for measure in (mean, *regions)]
    return [
        Column(dataset, f"{name}_{scale}", measure, scale)
        for name, measure in (named[0], (dataset, alone), *named[1:])
        for scale in measure.scales
        if scale != "best" or measure.of_best_ious
    ]


class _Section(NamedTuple):
    """A part of a table for reading: its columns, whether its cells are intervals, and whether it shows all methods."""

    columns: list[Column]
    intervals: bool = False
    all_methods: bool = True


def _sections(results: ResultsTable) -> dict[str, _Section]:
    """Return the parts of a table for reading, by title."""
    mious = columns_of(results, lambda measure: measure.is_miou and not measure.raw)
    over_scales = scale_columns_of(results)
    sections = {
        "Mean IoU, predictions relabelled by connected components": _Section(mious),
        "95 % intervals of these": _Section(mious, intervals=True),
        "Mean IoU, raw labels": _Section(columns_of(results, lambda measure: measure.is_miou and measure.raw)),
        "Region measures, predictions relabelled by connected components": _Section(
            columns_of(results, lambda measure: not measure.is_miou and not measure.raw)
        ),
    }
    if over_scales:
        sections["Over scales: ODS, OIS, Best"] = _Section(over_scales, all_methods=False)
    return sections


def _texts(
    results: ResultsTable, section: _Section, bold: str, escape: Callable[[str], str]
) -> tuple[list[str], dict[str, list[str]]]:
    """Return the line of headings, and by method a line of its label and cells."""
    headings = [_full_heading(results, column) for column in section.columns]
    cells = pivot(results, section.columns)
    rows = {}
    for method, label in results.methods.items():
        if not section.all_methods and not any(cells[method]):
            continue
        texts = [_interval(cell) if section.intervals else _text(cell, bold) for cell in cells[method]]
        rows[method] = [escape(label), *texts]
    return ["Method", *map(escape, headings)], rows


def _full_heading(results: ResultsTable, column: Column) -> str:
    return results.datasets[column.dataset] + (column.heading and f" {column.heading}")


def _latex_text(results: ResultsTable, title: str, section: _Section) -> TableText:
    headings, cells = _texts(results, section, bold="\\textbf{{{}}}", escape=_escape_latex)
    lines = {method: _without_letters(" & ".join(row) + " \\\\\n") for method, row in cells.items()}
    head = [f"% {title}", rf"\begin{{tabular}}{{l{'r' * len(section.columns)}}}", r"\toprule"]
    head += [" & ".join(headings) + r" \\", r"\midrule", ""]
    return TableText(_without_letters("\n".join(head)), lines, "\\bottomrule\n\\end{tabular}\n")


def _csv_line(cells: Sequence[str]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(cells)
    return line.getvalue()


def _csv_number(cell: Cell | None, part: str) -> str:
    value = getattr(cell, part, None)
    return "" if value is None else f"{value:.3f}"


def _interval(cell: Cell | None) -> str:
    if cell is None or cell.low is None or cell.high is None:
        return "–"
    return f"{three_decimals(cell.low)}–{three_decimals(cell.high)}"


def _text(cell: Cell | None, bold: str) -> str:
    if cell is None:
        return "–"
    text = three_decimals(cell.score)
    if cell.deviation is not None:
        text += f" ± {three_decimals(cell.deviation)}"
    text = bold.format(text) if cell.best else text
    if cell.published is not None and cell.difference is not None:
        text += f" ({three_decimals(cell.published)}, {signed(cell.difference)})"
    return f"{text} ≈" if cell.alike else text


def _best_method(table: pd.DataFrame, column: Column) -> Any:
    lines = table[(table["dataset"] == column.dataset) & (table["measure"] == column.name)]
    return column.measure.best_of(lines.set_index("method")["score"])


def _number(value: Any) -> float | None:
    return None if value is None or pd.isna(value) else float(value)


def _note(results: ResultsTable) -> str:
    """Return what a reader must know of the table: the protocol, how many images, how many seeds."""
    parts = []
    for dataset, label in results.datasets.items():
        lines = results.table[results.table["dataset"] == dataset]
        if len(lines):
            images, seeds = int(lines["images"].iloc[0]), int(lines["seeds"].max())
            few = f", {TOO_FEW_IMAGES}" if images < FEWEST_IMAGES else ""
            parts.append(f"{label}: {images} image{'s' * (images != 1)}{few}, {seeds} seed{'s' * (seeds != 1)}.")
    return (
        "Mean IoU: the largest IoU of every annotated segment, pooled over all images. In parentheses the published "
        "score and the difference from it; after ± the standard deviation over seeds. The best of a column is bold, "
        "and ≈ marks what a paired bootstrap over images doesn't tell from it. Intervals are of a bootstrap over "
        f"images. {SCALE_NOTE if scale_columns_of(results) else ''}{' '.join(parts)}"
    )


# What pdfLaTeX has no letter for, of what tables and the labels of the repository's configurations hold.
_LATEX = {"≈": r"$\approx$", "±": r"$\pm$", "–": "--", "′": "$'$", "μ": r"$\mu$", "σ": r"$\sigma$", "τ": r"$\tau$"}


def _without_letters(text: str) -> str:
    """Return LaTeX without the letters that pdfLaTeX lacks."""
    return "".join(_LATEX.get(letter, letter) for letter in text)


def _escape_latex(text: str) -> str:
    special = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    return "".join(special.get(letter, f"\\{letter}" if letter in "&%$#_{}" else letter) for letter in text)
