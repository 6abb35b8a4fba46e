"""Large TIFF files: what is read by windows, and reduced, is what the file has."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

from dynseg.errors import UserError
from dynseg.io import large_tiff
from dynseg.io.images import MAX_PIXELS, Reading, read_picture
from dynseg.io.large_tiff import LargeTiff


@pytest.fixture(autouse=True)
def _nothing_is_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(large_tiff, "MAX_PIXELS", 0)


def opened(path: Path) -> Any:
    return large_tiff.large_tiff(path)


def read_all(source: LargeTiff, reading: Reading = Reading()) -> tuple[np.ndarray, np.ndarray]:  # noqa: B008
    parts = [source.read(rows, reading) for rows in source.row_blocks()]
    return np.concatenate([values for values, _ in parts]), np.concatenate([valid for _, valid in parts])


@settings(max_examples=40)
@given(
    height=st.integers(1, 600),
    width=st.integers(1, 50),
    channels=st.integers(1, 5),
    dtype=st.sampled_from(["uint8", ">u2", "<u2", "int16", "float32"]),
    layout=st.sampled_from([{}, {"tile": (16, 32)}, {"rowsperstrip": 7}]),
    compression=st.sampled_from([None, "zlib"]),
    planar=st.booleans(),
)
def test_rows_are_those_of_the_file(
    tmp_path_factory: pytest.TempPathFactory,
    height: int,
    width: int,
    channels: int,
    dtype: str,
    layout: dict[str, Any],
    compression: str | None,
    planar: bool,
) -> None:
    path = tmp_path_factory.mktemp("large") / "large.tif"
    values = np.random.default_rng(height).integers(0, 100, (height, width, channels)).astype(dtype)
    planar = planar and channels > 1
    tifffile.imwrite(
        path,
        np.moveaxis(values, 2, 0) if planar else values if channels > 1 else values[:, :, 0],
        photometric="minisblack",
        planarconfig="separate" if planar else "contig" if channels > 1 else None,
        extrasamples=["unspecified"] * (channels - 1) or None,
        compression=compression,
        byteorder=">" if dtype.startswith(">") else "<",
        metadata=None,
        **layout,
    )
    with opened(path) as source:
        read, valid = read_all(source)
        assert source.size == (height, width)
    assert np.array_equal(read, values)
    assert valid.all()


@pytest.mark.parametrize("factor", [1, 2, 3, 7])
def test_a_reduced_picture_has_the_means_of_squares(tmp_path: Path, factor: int) -> None:
    values = np.random.default_rng(0).integers(0, 256, (530, 61, 3), dtype=np.uint8)
    tifffile.imwrite(tmp_path / "large.tif", values, tile=(16, 16), photometric="rgb", compression="zlib")
    with opened(tmp_path / "large.tif") as source:
        reduced = source.reduce(Reading(), -(-530 // factor))
    assert reduced.factor == factor
    expected = [
        [values[top : top + factor, left : left + factor].mean(axis=(0, 1)) for left in range(0, 61, factor)]
        for top in range(0, 530, factor)
    ]
    assert np.abs(reduced.pixels - np.array(expected)).max() <= 0.5 + 1e-4
    assert reduced.valid is None
    assert reduced.note == ""


def test_unreduced_it_is_what_reading_it_whole_gives(tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 4000, (70, 90, 4)).astype(np.uint16)
    values[:20, :30] = 0
    path = tmp_path / "large.tif"
    extra = [(42113, "s", 0, "0", True)]
    tifffile.imwrite(path, values, planarconfig="contig", photometric="minisblack", extratags=extra, metadata=None)
    for reading in (Reading(), Reading(channels=(4, 1)), Reading(value_range=(0.0, 4095.0)), Reading(no_data=7)):
        with opened(path) as source:
            reduced = source.reduce(reading, 90)
        picture = reading.read(path)
        assert np.allclose(reduced.pixels, picture.pixels, atol=1e-5)
        assert reduced.valid is not None
        assert picture.valid is not None
        assert np.array_equal(reduced.valid, picture.valid)


def test_means_are_of_pixels_with_data_alone(tmp_path: Path) -> None:
    values = np.full((40, 40), 1000, np.uint16)
    values[:, 21:] = 65535
    tifffile.imwrite(tmp_path / "large.tif", values, metadata=None, extratags=[(42113, "s", 0, "65535", True)])
    with opened(tmp_path / "large.tif") as source:
        reduced = source.reduce(Reading(value_range=(0, 2000)), 20)
    assert reduced.valid is not None
    assert reduced.valid[:, :11].all()
    assert not reduced.valid[:, 11:].any()
    assert np.allclose(reduced.pixels[:, :11], 0.5)
    assert not reduced.pixels[:, 11:].any()


def test_alpha_tells_of_pixels_without_data(tmp_path: Path) -> None:
    values = np.full((30, 30, 4), 200, np.uint8)
    values[:10, :, 3] = 0
    tifffile.imwrite(tmp_path / "large.tif", values, photometric="rgb", extrasamples=["unassalpha"])
    with opened(tmp_path / "large.tif") as source:
        reduced = source.reduce(Reading(), 30)
    assert reduced.pixels.shape == (30, 30, 3)
    assert reduced.valid is not None
    assert reduced.valid.sum() == 600


@pytest.mark.parametrize(
    ("values", "options", "said"),
    [
        (np.zeros((3, 20, 20), np.uint8), {"photometric": "minisblack"}, "several planes"),
        (np.zeros((20, 20), np.complex64), {}, "values of the type complex64"),
        (
            np.zeros((20, 20), np.uint8),
            {"photometric": "palette", "colormap": np.zeros((3, 256), np.uint16)},
            "a palette",
        ),
        (np.zeros((20, 20), np.uint8), {"extratags": [(274, "H", 1, 6, True)]}, "an orientation"),
    ],
)
def test_what_is_not_read_by_windows_is_one_sentence(
    tmp_path: Path, values: np.ndarray, options: dict[str, Any], said: str
) -> None:
    tifffile.imwrite(tmp_path / "large.tif", values, metadata=None, **options)
    with pytest.raises(UserError, match=f"large.tif is too large to be read whole and has {said}.*: save"):
        opened(tmp_path / "large.tif").__enter__()


def test_one_large_compressed_strip_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(large_tiff, "_MOST_SEGMENT_BYTES", 1000)
    values = np.zeros((60, 60), np.uint8)
    tifffile.imwrite(tmp_path / "large.tif", values, compression="zlib", rowsperstrip=60)
    with pytest.raises(UserError, match="save it in tiles of 256 × 256 pixels"):
        opened(tmp_path / "large.tif").__enter__()


def test_a_truncated_file_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "large.tif"
    values = np.random.default_rng(0).integers(0, 256, (200, 200), dtype=np.uint8)
    tifffile.imwrite(path, values, compression="zlib", tile=(32, 32))
    content = bytearray(path.read_bytes())
    content[1000:3000] = bytes(2000)
    path.write_bytes(content)
    with opened(path) as source, pytest.raises(UserError, match="can't be read"):
        read_all(source)


def test_values_that_are_no_numbers_are_refused_as_ever(tmp_path: Path) -> None:
    values = np.full((30, 30), np.nan, np.float32)
    tifffile.imwrite(tmp_path / "large.tif", values)
    with opened(tmp_path / "large.tif") as source, pytest.raises(UserError, match="--nodata nan"):
        source.reduce(Reading(), 30)


def test_anything_else_is_left_to_who_reads_it_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, content in (("no.tif", b"II*\0" + bytes(4)), ("a.png", b"\x89PNG"), ("empty.tif", b"")):
        (tmp_path / name).write_bytes(content)
        with opened(tmp_path / name) as source:
            assert source is None
    with opened(tmp_path / "missing.tif") as source:
        assert source is None
    monkeypatch.setattr(large_tiff, "MAX_PIXELS", MAX_PIXELS)
    tifffile.imwrite(tmp_path / "small.tif", np.zeros((5, 6), np.uint16))
    with opened(tmp_path / "small.tif") as source:
        assert source is None
    assert read_picture(tmp_path / "small.tif").pixels.shape == (5, 6, 3)
