"""The scores of a grid of parameters as curves."""

from itertools import cycle

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullFormatter

from dynseg.figures.style import LINE_COLOURS, MARKERS, ONE_COLUMN, PLAIN_NUMBERS, figure_style, new_figure, printable
from dynseg.scoring.measures import BY_NAME


def draw_grid(table: pd.DataFrame, parameters: list[str], measure: str) -> Figure:
    """Draw a measure against the parameter with the most values, one curve for each combination of the others.

    Parameters
    ----------
    table : DataFrame
        As `dynseg.scoring.tuning.grid_table` returns it.
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
        figure = new_figure(ONE_COLUMN, 2.6, layout="constrained")
        axes = figure.add_subplot()
        styles = zip(cycle(LINE_COLOURS), cycle(MARKERS), strict=False)
        curves = table.groupby(others, sort=True) if others else [((), table)]
        for (values, curve), (colour, marker) in zip(curves, styles, strict=False):
            curve = curve.sort_values(axis)
            label = ", ".join(f"{value:g}" for value in values)
            axes.plot(curve[axis], curve[measure], color=colour, marker=marker, markersize=3, label=label or None)
            if curve["chosen"].any():
                band = (curve["interval_low"], curve["interval_high"])
                axes.fill_between(curve[axis], *band, color=colour, alpha=0.16, linewidth=0)
        axes.plot(chosen[axis], chosen[measure], "o", markersize=9, fillstyle="none", color="black", linewidth=0.8)
        swept = [float(value) for value in sorted(table[axis].unique())]
        if swept[-1] > 5 * swept[0] > 0:
            axes.set_xscale("log")
        labelled = _legible(swept, logarithmic=axes.get_xscale() == "log")
        axes.xaxis.set_major_locator(FixedLocator(labelled))
        axes.xaxis.set_major_formatter(PLAIN_NUMBERS)
        axes.xaxis.set_minor_locator(FixedLocator([value for value in swept if value not in labelled]))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_xlabel(f"{_name(axis)}\n({printable(chosen['chosen_on'])}, {chosen['images']} images)")
        is_miou = BY_NAME[measure].is_miou and not BY_NAME[measure].raw
        axes.set_ylabel(f"mIOU ({measure})" if is_miou else _name(measure))
        axes.grid(axis="y", color="0.9", linewidth=0.5)
        axes.set_axisbelow(True)
        if others:
            title = ", ".join(map(_name, others))
            figure.legend(loc="outside upper center", ncols=4, title=title, title_fontsize=6.5, columnspacing=1.2)
    return figure


def _legible(values: list[float], logarithmic: bool) -> list[float]:
    """Return those of some ascending values whose labels don't run into each other."""
    places = np.log(values) if logarithmic else np.asarray(values)
    spacing = 0.09 * (places[-1] - places[0])
    kept = [0]
    for number, place in enumerate(places):
        if place - places[kept[-1]] > spacing:
            kept.append(number)
    return [values[number] for number in kept]


def _name(parameter: str) -> str:
    return "μ" if parameter == "mu" else printable(parameter.replace("_", " "))
