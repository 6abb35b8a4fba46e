"""Sizes of pixels and names of channels, as writers of OME-TIFF and ImageJ leave them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray

from dynseg.io.images import read_picture
from dynseg.io.ome_writing import write_ome_tiff
from dynseg.io.pixel_sizes import PixelSize, read_pixel_size

CELLS = np.random.default_rng(0).integers(0, 4000, (2, 3, 30, 40)).astype(np.uint16)
"""(c, z, y, x)"""
BIOFORMATS = """<?xml version="1.0" encoding="UTF-8"?>
<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
 xsi:schemaLocation="http://www.openmicroscopy.org/Schemas/OME/2016-06 a" Creator="OME Bio-Formats 7.0">
<Image ID="Image:0" Name="cells.czi #1"><Pixels BigEndian="true" DimensionOrder="{order}" ID="Pixels:0" Type="uint16"
 Interleaved="false" SizeC="2" SizeT="1" SizeX="40" SizeY="30" SizeZ="3" SignificantBits="12" {sizes}>
<Channel ID="Channel:0:0" Name="DAPI" SamplesPerPixel="1"/><Channel ID="Channel:0:1" Name="GFP" SamplesPerPixel="1"/>
<TiffData FirstC="0" FirstT="0" FirstZ="0" IFD="0" PlaneCount="6"/></Pixels></Image></OME>"""


def bioformats(path: Path, order: str, sizes: str = 'PhysicalSizeX="0.25" PhysicalSizeY="0.5"', **options: Any) -> None:
    """Write planes in an order of axes of its own, big-endian, as Bio-Formats does."""
    planes = CELLS if order == "XYZCT" else CELLS.swapaxes(0, 1)
    text = BIOFORMATS.format(order=order, sizes=sizes).encode()
    pages = np.ascontiguousarray(planes.reshape(6, 30, 40))
    tifffile.imwrite(path, pages, description=text, metadata=None, byteorder=">", photometric="minisblack", **options)


@pytest.mark.parametrize("order", ["XYZCT", "XYCZT"])
@pytest.mark.parametrize("options", [{}, {"compression": "zlib", "tile": (16, 16)}, {"bigtiff": True}])
def test_bioformats(tmp_path: Path, order: str, options: dict) -> None:
    path = tmp_path / "cells.ome.tif"
    bioformats(path, order, **options)
    picture = read_picture(path, plane={"z": 2})
    np.testing.assert_array_equal(picture.bands, CELLS[:, 1].transpose(1, 2, 0))
    assert picture.note.startswith("depth 2 of 3, 2 channels (DAPI, GFP), values ")
    second = read_picture(path, plane={"z": 3}, channels=(2,))
    np.testing.assert_array_equal(second.bands[:, :, 0], CELLS[1, 2])
    assert second.channel_names == ("GFP",)
    assert read_pixel_size(path, (30, 40)) == (0.5, 0.25, "micrometer", "micrometer", 0, 0)


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ("", None),
        ('PhysicalSizeX="2" PhysicalSizeXUnit="nm"', (2, 2, "micrometer", "nanometer", 0, 0)),
        (
            'PhysicalSizeX="1" PhysicalSizeXUnit="mm" PhysicalSizeY="2" PhysicalSizeYUnit="Å"',
            (2, 1, "angstrom", "millimeter", 0, 0),
        ),
        ('PhysicalSizeX="1" PhysicalSizeXUnit="pixel" PhysicalSizeYUnit="pixel"', (1, 1, "", "", 0, 0)),
        ('PhysicalSizeX="0"', None),
        ('PhysicalSizeX="wide"', None),
    ],
)
def test_units_and_their_absence(tmp_path: Path, sizes: str, expected: tuple | None) -> None:
    bioformats(tmp_path / "a.ome.tif", "XYZCT", sizes)
    assert read_pixel_size(tmp_path / "a.ome.tif", (30, 40)) == expected
    assert read_pixel_size(tmp_path / "a.ome.tif", (99, 99)) is None


def test_a_pyramid_of_tifffile_is_its_largest_level(tmp_path: Path) -> None:
    """As whole slides are written: smaller levels are SubIFDs."""
    values = CELLS[:, 0]
    about = {"axes": "CYX", "PhysicalSizeX": 0.3, "PhysicalSizeY": 0.3, "Channel": {"Name": ["a", "b"]}}
    with tifffile.TiffWriter(tmp_path / "a.ome.tif", bigtiff=True) as file:
        file.write(values, subifds=1, tile=(16, 16), metadata=about, photometric="minisblack")
        file.write(values[:, ::2, ::2], subfiletype=1, tile=(16, 16), photometric="minisblack")
    picture = read_picture(tmp_path / "a.ome.tif")
    np.testing.assert_array_equal(picture.bands, values.transpose(1, 2, 0))
    assert picture.channel_names == ("a", "b")
    assert read_pixel_size(tmp_path / "a.ome.tif", (30, 40)) == (0.3, 0.3, "micrometer", "micrometer", 0, 0)


def test_colours_are_no_channels_without_names(tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 255, (30, 40, 3)).astype(np.uint8)
    tifffile.imwrite(tmp_path / "a.ome.tif", values, photometric="rgb", metadata={"axes": "YXS"}, ome=True)
    picture = read_picture(tmp_path / "a.ome.tif")
    np.testing.assert_array_equal(picture.pixels, values)
    assert picture.note == ""


def test_imagej(tmp_path: Path) -> None:
    about = {"axes": "CYX", "unit": "micron", "Labels": ["DAPI", "GFP"]}
    tifffile.imwrite(tmp_path / "a.tif", CELLS[:, 0], imagej=True, resolution=(4, 2), metadata=about)
    assert read_pixel_size(tmp_path / "a.tif", (30, 40)) == (0.5, 0.25, "micrometer", "micrometer", 0, 0)
    assert read_picture(tmp_path / "a.tif").channel_names == ("DAPI", "GFP")
    tifffile.imwrite(tmp_path / "b.tif", CELLS[:, 0], imagej=True, resolution=(4, 2), metadata={"axes": "CYX"})
    assert read_pixel_size(tmp_path / "b.tif", (30, 40)) is None


def test_other_files_say_nothing(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", CELLS[0, 0], resolution=(300, 300), resolutionunit="INCH")
    assert read_pixel_size(tmp_path / "a.tif", (30, 40)) is None
    assert read_pixel_size(tmp_path / "a.png", (30, 40)) is None


@pytest.mark.parametrize("largest", [3, 300, 70_000])
@pytest.mark.parametrize("size", [PixelSize(0.5, 0.25, "micrometer", "nanometer"), PixelSize(2, 1), None])
def test_label_maps_keep_the_size_of_pixels(tmp_path: Path, largest: int, size: PixelSize | None) -> None:
    labels: NDArray = np.random.default_rng(0).integers(1, largest + 1, (30, 40))
    labels[0, 0] = largest
    write_ome_tiff(tmp_path / "a.ome.tif", labels, size, "cells & <others>.tif")
    with tifffile.TiffFile(tmp_path / "a.ome.tif") as file:
        assert file.is_ome
        (series,) = file.series
        assert (series.axes, series.name) == ("YX", "cells & <others>.tif")
        assert series.dtype == np.min_scalar_type(largest)
        np.testing.assert_array_equal(series.asarray(), labels)
    assert read_pixel_size(tmp_path / "a.ome.tif", (30, 40)) == size
    content = (tmp_path / "a.ome.tif").read_bytes()
    write_ome_tiff(tmp_path / "a.ome.tif", labels, size, "cells & <others>.tif")
    assert (tmp_path / "a.ome.tif").read_bytes() == content
