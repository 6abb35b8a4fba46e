"""The scores of a grid of parameters as curves."""

from itertools import cycle

import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from dynseg.figures.style import LINE_COLOURS, MARKERS, ONE_COLUMN, figure_style, printable


def draw_grid(table: pd.DataFrame, parameters: list[str], measure: str) -> Figure:
    """Draw a measure against the parameter with the most values, one curve for each combination of the others.

    Parameters
    ----------
    table : DataFrame
        As `dynseg.tuning.grid_table` returns it.
    parameters : list of str
        Its parameters' columns.
    measure : str
        The measure that the point was chosen by.

    Returns
    -------
    Figure
        With a ring around the chosen point, and the 95 % interval as a band along its curve: several bands would hide
        each other.
    """
    axis = max(parameters, key=lambda name: table[name].nunique())
    others = [name for name in parameters if name != axis]
    chosen = table[table["chosen"]].iloc[0]
    with figure_style():
        figure = Figure(figsize=(ONE_COLUMN, 2.6), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.add_subplot()
        styles = zip(cycle(LINE_COLOURS), cycle(MARKERS), strict=False)
        curves = table.groupby(others, sort=True) if others else [((), table)]
        for (values, curve), (colour, marker) in zip(curves, styles, strict=False):
            curve = curve.sort_values(axis)
            label = ", ".join(f"{_name(name)} = {value:g}" for name, value in zip(others, values, strict=True))
            axes.plot(curve[axis], curve[measure], color=colour, marker=marker, markersize=3, label=label or None)
            if curve["chosen"].any():
                band = (curve["interval_low"], curve["interval_high"])
                axes.fill_between(curve[axis], *band, color=colour, alpha=0.16, linewidth=0)
        axes.plot(chosen[axis], chosen[measure], "o", markersize=9, fillstyle="none", color="black", linewidth=0.8)
        if table[axis].max() > 15 * table[axis].min() > 0:
            axes.set_xscale("log")
            axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_locator(FixedLocator(sorted(table[axis].unique())))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.set_xlabel(_name(axis))
        score = f"mIOU ({measure})" if measure in ("all", "fine", "coarse", "mean") else _name(measure)
        axes.set_ylabel(f"{score} on {printable(chosen['chosen_on'])}, {chosen['images']} images")
        axes.grid(axis="y", color="0.9", linewidth=0.5)
        axes.set_axisbelow(True)
        if others:
            figure.legend(loc="outside upper center", ncols=2)
    return figure


def _name(parameter: str) -> str:
    return "μ" if parameter == "mu" else printable(parameter.replace("_", " "))
