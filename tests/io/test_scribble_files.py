"""Scribbles in pictures of every kind: read as they were meant, or refused."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dynseg.errors import UserError
from dynseg.io.images import read_scribbles

MARKS = np.full((4, 6), 255, np.uint8)
MARKS[1, 1:3], MARKS[2, 4] = 0, 7
GREY = Image.fromarray(MARKS)


def palette(indices: np.ndarray) -> Image.Image:
    picture = Image.fromarray(indices).convert("P")
    picture.putpalette([255, 255, 255] * 3 + [9, 9, 9] * 253)
    return picture


def transparent() -> Image.Image:
    picture = GREY.convert("RGBA")
    picture.putalpha(Image.fromarray(np.where(MARKS == 255, 0, 255).astype(np.uint8)))
    return picture


@pytest.mark.parametrize(
    "picture",
    [GREY, GREY.convert("RGB"), GREY.convert("LA"), GREY.convert("RGBA"), palette(MARKS)],
    ids=lambda picture: picture.mode,
)
def test_grey_values_and_palette_indices_are_labels_and_255_is_none(tmp_path: Path, picture: Image.Image) -> None:
    picture.save(tmp_path / "marks.png")
    assert np.array_equal(read_scribbles(tmp_path / "marks.png"), MARKS)


# Without red, a colour's label was below 65536 and taken for a grey value.
NO_RED = np.dstack([np.zeros_like(MARKS), MARKS, MARKS])


@pytest.mark.parametrize(
    ("picture", "sentence"),
    [
        (Image.fromarray(MARKS.astype(np.uint16) * 257), "more than 8 bits a pixel: save scribbles with 8 bits"),
        (GREY.point(lambda value: value > 99 and 255, "1"), "1 bit a pixel: save scribbles with 8 bits"),
        (Image.fromarray(NO_RED), "has colours: save scribbles as palette or grey values"),
        (transparent(), "transparent in places: lay the scribbles on white"),
        (palette(np.where(MARKS == 255, 0, MARKS)), "no pixel of index 255, which means no label"),
    ],
    ids=["16 bits", "1 bit", "no red", "transparent", "palette"],
)
def test_other_pictures_are_refused_in_one_sentence(tmp_path: Path, picture: Image.Image, sentence: str) -> None:
    picture.save(tmp_path / "marks.png")
    with pytest.raises(UserError, match=rf"marks\.png .*{sentence}"):
        read_scribbles(tmp_path / "marks.png")
