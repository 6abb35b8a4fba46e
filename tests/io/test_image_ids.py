"""Image ids are safe and keep names apart."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynseg.io.image_ids import IMAGE_ID_PATTERN, image_id


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("100007.jpg", "100007"),
        ("./a/b.c/d.e.JPG", "a_b.c_d.e"),
        ("009 Stonehenge/a'b\";\n.bmp", "009%20Stonehenge_a%27b%22%3B%0A"),
        ("日本/über+1%.png", "日本_über+1%25"),
        ("u\u0308.png", "ü"),
        ("caf\udce9.png", "caf%E9"),
        ("../../etc/passwd.png", "etc_passwd"),
    ],
)
def test_ids_of_known_names(path: str, expected: str) -> None:
    assert image_id(path) == expected


@given(st.text(min_size=1))
def test_ids_are_safe_in_a_path(name: str) -> None:
    made = image_id(f"x{name}.png")
    assert re.fullmatch(IMAGE_ID_PATTERN, made)
    assert made.strip(".")
    assert len(made.encode()) <= 120


def test_long_names_stay_apart() -> None:
    assert image_id("a" * 300 + "1.png") != image_id("a" * 300 + "2.png")


def test_names_of_dots_are_no_folders() -> None:
    assert image_id("a/../...png") not in (".", "..")
    assert image_id("...png").strip(".")
