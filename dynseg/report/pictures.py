"""Small pictures as text: photographs as WebP, label maps as indexed PNG, both in base64."""

import base64
import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dynseg.figures.palette import colour_table, compact_labels

FIGURE_WIDTH = 1500
_FIGURE_BYTES = 400_000


def photograph_data(photograph: NDArray[np.uint8]) -> str:
    """Return a photograph, (H, W, 3) uint8, as WebP in base64."""
    return _encoded(Image.fromarray(photograph), format="WEBP", quality=70, method=4)


def label_map_data(painted: NDArray[np.uint8]) -> str:
    """Return palette indices, as `assign_colours` gives them, (H, W) uint8, as an indexed PNG in base64."""
    used, compact = compact_labels(painted)
    picture = Image.fromarray(compact.astype(np.uint8)).convert("P")
    picture.putpalette(colour_table()[used].ravel().tolist())
    return _encoded(picture, format="PNG", compress_level=7)


def figure_data(path: Path) -> tuple[str, tuple[int, int]]:
    """Return a figure's PNG as a data URI and its size; a large one as WebP, at most 1500 pixels wide."""
    with Image.open(path) as picture:
        if picture.width <= FIGURE_WIDTH and path.stat().st_size <= _FIGURE_BYTES:
            return f"data:image/png;base64,{base64.b64encode(path.read_bytes()).decode()}", picture.size
        height = round(picture.height * min(1, FIGURE_WIDTH / picture.width))
        smaller = picture.convert("RGB").resize((min(FIGURE_WIDTH, picture.width), height), Image.Resampling.LANCZOS)
        return f"data:image/webp;base64,{_encoded(smaller, format='WEBP', quality=85, method=4)}", smaller.size


def shrink(pixels: NDArray, longest_side: int, resampling: Image.Resampling) -> NDArray:
    """Return a picture, (H, W, 3) uint8 or (H, W) integer, with no side longer than `longest_side`."""
    height, width = pixels.shape[:2]
    factor = longest_side / max(height, width)
    if factor >= 1:
        return pixels
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    picture = Image.fromarray(pixels if pixels.ndim == 3 else pixels.astype(np.int32))
    return np.asarray(picture.resize(size, resampling))


def _encoded(picture: Image.Image, **options: object) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, **options)  # type: ignore[arg-type]
    return base64.b64encode(buffer.getvalue()).decode()
