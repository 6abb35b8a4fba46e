"""The scores of a grid of parameters as curves."""

import pandas as pd
from matplotlib.figure import Figure

from dynseg.figures.style import ONE_COLUMN


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
        With the 95 % interval as a band, and a ring around the chosen point.
    """
    axis = max(parameters, key=lambda name: table[name].nunique())
    others = [name for name in parameters if name != axis]
    figure = Figure(figsize=(ONE_COLUMN, 0.75 * ONE_COLUMN), layout="constrained")
    axes = figure.subplots()
    for values, curve in table.groupby(others, sort=True) if others else [((), table)]:
        curve = curve.sort_values(axis)
        label = ", ".join(f"{name} = {value:g}" for name, value in zip(others, values, strict=True))
        (line,) = axes.plot(curve[axis], curve[measure], marker=".", label=label or None)
        axes.fill_between(
            curve[axis], curve["interval_low"], curve["interval_high"], color=line.get_color(), alpha=0.15, linewidth=0
        )
    chosen = table[table["chosen"]]
    axes.plot(chosen[axis], chosen[measure], "o", markersize=10, fillstyle="none", color="black")
    if table[axis].max() > 20 * table[axis].min() > 0:
        axes.set_xscale("log")
    axes.set_xlabel(axis.replace("_", " "))
    axes.set_ylabel(f"mIOU ({measure})" if measure in ("all", "fine", "coarse", "mean") else measure)
    if others:
        axes.legend(fontsize="small")
    return figure
