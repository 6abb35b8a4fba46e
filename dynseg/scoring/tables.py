"""The table of scores: rows = methods, columns = measures of the datasets, beside what was published."""

import itertools
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from dynseg.errors import UserError
from dynseg.scoring.bootstrap import bootstrap_intervals, paired_differences, spread_over_seeds

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

# Which annotations of a dataset with several annotators count, by the names that `pool` gives the measures.
ANNOTATORS = {"all": "All", "fine": "Fine", "coarse": "Coarse", "mean": "Mean"}
REGIONS = {"covering": "covering", "pri": "PRI", "voi": "VoI"}

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
        deviations = spread_over_seeds(seeds)["standard_deviation"].to_dict()
        images = seeds[0]["image"].nunique()
        for measure, name in _measures(dataset, _several_annotators(seeds)).items():
            score, low, high = (intervals[name][column] for column in ("score", "low", "high"))
            expected = published.get((method, measure), np.nan)
            spread = (deviations[name], low, high)
            lines.append((dataset, method, measure, score, expected, score - expected, images, len(seeds), *spread))
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
            for measure, name in _measures(dataset, _several_annotators(seeds)).items():
                lines.append((dataset, measure, method, other, *differences.loc[name]))
    names = ["difference", "interval_low", "interval_high", "distinguishable"]
    return pd.DataFrame(lines, columns=["dataset", "measure", "method", "other", *names])


@dataclass(frozen=True)
class Reading:
    """What a pivoted table shows.

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


def markdown_table(reading: Reading) -> str:
    """Return the table pivoted for reading, as Markdown: relabelled predictions, raw labels, region measures."""
    parts = []
    for title, section in _sections(reading).items():
        lines = _pivot(reading, section, bold="**{}**", escape=lambda text: text.replace("|", "&#124;"))
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        padded = [
            [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
            for row in lines
        ]
        rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
        grid = "\n".join(f"| {' | '.join(row)} |" for row in (padded[0], rule, *padded[1:]))
        parts.append(f"## {title}\n\n{grid}\n")
    return "\n".join([*parts, f"{_note(reading)}\n"])


def latex_table(reading: Reading) -> str:
    """Return the table pivoted for reading, as LaTeX with booktabs rules; see `markdown_table`."""
    parts = []
    for title, section in _sections(reading).items():
        rows = _pivot(reading, section, bold="\\textbf{{{}}}", escape=_escape_latex)
        lines = [" & ".join(row) + r" \\" for row in rows]
        columns = "l" + "r" * len(section.measures)
        body = "\n".join([rf"\begin{{tabular}}{{{columns}}}", r"\toprule", lines[0], r"\midrule", *lines[1:]])
        parts.append(f"% {title}\n{body}\n\\bottomrule\n\\end{{tabular}}\n")
    text = "\n".join([*parts, f"% {_note(reading)}\n"])
    return "".join(_LATEX.get(letter, letter) for letter in text)


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


def _several_annotators(seeds: Sequence[pd.DataFrame]) -> bool:
    return bool((seeds[0]["annotator"] > 0).any())


def _measures(dataset: str, several_annotators: bool) -> dict[str, str]:
    """Return the measures of a dataset, and the names that `pool` gives them."""
    names = {f"{dataset}_{name}": name for name in ANNOTATORS} if several_annotators else {dataset: "all"}
    names |= {f"{dataset}_{name}": name for name in REGIONS}
    return names | {f"{measure}_raw": f"raw_{name}" for measure, name in names.items()}


class _Section(NamedTuple):
    """A part of a pivoted table: the headings of its measures' columns, and whether its cells are intervals."""

    measures: dict[str, str]
    intervals: bool = False


def _sections(reading: Reading) -> dict[str, _Section]:
    """Return the parts of a pivoted table by title."""
    known = set(reading.table["measure"])
    overlap: dict[str, str] = {}
    regions: dict[str, str] = {}
    for dataset, label in reading.datasets.items():
        overlap |= {dataset: label} | {f"{dataset}_{name}": f"{label} {text}" for name, text in ANNOTATORS.items()}
        regions |= {f"{dataset}_{name}": f"{label} {text}" for name, text in REGIONS.items()}
    raw = {f"{measure}_raw": heading for measure, heading in overlap.items()}
    sections = {
        "Mean IoU, predictions relabelled by connected components": _Section(overlap),
        "95 % intervals of these": _Section(overlap, intervals=True),
        "Mean IoU, raw labels": _Section(raw),
        "Region measures, predictions relabelled by connected components": _Section(regions),
    }
    return {
        title: section._replace(measures={name: text for name, text in section.measures.items() if name in known})
        for title, section in sections.items()
    }


def _pivot(reading: Reading, section: _Section, bold: str, escape: Callable[[str], str]) -> list[list[str]]:
    """Return a line of headings, and a line of label and cells for each method."""
    measures = section.measures
    lines = {(line["method"], line["measure"]): line for line in reading.table.to_dict("records")}
    best = {measure: _best_method(reading.table, measure) for measure in measures}
    alike = {
        (line["measure"], *pair)
        for line in reading.differences.to_dict("records")
        if not line["distinguishable"]
        for pair in ((line["method"], line["other"]), (line["other"], line["method"]))
    }
    rows = [["Method", *map(escape, measures.values())]]
    for method, label in reading.methods.items():
        cells = []
        for measure in measures:
            line = lines.get((method, measure))
            if line is None:
                cells.append("–")
            elif section.intervals:
                cells.append(f"{_three_decimals(line['interval_low'])}–{_three_decimals(line['interval_high'])}")
            else:
                mark = " ≈" if (measure, method, best[measure]) in alike else ""
                cells.append(_cell(line, method == best[measure], bold) + mark)
        rows.append([escape(label), *cells])
    return rows


def _best_method(table: pd.DataFrame, measure: str) -> str:
    lines = table[table["measure"] == measure].set_index("method")["score"]
    # Where no pixel is scored, none is the best.
    lines = lines.dropna()
    if lines.empty:
        return ""
    return str(lines.idxmin() if measure.endswith("_voi") else lines.idxmax())


def _cell(line: Mapping[Any, Any], is_best: bool, bold: str) -> str:
    text = _three_decimals(line["score"])
    if not np.isnan(line["standard_deviation"]):
        text += f" ± {_three_decimals(line['standard_deviation'])}"
    text = bold.format(text) if is_best else text
    if not np.isnan(line["published"]):
        text += f" ({_three_decimals(line['published'])}, {_signed(line['difference'])})"
    return text


def _note(reading: Reading) -> str:
    """Return what a reader must know of the table: the protocol, how many images, how many seeds."""
    parts = []
    for dataset, label in reading.datasets.items():
        lines = reading.table[reading.table["dataset"] == dataset]
        if len(lines):
            images, seeds = int(lines["images"].iloc[0]), int(lines["seeds"].max())
            parts.append(f"{label}: {images} image{'s' * (images != 1)}, {seeds} seed{'s' * (seeds != 1)}.")
    return (
        "Mean IoU: the largest IoU of every annotated segment, pooled over all images. In parentheses the published "
        "score and the difference from it; after ± the standard deviation over seeds. The best of a column is bold, "
        "and ≈ marks what a paired bootstrap over images doesn't tell from it. Intervals are of a bootstrap over "
        f"images. {' '.join(parts)}"
    )


def _three_decimals(score: float) -> str:
    return "–" if np.isnan(score) else f"{score:.3f}"


def _signed(difference: float) -> str:
    text = f"{difference:+.3f}"
    return text if float(text) else "0.000"


# What pdfLaTeX has no letter for, of what tables and the labels of the repository's configurations hold.
_LATEX = {"≈": r"$\approx$", "±": r"$\pm$", "–": "--", "′": "$'$", "μ": r"$\mu$", "σ": r"$\sigma$", "τ": r"$\tau$"}


def _escape_latex(text: str) -> str:
    special = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    return "".join(special.get(letter, f"\\{letter}" if letter in "&%$#_{}" else letter) for letter in text)
