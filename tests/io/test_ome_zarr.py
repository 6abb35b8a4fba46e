"""OME-Zarr as ome-zarr-py, bioformats2raw and older programs write it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from dynseg.errors import UserError
from dynseg.io.images import Reading, read_picture, shown_as_rgb
from dynseg.io.ome_zarr import read_level_sizes
from dynseg.io.pixel_sizes import read_pixel_size

zarr = pytest.importorskip("zarr")
pytest.importorskip("ome_zarr")

STACK = np.random.default_rng(0).integers(0, 4000, (2, 3, 4, 40, 50)).astype(np.uint16)
"""(t, c, z, y, x)"""
UNITS = {"z": "micrometer", "y": "micrometer", "x": "nanometer"}


@pytest.mark.filterwarnings("ignore")
def write(path: Path, values: NDArray, axes: str = "tczyx", version: str = "0.4", **options: Any) -> Path:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from ome_zarr.format import format_from_version
        from ome_zarr.writer import write_image

        kind = format_from_version(version)
        group = zarr.open_group(str(path), mode="w", zarr_format=kind.zarr_format)
        size = {"t": 3.0, "c": 1.0, "z": 2.0, "y": 0.5, "x": 250.0}
        options.setdefault("scale", {axis: size[axis] for axis in axes})
        options.setdefault("axes_units", {axis: UNITS[axis] for axis in axes if axis in UNITS})
        write_image(values, group, axes=axes, fmt=kind, scale_factors=[2], **options)
    return path


def channels(*names: str) -> dict[str, Any]:
    window = {"min": 0, "max": 4000, "start": 0, "end": 4000}
    return {"channels": [{"label": name, "color": "00FF00", "window": window} for name in names]}


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_a_plane_of_a_stack_is_that_of_the_array(tmp_path: Path, version: str) -> None:
    path = write(tmp_path / "a.ome.zarr", STACK, version=version, omero=channels("DAPI", "GFP", "RFP"))
    picture = read_picture(path, plane={"t": 2, "z": 3}, value_range=(0, 4000))
    np.testing.assert_array_equal(picture.bands, STACK[1, :, 2].transpose(1, 2, 0))
    np.testing.assert_allclose(picture.pixels, picture.bands / 4000, atol=1e-6)
    assert picture.note == "time 2 of 2, depth 3 of 4, 3 channels (DAPI, GFP, RFP), values 0 to 4000"
    assert picture.channel_names == ("DAPI", "GFP", "RFP")
    chosen = Reading(channels=(3, 1), plane={"t": 1, "z": 1}).read(path)
    np.testing.assert_array_equal(chosen.bands, STACK[0, [2, 0], 0].transpose(1, 2, 0))
    assert chosen.channel_names == ("RFP", "DAPI")
    assert "channels 3, 1 of 3 (RFP, DAPI)" in chosen.note


@pytest.mark.parametrize(
    ("axes", "taken"), [("yx", (0, 0, 0)), ("cyx", (0, slice(None), 0)), ("zyx", (0, 0, slice(0, 1)))]
)
def test_fewer_axes_need_no_plane(tmp_path: Path, axes: str, taken: tuple) -> None:
    values = STACK[taken]
    picture = read_picture(write(tmp_path / "a.zarr", values, axes))
    expected = values.reshape(-1, 40, 50).transpose(1, 2, 0)
    np.testing.assert_array_equal(picture.bands, expected)
    assert picture.pixels.shape == (40, 50, 3)
    assert shown_as_rgb(picture.pixels).dtype == np.uint8


def test_a_coarser_level_and_the_sizes_of_pixels(tmp_path: Path) -> None:
    path = write(tmp_path / "a.zarr", STACK[0, :, 0], "cyx")
    picture = read_picture(path, plane={"level": 2})
    assert picture.pixels.shape == (20, 25, 3)
    assert picture.note.startswith("level 2 of 2, ")
    assert read_pixel_size(path, (40, 50)) == (0.5, 250, "micrometer", "nanometer", 0, 0)
    # The middle of a pixel that is twice as large lies half a small one further.
    assert read_pixel_size(path, (20, 25)) == (1, 500, "micrometer", "nanometer", 0.25, 125)
    assert read_pixel_size(path, (1, 1)) is None
    with pytest.raises(UserError, match=r"a\.zarr has no resolution level 3: choose one from 1 to 2"):
        read_picture(path, plane={"level": 3})


def test_transformations_of_all_levels_come_after_those_of_each(tmp_path: Path) -> None:
    path = write(tmp_path / "a.zarr", STACK[0, 0, 0], "yx")
    about = json.loads((path / ".zattrs").read_text())
    about["multiscales"][0]["coordinateTransformations"] = [
        {"type": "scale", "scale": [2.0, 2.0]},
        {"type": "translation", "translation": [10.0, 20.0]},
    ]
    (path / ".zattrs").write_text(json.dumps(about))
    (first, second) = read_level_sizes(path)
    assert (first.scale, first.translation) == ((1, 500), (10, 20))
    assert (second.scale, second.translation) == ((2, 1000), (10.5, 270))


def test_versions_without_axes_are_read(tmp_path: Path) -> None:
    group = zarr.open_group(str(tmp_path / "a.zarr"), mode="w", zarr_format=2)
    group.create_array("0", shape=STACK.shape, dtype=STACK.dtype, chunks=(1, 1, 1, 40, 50))[:] = STACK
    group.attrs["multiscales"] = [{"version": "0.1", "datasets": [{"path": "0"}]}]
    picture = read_picture(tmp_path / "a.zarr", plane={"t": 1, "z": 2})
    np.testing.assert_array_equal(picture.bands, STACK[0, :, 1].transpose(1, 2, 0))
    assert read_pixel_size(tmp_path / "a.zarr", (40, 50)) == (1, 1, "", "", 0, 0)


def test_the_one_image_of_bioformats2raw_is_read_and_one_of_several_named(tmp_path: Path) -> None:
    root = zarr.open_group(str(tmp_path / "a.zarr"), mode="w", zarr_format=2)
    root.attrs["bioformats2raw.layout"] = 3
    write(tmp_path / "a.zarr" / "0", STACK[0, :, 0], "cyx")
    np.testing.assert_array_equal(read_picture(tmp_path / "a.zarr").bands, STACK[0, :, 0].transpose(1, 2, 0))
    write(tmp_path / "a.zarr" / "1", STACK[1, :, 0], "cyx")
    with pytest.raises(UserError, match=r"a\.zarr holds 2 images: name one of them, as .*a\.zarr/0"):
        read_picture(tmp_path / "a.zarr")
    np.testing.assert_array_equal(read_picture(tmp_path / "a.zarr" / "1").bands, STACK[1, :, 0].transpose(1, 2, 0))


def test_what_is_too_large_says_which_level_would_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dynseg.io.images.MAX_PIXELS", 1000)
    path = write(tmp_path / "a.zarr", STACK[0, :, 0], "cyx")
    with pytest.raises(
        UserError, match=r"has 50 × 40 pixels at resolution level 1, which are too many: choose .* --plane level=2"
    ):
        read_picture(path)
    assert read_picture(path, plane={"level": 2}).pixels.shape == (20, 25, 3)


def foreign(path: Path, **attributes: Any) -> None:
    group = zarr.open_group(str(path), mode="w", zarr_format=2)
    group.attrs.update(attributes)


def with_codec(path: Path, name: str) -> None:
    write(path, STACK[0, 0, 0], "yx")
    for array in path.glob("*/.zarray"):
        about = json.loads(array.read_text())
        about["filters"] = [{"id": "delta", "dtype": "<u2"}, {"id": name}]
        array.write_text(json.dumps(about))


def truncated(path: Path) -> None:
    write(path, STACK[0, 0, 0], "yx")
    chunk = next(each for each in (path / "s0").rglob("*") if each.is_file() and not each.name.startswith("."))
    chunk.write_bytes(chunk.read_bytes()[:20])


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda path: path.mkdir(), "isn't the folder of an OME-Zarr image"),
        (lambda path: zarr.create_array(str(path), shape=(3, 3), dtype="u1"), "isn't the folder of an OME-Zarr image"),
        (foreign, "has no multiscales"),
        (lambda path: foreign(path, plate={"wells": []}), r"is a plate of many images: name one of them, as .*/A/1/0"),
        (lambda path: foreign(path, multiscales=[{"datasets": [{"path": "0"}]}]), "can't be read as an image"),
        (lambda path: write(path, STACK[0, 0, :, 0, 0].astype(complex).reshape(2, 2), "yx"), "of the type complex128"),
        (lambda path: with_codec(path, "base64"), "is compressed by base64, which isn't read"),
        # Which could start any program.
        (lambda path: with_codec(path, "pickle"), "can't be read as an image"),
        (truncated, "can't be read as an image"),
    ],
    ids=["empty", "array", "group", "plate", "no levels", "complex", "codec", "pickle", "truncated"],
)
def test_what_is_no_image_is_one_sentence(tmp_path: Path, make: Any, text: str) -> None:
    path = tmp_path / "a.zarr"
    make(path)
    with pytest.raises(UserError, match=text) as caught:
        read_picture(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)
