"""What all figures share: page widths, fonts, and files that are the same at every run."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib import font_manager
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter
from numpy.typing import NDArray
from PIL import Image

from dynseg.errors import UserError
from dynseg.io.files import written_aside

# Inches: the text widths of an IEEE page, and the height that leaves room for a caption.
ONE_COLUMN = 3.5
TWO_COLUMNS = 7.16
PAGE_HEIGHT = 9.2
DOTS_PER_INCH = 300

_SETTINGS: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 7.0,
    "axes.labelsize": 7.0,
    "xtick.labelsize": 6.5,
    "ytick.labelsize": 6.5,
    "legend.fontsize": 6.5,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "lines.linewidth": 1.2,
    "legend.frameon": False,
    "pdf.fonttype": 42,
    "text.parse_math": False,
}

# Okabe and Ito (2008): safe for colour-blind readers, dark enough for thin lines; with markers for print in grey.
LINE_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")

# Numbers along an axis as short as they can be: 0.1, 1, 1e+06.
PLAIN_NUMBERS = FuncFormatter(lambda value, _: f"{value:g}")


@contextmanager
def figure_style() -> Iterator[None]:
    """Draw and save figures inside this block: fonts that fit a printed page, embedded as TrueType."""
    with matplotlib.rc_context(_SETTINGS):
        yield


def new_figure(width: float, height: float, **options: Any) -> Figure:
    """Return an empty figure, its size in inches, that is drawn without a display; further options are matplotlib's."""
    figure = Figure(figsize=(width, height), **options)
    FigureCanvasAgg(figure)
    return figure


def save_figure(figure: Figure, png: str | Path | None = None, pdf: str | Path | None = None) -> None:
    """Write a figure as PNG (300 dpi), as PDF (fonts embedded), or both; the same figure gives the same bytes.

    Raises
    ------
    UserError
        If neither is asked for, or a file can't be written.
    """
    if png is None and pdf is None:
        raise UserError("the figure has nowhere to go: give --output-png, --output-pdf or both")
    with figure_style():
        if png is not None:
            with written_aside(png) as aside:
                figure.savefig(aside, format="png", dpi=DOTS_PER_INCH, metadata={"Software": None})
        if pdf is not None:
            with written_aside(pdf) as aside:
                dates = {"CreationDate": None, "Creator": None, "Producer": None}
                figure.savefig(aside, format="pdf", dpi=DOTS_PER_INCH, metadata=dates)


def shrink(pixels: NDArray[Any], size: tuple[int, int], resampling: Image.Resampling) -> NDArray[Any]:
    """Return a picture, (H, W, 3) uint8, or a label map, (H, W) integer, reduced to a width and a height."""
    picture = Image.fromarray(pixels if pixels.ndim == 3 else pixels.astype(np.int32))
    return np.asarray(picture.resize(size, resampling))


def printable(text: str) -> str:
    r"""Return `text` with every character that the figures' font lacks as an escape (`\u6f22`)."""
    return "".join(
        letter if ord(letter) in _drawable() else letter.encode("unicode_escape").decode() for letter in text
    )


@cache
def _drawable() -> frozenset[int]:
    """Code points in the figures' font, which matplotlib ships."""
    return frozenset(font_manager.get_font(font_manager.findfont("DejaVu Sans")).get_charmap())
