"""The pictures inside the scikit-image wheel: always there, so that a demo and the tests need no download."""

import importlib.util
import io
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from dynseg.datasets import Kind
from dynseg.datasets.folder import read_examples
from dynseg.errors import UserError
from dynseg.io.files import written_aside
from dynseg.parameters import Section

# Those that were taken by a camera.
PHOTOGRAPHS = (
    "astronaut.png",
    "camera.png",
    "chelsea.png",
    "coffee.png",
    "coins.png",
    "hubble_deep_field.jpg",
    "ihc.png",
    "moon.png",
    "motorcycle_left.png",
    "retina.jpg",
    "rocket.jpg",
)
MODIFIED = 1_577_836_800  # 2020-01-01: what is made anew without a change mustn't look newer


def export_photographs(output: str | Path, longest_side: int | None = None) -> list[str]:
    """Copy the wheel's photographs into a folder.

    Parameters
    ----------
    output : path
        The folder.
    longest_side : int, optional
        Larger photographs are reduced to this many pixels along their longer side, and saved as PNG.

    Returns
    -------
    list of str
        The names of the files.

    Raises
    ------
    UserError
        If the folder can't be written or scikit-image was installed without its pictures.
    """
    names = []
    for photograph in PHOTOGRAPHS:
        name, content = photograph, picture_path(photograph).read_bytes()
        if longest_side is not None:
            name, content = f"{Path(photograph).stem}.png", _reduced(content, longest_side)
        with written_aside(Path(output) / name) as aside:
            aside.write_bytes(content)
            os.utime(aside, (MODIFIED, MODIFIED))
        names.append(name)
    return names


def _reduced(content: bytes, longest_side: int) -> bytes:
    """Return a picture's file as a PNG file of at most this size."""
    from PIL import Image

    picture = Image.open(io.BytesIO(content)).convert("RGB")
    picture.thumbnail((longest_side, longest_side), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG")
    return buffer.getvalue()


def picture_path(name: str) -> Path:
    """Find a picture of the scikit-image wheel.

    Raises
    ------
    UserError
        If scikit-image was installed without it.
    """
    # Finding the package without importing it saves its start-up time.
    package = importlib.util.find_spec("skimage")
    for folder in (package and package.submodule_search_locations) or ():
        path = Path(folder) / "data" / name
        if path.is_file():
            return path
    raise UserError(f"scikit-image was installed without its picture {name}: install its wheel (0.25 or newer)")


class Keys(Section):
    """Keys of a configuration's entry of this kind."""

    longest_side: Annotated[
        int | None, Field(ge=16, description="reduce larger ones to this many pixels along their longer side")
    ] = None


def expected(entry: Mapping[str, Any]) -> list[tuple[int, int]]:
    """Return the sizes of the photographs; see `dynseg.datasets.Kind`."""
    from PIL import Image

    sizes = []
    for photograph in PHOTOGRAPHS:
        with Image.open(picture_path(photograph)) as picture:
            width, height = picture.size
        share = min(1.0, entry.get("longest_side", math.inf) / max(width, height))
        sizes.append((round(share * height), round(share * width)))
    return sizes


kind = Kind(read_examples, keys=Keys, made_as="photographs", expected=expected)
