"""What happens during training: clusters, weight and losses against the iteration, and label maps on the way."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure, FigureBase
from matplotlib.ticker import LogLocator, NullLocator
from numpy.typing import NDArray

from dynseg.figures.palette import assign_colours, paint
from dynseg.figures.style import LINE_COLOURS, PLAIN_NUMBERS, TWO_COLUMNS, figure_style, new_figure, printable

# Quantity in the history, its axis label, and whether the axis is logarithmic.
CURVES = (
    ("label_count", "Clusters q′", True),
    ("weight", "Weight μ′", True),
    ("similarity_loss", "Similarity loss", False),
    ("continuity_loss", "Continuity loss", False),
)
_STYLES = ("-", "--", "-.", ":")


def draw_dynamics(
    histories: Mapping[str, Mapping[str, NDArray[Any]]],
    label_maps: Mapping[str, Sequence[tuple[int, NDArray[np.integer]]]] | None = None,
    width: float = TWO_COLUMNS,
) -> Figure:
    """Draw the history of several runs on one image.

    Parameters
    ----------
    histories : mapping from label to history
        Each with the arrays, (iterations,), that `dynseg.io.label_maps.read_history` gives.
    label_maps : mapping from label to sequence of (iteration, label map), optional
        Label maps, (H, W), drawn above in a row a run, the columns being iterations. A cluster keeps its colour in
        all of them.
    width : float
        Width in inches.

    Returns
    -------
    Figure
        q′, the weight, L_sim and L_con against the iteration.
    """
    label_maps = {label: maps for label, maps in (label_maps or {}).items() if maps}
    with figure_style():
        curves_height = 1.6
        maps_height = _maps_height(label_maps, width)
        figure = new_figure(width, curves_height + maps_height, layout="constrained")
        if label_maps:
            parts = figure.subfigures(2, 1, squeeze=False, height_ratios=[maps_height, curves_height])
            _draw_maps(parts[0, 0], label_maps)
            _draw_curves(parts[1, 0], histories)
        else:
            _draw_curves(figure, histories)
    return figure


def _draw_curves(figure: FigureBase, histories: Mapping[str, Mapping[str, NDArray[Any]]]) -> None:
    plots = figure.subplots(1, len(CURVES))
    for axes, (quantity, caption, logarithmic) in zip(plots, CURVES, strict=True):
        for number, (label, history) in enumerate(histories.items()):
            axes.plot(
                history["iteration"],
                history[quantity],
                color=LINE_COLOURS[number % len(LINE_COLOURS)],
                linestyle=_STYLES[number % len(_STYLES)],
                linewidth=1.0,
                label=printable(label),
            )
        if logarithmic:
            axes.set_yscale("log")
            axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axes.yaxis.set_major_formatter(PLAIN_NUMBERS)
            axes.yaxis.set_minor_locator(NullLocator())
        axes.set_ylabel(caption)
        axes.set_xlabel("Iteration")
        axes.grid(axis="y", color="0.92", linewidth=0.5)
    figure.legend(*plots[0].get_legend_handles_labels(), loc="outside lower center", ncols=len(histories))


def _maps_height(label_maps: Mapping[str, Sequence[tuple[int, NDArray[Any]]]], width: float) -> float:
    if not label_maps:
        return 0.0
    columns = max(map(len, label_maps.values()))
    shape: tuple[int, ...] = next(iter(label_maps.values()))[0][1].shape
    tile = min(0.9, (width - 0.8) / columns * shape[0] / shape[1])
    return len(label_maps) * (tile + 0.06) + 0.2


def _draw_maps(figure: FigureBase, label_maps: Mapping[str, Sequence[tuple[int, NDArray[np.integer]]]]) -> None:
    iterations = sorted({iteration for maps in label_maps.values() for iteration, _ in maps})
    grid = figure.subplots(len(label_maps), len(iterations), squeeze=False)
    # Late maps are the settled ones: they lend their colours to the earlier.
    painted: list[NDArray[np.uint8]] = []
    for row, (label, maps) in zip(grid, label_maps.items(), strict=True):
        by_iteration = dict(maps)
        for axes in row:
            axes.set_axis_off()
        for iteration in sorted(by_iteration, reverse=True):
            painted.append(assign_colours(by_iteration[iteration], painted))
            row[iterations.index(iteration)].imshow(paint(painted[-1]), interpolation="none")
        row[0].text(
            -0.06, 0.5, printable(label), transform=row[0].transAxes, ha="right", va="center", fontsize=7
        )  # fmt: skip
    for axes, iteration in zip(grid[0], iterations, strict=True):
        axes.set_title(f"Iteration {iteration}", fontsize=7, pad=3)
