"""The score of every image under one method against that under another."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from dynseg.figures.style import LINE_COLOURS, ONE_COLUMN, figure_style, new_figure, printable
from dynseg.scoring.pooling import image_sums

_LONGEST_NAME = 24
_LINE_SPACING = 0.036


def image_scores(scores: pd.DataFrame) -> pd.Series:
    """Return the score of each image: its best IoUs averaged over the segments of all its annotators.

    Parameters
    ----------
    scores : DataFrame
        Score table of a run.

    Returns
    -------
    Series
        Indexed by image id.
    """
    sums = image_sums(scores)
    return sums["all_best_iou_sum"] / sums["all_segments"]


def draw_scatter(first: pd.Series, second: pd.Series, labels: tuple[str, str], outliers: int = 8) -> Figure:
    """Draw one point an image, and name the images on which the methods differ most.

    Parameters
    ----------
    first, second : Series
        Scores in [0, 1], indexed by image id. Images that only one of them has are left out.
    labels : tuple of str
        Names of the two methods, `first` on the horizontal axis.
    outliers : int
        How many images are named.

    Returns
    -------
    Figure
        One column wide, square axes of equal scale.
    """
    pairs = pd.DataFrame({"x": first, "y": second}).dropna().sort_index()
    differences = (pairs["y"] - pairs["x"]).abs().sort_values(ascending=False, kind="stable")
    named = pairs.loc[differences.index[:outliers]]
    with figure_style():
        figure = new_figure(ONE_COLUMN, ONE_COLUMN, layout="constrained")
        axes = figure.add_subplot()
        low = max(0.0, float(pairs.min().min()) - 0.03) if len(pairs) else 0.0
        high = min(1.0, float(pairs.max().max()) + 0.03) if len(pairs) else 1.0
        axes.plot([low, high], [low, high], color="0.6", linewidth=0.7, zorder=1)
        axes.scatter(pairs["x"], pairs["y"], s=9, color=LINE_COLOURS[0], alpha=0.55, linewidths=0, zorder=2)
        axes.set_xlim(low, high)
        axes.set_ylim(low, high)
        axes.set_aspect("equal")
        axes.set_xlabel(f"Score of an image: {printable(labels[0])}")
        axes.set_ylabel(f"Score of an image: {printable(labels[1])}")
        _name_points(axes, named, low, high)
    return figure


def _name_points(axes: Axes, named: pd.DataFrame, low: float, high: float) -> None:
    """Write the names beside their points, away from the diagonal where there is room, and none upon another."""
    size = high - low
    named = named.sort_values(["y", "x"])
    heights = _apart(np.array(named["y"], dtype=float), _LINE_SPACING * size, high)
    for (image_id, x, y), height in zip(named.itertuples(), heights, strict=True):
        name = printable(str(image_id))
        name = name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"
        room = 0.02 + 0.018 * len(name)
        on_the_left = (y >= x and x - low > room * size) or high - x < room * size
        axes.annotate(
            name,
            xy=(x, y),
            xytext=(x + (-0.02 if on_the_left else 0.02) * size, height),
            ha="right" if on_the_left else "left",
            va="center_baseline",
            fontsize=5.5,
            arrowprops={"arrowstyle": "-", "color": "0.55", "linewidth": 0.4, "shrinkA": 0, "shrinkB": 1.5},
            zorder=4,
        )
        axes.plot([x], [y], marker="o", markersize=3.4, color=LINE_COLOURS[1], linestyle="none", zorder=3)


def _apart(heights: NDArray[np.float64], spacing: float, top: float) -> NDArray[np.float64]:
    """Move sorted heights up until they are `spacing` apart, and down again where they pass the top."""
    heights = heights.copy()
    for place in range(1, len(heights)):
        heights[place] = max(heights[place], heights[place - 1] + spacing)
    for place in range(len(heights) - 1, -1, -1):
        heights[place] = min(heights[place], top - spacing)
        top = heights[place]
    return heights
