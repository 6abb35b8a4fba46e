"""Scores against μ for each weighting scheme: how much the result depends on tuning."""

from collections.abc import Mapping, Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from dynseg.figures.style import LINE_COLOURS, MARKERS, ONE_COLUMN, PLAIN_NUMBERS, figure_style, new_figure, printable
from dynseg.scoring.bootstrap import bootstrap_intervals
from dynseg.training.weighting import SCHEMES

_TICKS = [base * 10**power for power in range(-4, 7) for base in (1, 2, 5)]


def sensitivity_table(runs: Mapping[tuple[str, float], Sequence[pd.DataFrame]], measure: str = "mean") -> pd.DataFrame:
    """Score every scheme at every μ.

    Parameters
    ----------
    runs : mapping from (scheme, μ) to score tables
        One score table a seed.
    measure : str
        Name in `dynseg.scoring.measures.BY_NAME`.

    Returns
    -------
    DataFrame
        Columns scheme, mu, score, low, high (95 % bootstrap interval), sorted by scheme and μ in order.
    """
    rows = []
    for (scheme, mu), seeds in runs.items():
        line = bootstrap_intervals(seeds).loc[measure]
        rows.append({"scheme": scheme, "mu": mu, **line[["score", "low", "high"]].astype(float)})
    table = pd.DataFrame(rows, columns=["scheme", "mu", "score", "low", "high"])
    return table.sort_values(["scheme", "mu"], ignore_index=True)


def draw_sensitivity(tables: Mapping[str, pd.DataFrame]) -> Figure:
    """Draw one line a scheme over a logarithmic μ, with its bootstrap band: an axis a measure, one below the other.

    Parameters
    ----------
    tables : mapping from str to DataFrame
        By the label of a measure, as `sensitivity_table` returns them.

    Returns
    -------
    Figure
        One column wide; the points are marked, since only they were measured.
    """
    with figure_style():
        figure = new_figure(ONE_COLUMN, 2.4 * len(tables), layout="constrained")
        # A measure of errors may lie anywhere: each has an axis of scores of its own.
        every = figure.subplots(len(tables), sharex=True, squeeze=False)[:, 0]
        for axes, (label, table) in zip(every, tables.items(), strict=True):
            _draw_lines(axes, table)
            axes.set_ylabel(printable(label))
        every[0].legend(loc="best", handlelength=2.2)
        every[-1].set_xlabel("μ")
    return figure


def _draw_lines(axes: Axes, table: pd.DataFrame) -> None:
    """Draw a measure's lines and bands."""
    for (scheme, points), colour, marker in zip(
        table.groupby("scheme", sort=False), LINE_COLOURS, MARKERS, strict=False
    ):
        label = SCHEMES[str(scheme)].label if scheme in SCHEMES else printable(str(scheme))
        axes.fill_between(points["mu"], points["low"], points["high"], color=colour, alpha=0.16, linewidth=0)
        if len(points) == 1:
            # A band of no width would not be seen.
            axes.vlines(points["mu"], points["low"], points["high"], color=colour, linewidth=0.8)
        axes.plot(points["mu"], points["score"], color=colour, marker=marker, markersize=3.5, label=label)
    axes.set_xscale("log")
    low, high = table["mu"].min(), table["mu"].max()
    axes.xaxis.set_major_locator(FixedLocator([tick for tick in _TICKS if low / 1.5 <= tick <= high * 1.5]))
    axes.xaxis.set_major_formatter(PLAIN_NUMBERS)
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlim(low / 1.25, high * 1.25)
    axes.grid(axis="y", color="0.9", linewidth=0.5)
    axes.set_axisbelow(True)
