"""Channels by the names that files have for them: OME-TIFF, ImageJ, GeoTIFF and OME-Zarr."""

import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from dynseg.errors import UserError
from dynseg.io.images import Reading, parse_channels, read_picture

BANDS = np.random.default_rng(0).integers(1, 4000, (4, 20, 30)).astype(np.uint16)
NAMES = ("DAPI", "Alexa 488", "3", "GFP")
_GDAL_METADATA = 42112


def write_ome_tiff(path: Path, names: tuple[str, ...] = NAMES) -> None:
    about = {"axes": "CYX", "Channel": {"Name": list(names)}}
    tifffile.imwrite(path, BANDS, metadata=about, ome=True, photometric="minisblack")


def write_imagej(path: Path, names: tuple[str, ...] = NAMES) -> None:
    tifffile.imwrite(path, BANDS, imagej=True, metadata={"axes": "CYX", "Labels": list(names)})


def write_geotiff(path: Path, names: tuple[str, ...] = NAMES, planar: str = "contig") -> None:
    """As GDAL writes a raster with descriptions of its bands."""
    items = "".join(
        f'<Item name="DESCRIPTION" sample="{number}" role="description">{name}</Item>'
        for number, name in enumerate(names)
        if name
    )
    about = f'<GDALMetadata><Item name="SENSOR">x</Item>{items}</GDALMetadata>'
    values = BANDS.transpose(1, 2, 0) if planar == "contig" else BANDS
    extra = [(_GDAL_METADATA, "s", 0, about, True)]
    tifffile.imwrite(path, values, photometric="minisblack", planarconfig=planar, extratags=extra, metadata=None)


def write_zarr(path: Path, names: tuple[str, ...] = NAMES) -> None:
    zarr = pytest.importorskip("zarr")
    writer = pytest.importorskip("ome_zarr.writer")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        window = {"min": 0, "max": 4000, "start": 0, "end": 4000}
        omero = {"channels": [{"label": name, "color": "00FF00", "window": window} for name in names]}
        writer.write_image(BANDS, zarr.open_group(str(path), mode="w"), axes="cyx", scale_factors=[2], omero=omero)


WRITERS = {
    "a.ome.tif": write_ome_tiff,
    "imagej.tif": write_imagej,
    "geo.tif": write_geotiff,
    "planar.tif": lambda path, names=NAMES: write_geotiff(path, names, "separate"),
    "a.zarr": write_zarr,
}


@pytest.mark.parametrize("name", WRITERS)
def test_a_name_is_the_channel_that_has_it(tmp_path: Path, name: str) -> None:
    WRITERS[name](tmp_path / name)
    picture = Reading.from_texts("GFP, Alexa 488,1").read(tmp_path / name)
    by_number = read_picture(tmp_path / name, channels=(4, 2, 1))
    assert np.array_equal(picture.bands, BANDS[[3, 1, 0]].transpose(1, 2, 0))
    assert np.array_equal(picture.pixels, by_number.pixels)
    assert picture.channel_names == ("GFP", "Alexa 488", "DAPI")
    assert "channels 4, 2, 1 of 4 (GFP, Alexa 488, DAPI)" in picture.note


@pytest.mark.parametrize("name", WRITERS)
def test_an_unknown_name_is_refused_with_those_there(tmp_path: Path, name: str) -> None:
    WRITERS[name](tmp_path / name)
    with pytest.raises(UserError) as refused:
        read_picture(tmp_path / name, channels=("GFP", "dapi"))
    said = str(refused.value)
    assert said == f"{tmp_path / name} has no channel 'dapi': choose from DAPI, Alexa 488, 3, GFP with --channels"


@pytest.mark.parametrize("name", WRITERS)
def test_a_name_that_two_channels_have_is_refused(tmp_path: Path, name: str) -> None:
    WRITERS[name](tmp_path / name, ("a", "b", "a", "d"))
    assert np.array_equal(read_picture(tmp_path / name, channels=("b",)).bands[:, :, 0], BANDS[1])
    with pytest.raises(UserError, match=r"has 2 channels with the name 'a': choose one by its number, from 1"):
        read_picture(tmp_path / name, channels=("a",))


def test_a_number_is_a_place_whatever_a_channel_is_called(tmp_path: Path) -> None:
    write_ome_tiff(tmp_path / "a.ome.tif", ("4", "3", "2", "1"))
    picture = Reading.from_texts("3").read(tmp_path / "a.ome.tif")
    assert np.array_equal(picture.bands[:, :, 0], BANDS[2])


@pytest.mark.parametrize("name", ["geo.tif", "a.zarr"])
def test_some_channels_may_have_no_name(tmp_path: Path, name: str) -> None:
    WRITERS[name](tmp_path / name, ("", "red", "", "near infrared"))
    picture = read_picture(tmp_path / name, channels=("near infrared", 1))
    assert np.array_equal(picture.bands, BANDS[[3, 0]].transpose(1, 2, 0))
    assert picture.channel_names == ()
    with pytest.raises(UserError, match=r"has no channel 'blue': choose from red, near infrared with --channels"):
        read_picture(tmp_path / name, channels=("blue",))


def test_descriptions_of_bands_change_nothing_where_none_is_chosen_by_one(tmp_path: Path) -> None:
    write_geotiff(tmp_path / "named.tif")
    write_geotiff(tmp_path / "nameless.tif", ())
    for channels in (None, (4, 1)):
        named, nameless = (read_picture(tmp_path / f"{each}.tif", channels=channels) for each in ("named", "nameless"))
        assert (named.note, named.channel_names) == (nameless.note, nameless.channel_names)
        assert np.array_equal(named.pixels, nameless.pixels)


def test_descriptions_are_those_that_gdal_writes(tmp_path: Path) -> None:
    rasterio = pytest.importorskip("rasterio")
    bands = np.random.default_rng(0).integers(1, 255, (4, 20, 30)).astype(np.uint8)
    bands[3] = np.where(np.arange(30) < 7, 0, 255)
    place = {"crs": "EPSG:32633", "transform": rasterio.Affine(10, 0, 500_000, 0, -10, 4_600_000)}
    with rasterio.open(
        tmp_path / "a.tif", "w", driver="GTiff", height=20, width=30, count=4, dtype="uint8", **place
    ) as raster:
        raster.write(bands)
        raster.descriptions = ("red", "green & <bright>", "blue", "clouds")
    # What GDAL marks as opacity is a band where it is chosen, by its name too, and says what has data where it isn't.
    picture = read_picture(tmp_path / "a.tif", channels=("clouds", "green & <bright>"))
    assert np.array_equal(picture.bands, bands[[3, 1]].transpose(1, 2, 0))
    assert picture.valid is None
    valid = read_picture(tmp_path / "a.tif", channels=("red",)).valid
    assert valid is not None
    assert np.array_equal(valid, bands[3] > 0)


def _photograph(path: Path) -> None:
    Image.new("RGB", (30, 20)).save(path)


def _pages(path: Path) -> None:
    tifffile.imwrite(path, BANDS, photometric="minisblack")


def _broken_names(path: Path) -> None:
    write_geotiff(path, ("a", "<", "c", "d"))


@pytest.mark.parametrize(
    ("name", "write"),
    [("a.png", _photograph), ("a.tif", _photograph), ("pages.tif", _pages), ("broken.tif", _broken_names)],
)
def test_files_without_names_say_so(tmp_path: Path, name: str, write: Callable[[Path], None]) -> None:
    write(tmp_path / name)
    with pytest.raises(UserError, match=r"doesn't name its channels, so that none is 'DAPI': choose by number, from 1"):
        read_picture(tmp_path / name, channels=("DAPI",))


@given(st.lists(st.integers(1, 999_999) | st.from_regex(r"[A-Za-z#µ][^,\s]{0,5}", fullmatch=True), min_size=1))
def test_texts_of_channels_are_read_as_they_are_written(channels: list[int | str]) -> None:
    assert parse_channels(",".join(map(str, channels))) == tuple(channels)


@pytest.mark.parametrize("text", ["DAPI,", "DAPI,0", "-2", "1.5", "+1", "2 3", "1000000"])
def test_what_looks_like_a_number_is_no_name(text: str) -> None:
    with pytest.raises(UserError, match=r"give numbers from 1 or names with commas between, as 1,3 or DAPI,GFP"):
        parse_channels(text)


@pytest.mark.parametrize("channels", [("GFP", "GFP"), (4, "GFP"), (4, 4)])
def test_a_channel_that_is_chosen_twice_is_refused(tmp_path: Path, channels: tuple[int | str, ...]) -> None:
    write_ome_tiff(tmp_path / "a.ome.tif")
    with pytest.raises(UserError, match=r"a.ome.tif was to give channel 4 twice: name each channel once with"):
        read_picture(tmp_path / "a.ome.tif", channels=channels)


def test_a_name_with_a_comma_is_listed_in_quotes(tmp_path: Path) -> None:
    write_ome_tiff(tmp_path / "a.ome.tif", ("DAPI, deep", "b", "c", "d"))
    with pytest.raises(UserError, match=r"choose from 'DAPI, deep', b, c, d with --channels"):
        read_picture(tmp_path / "a.ome.tif", channels=("e",))
