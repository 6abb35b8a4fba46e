"""Panels of images and label maps: the paper's figures 2, 3 and 4."""

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextPath
from numpy.typing import NDArray
from PIL import Image

from dynseg.figures.palette import assign_colours, draw_boundaries, mean_colours, paint
from dynseg.figures.style import DOTS_PER_INCH, PAGE_HEIGHT, TWO_COLUMNS, figure_style, new_figure, printable, shrink

Colours = Literal["distinct", "mean", "boundaries"]

_GAP = 0.04
_FONT_SIZE = 7.0
_LINE_HEIGHT = 0.125


@dataclass(frozen=True)
class PanelImage:
    """One image of a panel.

    Attributes
    ----------
    photograph : ndarray, (H, W, 3) uint8
        The image itself.
    ground_truth : ndarray, (H, W), integer, or None
        One annotation; 0 is void.
    label_maps : sequence of ndarray, (H, W), integer, or None
        One label map a method, None where there is none.
    dataset : str
        Name of its dataset, which stands above its columns where a panel shows several.
    """

    photograph: NDArray[np.uint8]
    ground_truth: NDArray[np.integer] | None
    label_maps: Sequence[NDArray[np.integer] | None]
    dataset: str = ""


def draw_panel(
    images: Sequence[PanelImage],
    methods: Sequence[str],
    *,
    colours: Colours = "distinct",
    images_as: Literal["rows", "columns"] = "rows",
    width: float = TWO_COLUMNS,
) -> Figure:
    """Draw images beside their ground truth and their label maps.

    Parameters
    ----------
    images : sequence of PanelImage
        The images, in order. The ground truth is left out if none has one.
    methods : sequence of str
        Labels of the methods, in the order of `PanelImage.label_maps`.
    colours : {"distinct", "mean", "boundaries"}
        Distinct colours, the same for a cluster in all maps of an image (`palette.assign_colours`, beginning with
        the ground truth); the mean colour of the cluster's pixels; or the boundaries over the photograph.
    images_as : {"rows", "columns"}
        Whether an image is a row (the paper's figure 2) or a column (figures 3 and 4).
    width : float
        Largest width in inches; less where the panel would be higher than a page.

    Returns
    -------
    Figure
        No title; labels name the methods and, above columns of several, the datasets.
    """
    annotated = any(image.ground_truth is not None for image in images)
    labels = ["Image", *(["Ground truth"] if annotated else []), *map(printable, methods)]
    aspects = np.array([image.photograph.shape[1] / image.photograph.shape[0] for image in images])
    if images_as == "rows":
        boxes, size, captions = _images_as_rows(aspects, labels, width)
    else:
        boxes, size, captions = _images_as_columns(aspects, labels, [image.dataset for image in images], width)

    with figure_style():
        figure = new_figure(*size)
        for image, row in zip(images, boxes, strict=True):
            dots = (round(row[0][2] * DOTS_PER_INCH), round(row[0][3] * DOTS_PER_INCH))
            for tile, (left, bottom, tile_width, tile_height) in zip(
                _tiles(image, annotated, colours, dots), row, strict=True
            ):
                if tile is None:
                    continue
                place = (left / size[0], bottom / size[1], tile_width / size[0], tile_height / size[1])
                axes = figure.add_axes(place)
                axes.imshow(tile, interpolation="none", aspect="auto")
                axes.set_axis_off()
        for x, y, text, font_size, horizontal, vertical in captions:
            figure.text(x / size[0], y / size[1], text, fontsize=font_size, ha=horizontal, va=vertical)
    return figure


_Boxes = list[list[tuple[float, float, float, float]]]
_Captions = list[tuple[float, float, str, float, str, str]]


def _images_as_rows(
    aspects: NDArray[np.float64], labels: Sequence[str], width: float
) -> tuple[_Boxes, tuple[float, float], _Captions]:
    """Cells of equal width; among landscapes, a portrait is no higher than wide, so that it doesn't rule the page."""
    columns = len(labels)
    cell = (width - _GAP * (columns - 1)) / columns
    ratios = np.minimum(1 / aspects, max(1, (1 / aspects).min()))
    room = PAGE_HEIGHT - 3 * _LINE_HEIGHT - _GAP * len(aspects)
    cell = min(cell, room / ratios.sum())
    width = cell * columns + _GAP * (columns - 1)
    wrapped, font_size = _fit_words(labels, 0.96 * cell)
    head = _LINE_HEIGHT * max(text.count("\n") + 1 for text in wrapped) + 0.03

    height = head + ratios.sum() * cell + _GAP * (len(aspects) - 1)
    boxes, top = [], height - head
    for aspect, ratio in zip(aspects, ratios, strict=True):
        tile_height = cell * ratio
        tile_width = tile_height * aspect
        indent = (cell - tile_width) / 2
        boxes.append([(n * (cell + _GAP) + indent, top - tile_height, tile_width, tile_height) for n in range(columns)])
        top -= tile_height + _GAP
    captions = [
        (n * (cell + _GAP) + cell / 2, height - head + 0.03, text, font_size, "center", "bottom")
        for n, text in enumerate(wrapped)
    ]
    return boxes, (width, height), captions


def _images_as_columns(
    aspects: NDArray[np.float64], labels: Sequence[str], datasets: Sequence[str], width: float
) -> tuple[_Boxes, tuple[float, float], _Captions]:
    """Tiles of equal height, so that portraits and landscapes fill the width together."""
    wrapped, font_size = _fit_words(labels, max(0.6, width / 8))
    margin = max(_text_width(line, font_size) for text in wrapped for line in text.split("\n")) + 0.08
    # Datasets stand a little apart.
    gaps = [_GAP if one == other else 4 * _GAP for one, other in itertools.pairwise(datasets)]
    rows = len(labels)
    head = _LINE_HEIGHT + 0.03 if len(set(datasets)) > 1 else 0.0
    tile_height = min((width - margin - sum(gaps)) / aspects.sum(), (PAGE_HEIGHT - head - _GAP * (rows - 1)) / rows)
    tile_height = min(tile_height, width / 3)
    width = margin + sum(gaps) + tile_height * aspects.sum()
    height = head + rows * tile_height + _GAP * (rows - 1)

    bottoms = [height - head - (n + 1) * tile_height - n * _GAP for n in range(rows)]
    boxes, left = [], margin
    for aspect, gap in zip(aspects, [*gaps, 0.0], strict=True):
        boxes.append([(left, bottom, tile_height * aspect, tile_height) for bottom in bottoms])
        left += tile_height * aspect + gap
    captions = [
        (margin - 0.06, bottom + tile_height / 2, text, font_size, "right", "center")
        for bottom, text in zip(bottoms, wrapped, strict=True)
    ]
    if head:
        captions += _dataset_captions(datasets, boxes, height - head + 0.03)
    return boxes, (width, height), captions


def _dataset_captions(datasets: Sequence[str], boxes: _Boxes, bottom: float) -> _Captions:
    """Name each dataset once, over the middle of its neighbouring columns."""
    captions: _Captions = []
    for dataset, group in itertools.groupby(zip(datasets, boxes, strict=True), key=lambda pair: pair[0]):
        columns = [column[0] for _, column in group]
        left, right = columns[0][0], columns[-1][0] + columns[-1][2]
        ((text,), font_size) = _fit_words([printable(dataset)], right - left)
        captions.append(((left + right) / 2, bottom, text.replace("\n", " "), font_size, "center", "bottom"))
    return captions


def _tiles(
    image: PanelImage, annotated: bool, colours: Colours, dots: tuple[int, int]
) -> list[NDArray[np.uint8] | None]:
    """Pictures of a photograph, its ground truth if any image has one, and its label maps."""
    photograph = _shrunk(image.photograph, dots, Image.Resampling.LANCZOS)
    truth = None if image.ground_truth is None else _shrunk(image.ground_truth, dots, Image.Resampling.NEAREST)
    label_maps = [
        None if labels is None else _shrunk(labels, dots, Image.Resampling.NEAREST) for labels in image.label_maps
    ]
    tiles: list[NDArray[np.uint8] | None] = [photograph]
    painted: list[NDArray[np.uint8]] = []
    maps = [(truth, 0), *((labels, None) for labels in label_maps)] if annotated else [(m, None) for m in label_maps]
    for labels, void in maps:
        if labels is None:
            tiles.append(None)
        elif colours == "mean":
            tiles.append(mean_colours(photograph, labels, void))
        elif colours == "boundaries":
            tiles.append(draw_boundaries(photograph, labels))
        else:
            painted.append(assign_colours(labels, painted, void))
            tiles.append(paint(painted[-1]))
    return tiles


def _shrunk(pixels: NDArray[Any], dots: tuple[int, int], resampling: Image.Resampling) -> NDArray[Any]:
    """Reduce a picture or a label map to a size in dots (width, height), unless that would enlarge it."""
    if dots[0] >= pixels.shape[1]:
        return pixels
    return shrink(pixels, dots, resampling)


def _fit_words(labels: Sequence[str], width: float) -> tuple[list[str], float]:
    """Break labels at spaces, but not beside "=", into lines of at most `width` inches; shrink too long words."""
    wrapped = []
    for label in labels:
        lines = [""]
        for word in re.split("(?<!=) (?!=)", label):
            longer = f"{lines[-1]} {word}".strip()
            if lines[-1] and _text_width(longer, _FONT_SIZE) > width:
                lines.append(word)
            else:
                lines[-1] = longer
        wrapped.append("\n".join(lines))
    widest = max(_text_width(line, _FONT_SIZE) for text in wrapped for line in text.split("\n"))
    return wrapped, _FONT_SIZE * min(1.0, width / max(widest, 1e-9))


def _text_width(text: str, font_size: float) -> float:
    """Width of one line of text in inches."""
    if not text.strip():
        return 0.0
    outline = TextPath((0, 0), text, size=font_size, prop=FontProperties(family="DejaVu Sans"))
    return float(outline.get_extents().width) / 72
