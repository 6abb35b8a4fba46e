"""Small pictures as text: photographs as WebP, label maps as indexed PNG, both in base64."""

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dynseg.figures.palette import colour_table
from dynseg.figures.style import shrink
from dynseg.metrics.relabelling import relabel
from dynseg.viewer.data import webp_data

FIGURE_SIDE = 1500
_FIGURE_BYTES = 400_000
# CSS pixels for a dot of a figure at 300 dots per inch: 1.4 times the printed size.
_PAGE_SCALE = 1.4 * 96 / 300


def photograph_data(photograph: NDArray[np.uint8]) -> str:
    """Return a photograph, (H, W, 3) uint8, as WebP in base64."""
    return webp_data(Image.fromarray(photograph), quality=70)


def label_map_data(painted: NDArray[np.uint8]) -> str:
    """Return palette indices, as `assign_colours` gives them, (H, W) uint8, as an indexed PNG in base64."""
    used, compact = relabel(painted)
    picture = Image.fromarray(compact.astype(np.uint8)).convert("P")
    picture.putpalette(colour_table()[used].ravel().tolist())
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG", compress_level=7)
    return base64.b64encode(buffer.getvalue()).decode()


def figure_data(path: Path) -> tuple[str, tuple[int, int]]:
    """Return a figure's PNG as a data URI (a large one as WebP, no side over 1500 pixels) and its size on the page."""
    with Image.open(path) as picture:
        size = (round(picture.width * _PAGE_SCALE), round(picture.height * _PAGE_SCALE))
        if max(picture.size) <= FIGURE_SIDE and path.stat().st_size <= _FIGURE_BYTES:
            return f"data:image/png;base64,{base64.b64encode(path.read_bytes()).decode()}", size
        smaller = fit(np.asarray(picture.convert("RGB")), FIGURE_SIDE, Image.Resampling.LANCZOS)
        return f"data:image/webp;base64,{webp_data(Image.fromarray(smaller), quality=85)}", size


def fit(pixels: NDArray[Any], longest_side: int, resampling: Image.Resampling) -> NDArray[Any]:
    """Return a picture, (H, W, 3) uint8 or (H, W) integer, with no side longer than `longest_side`."""
    height, width = pixels.shape[:2]
    factor = longest_side / max(height, width)
    if factor >= 1:
        return pixels
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    return shrink(pixels, size, resampling)
