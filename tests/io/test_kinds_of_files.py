"""Every row of the tables in docs/reliability.md: files of instruments and tools, made by the writers that they use."""

import io
import re
import struct
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image
from scipy.io import savemat

from dynseg.errors import UserError
from dynseg.io.images import Picture, read_picture, read_scribbles
from dynseg.io.predictions import Prediction, list_predictions, pair_up, read_prediction

DOCUMENT = Path(__file__).parents[2] / "docs" / "reliability.md"

RNG = np.random.default_rng(0)
HEIGHT, WIDTH = 24, 32
ROWS, COLUMNS = np.mgrid[:HEIGHT, :WIDTH]
GREY = (np.where(COLUMNS < 16, 40, 200) + RNG.integers(0, 20, (HEIGHT, WIDTH))).astype(np.uint8)
RGB = np.dstack([GREY, GREY[::-1], 255 - GREY])
LABELS = (ROWS // 8) * 4 + COLUMNS // 8
COLOURS = RNG.permutation(256)[: 12 * 3].reshape(12, 3).astype(np.uint8)

Make = Callable[[Path], object]


def tiff(values: NDArray, **options: Any) -> Make:
    return lambda path: tifffile.imwrite(path, values, **options)


def pillow(values: NDArray, kind: str, mode: str | None = None, **options: Any) -> Make:
    def make(path: Path) -> None:
        image = Image.fromarray(values)
        (image if mode is None else image.convert(mode)).save(path, kind, **options)

    return make


def frames(kind: str) -> Make:
    first, second = Image.fromarray(RGB), Image.fromarray(RGB[:, ::-1].copy())
    return lambda path: first.save(path, kind, save_all=True, append_images=[second])


def png(values: NDArray, colour_type: int) -> Make:
    """Write 16 bits a channel as OpenCV does; Pillow can't. Every row has another filter."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    def make(path: Path) -> None:
        height, width, channels = values.shape
        lines = values.astype(">u2").view(np.uint8).reshape(height, width, channels * 2).astype(int)
        padded = np.pad(lines, ((1, 0), (1, 0), (0, 0)))
        left, above, corner = padded[1:, :-1], padded[:-1, 1:], padded[:-1, :-1]
        guess = left + above - corner
        nearest = np.argsort([abs(guess - each) for each in (left, above, corner)], axis=0, kind="stable")[:1]
        paeth = np.take_along_axis(np.stack([left, above, corner]), nearest, axis=0)[0]
        predicted = np.stack([0 * left, left, above, (left + above) // 2, paeth])
        filters = np.arange(height) % 5
        filtered = (lines - predicted[filters, np.arange(height)]).astype(np.uint8)
        data = b"".join(bytes([kind]) + row.tobytes() for kind, row in zip(filters.tolist(), filtered, strict=True))
        header = struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, 0)
        pieces = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")
        path.write_bytes(b"\x89PNG\r\n\x1a\n" + pieces)

    return make


def netpbm(values: NDArray, largest: int) -> Make:
    magic = "P5" if values.ndim == 2 else "P6"
    header = f"{magic}\n# a camera\n{WIDTH} {HEIGHT}\n{largest}\n".encode()
    return lambda path: path.write_bytes(header + values.astype(">u2").tobytes())


def hdf5(name: str, values: NDArray, matlab: bool = False) -> Make:
    def make(path: Path) -> None:
        with h5py.File(path, "w") as file:
            dataset = file.create_dataset(name, data=values)
            if matlab:
                dataset.attrs["MATLAB_class"] = np.bytes_("double")

    return make


def matlab73(cells: bool) -> Make:
    """Write what MATLAB's `save -v7.3` writes: HDF5 behind a header, with dimensions turned round."""

    def make(path: Path) -> None:
        with h5py.File(path, "w", userblock_size=512) as file:
            turned = LABELS.T.astype(float)
            if cells:
                segmentation = file.create_dataset("#refs#/b/Segmentation", data=turned)
                segmentation.attrs["MATLAB_class"] = np.bytes_("double")
                references = file.create_dataset("groundTruth", (1, 1), dtype=h5py.ref_dtype)
                references[0, 0] = file["#refs#/b"].ref
            else:
                file.create_dataset("Segmentation", data=turned).attrs["MATLAB_class"] = np.bytes_("double")
        with path.open("r+b") as raw:
            raw.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\0\2IM")

    return make


def jpeg(values: NDArray) -> bytes:
    content = io.BytesIO()
    Image.fromarray(values).save(content, "JPEG")
    return content.getvalue()


def eight_bits(picture: Picture) -> None:
    assert picture.pixels.dtype == np.uint8
    assert picture.ranges == ()
    assert abs(picture.pixels.astype(int) - RGB).mean() < 30


def grey(picture: Picture) -> None:
    """The grey picture, stretched from its smallest to its largest value, to a hundredth of 8 bits."""
    low, high = int(GREY.min()), int(GREY.max())
    expected = (GREY - float(low)) / (high - low)
    assert picture.pixels.dtype == np.float32
    np.testing.assert_allclose(picture.pixels, np.dstack([expected] * 3), atol=1e-4)
    assert picture.note.startswith("values ")


def colour(picture: Picture) -> None:
    low, high = int(RGB.min()), int(RGB.max())
    np.testing.assert_allclose(picture.pixels, (RGB - float(low)) / (high - low), atol=1e-4)
    assert len(picture.ranges) == 1


def bands(*expected: NDArray) -> Callable[[Picture], None]:
    def check(picture: Picture) -> None:
        np.testing.assert_allclose(picture.pixels, np.dstack(expected) / 255, atol=1e-6)

    return check


def transparent(picture: Picture) -> None:
    assert (picture.pixels[:, :16] == 255).all()
    np.testing.assert_array_equal(picture.pixels[:, 16:], RGB[:, 16:])


ALPHA = np.where(COLUMNS < 16, 0, 255).astype(np.uint8)
WITH_NAN = np.where(ROWS == 3, np.nan, GREY).astype(np.float32)
HOLE = np.where(ROWS == 3, -9999, GREY.astype(np.int16))


def with_hole(picture: Picture) -> None:
    assert (picture.pixels[3] == 0).all()
    assert picture.ranges[0][0] >= 40
    assert f"{WIDTH} pixels without data" in picture.note


# Where a GeoTIFF lies: the size of pixels and a tie point.
PLACE = [(33550, "d", 3, (1.0, 1.0, 0.0), True), (33922, "d", 6, (0.0, 0.0, 0.0, 5e5, 4.6e6, 0.0), True)]


def transparent_left(picture: Picture) -> None:
    assert picture.valid is not None
    np.testing.assert_array_equal(picture.valid, COLUMNS >= 9)
    np.testing.assert_array_equal(picture.bands, RGB)


STACK = np.stack([GREY, GREY[::-1], 255 - GREY])
DEPTH = tiff(STACK, photometric="minisblack", metadata={"axes": "ZYX"})

# What it is, the file's name, what writes it, what the document says, and a check unless it is refused.
PICTURES: list[tuple[str, str, Make, str, Callable[[Picture], None] | None]] = [
    ("JPEG, also `.jpe`, `.jfif`", "a.jfif", pillow(RGB, "JPEG"), "8 bits as they are", eight_bits),
    ("PNG, BMP, WebP, GIF, 8 bits", "a.webp", pillow(RGB, "WEBP", lossless=True), "8 bits as they are", eight_bits),
    ("AVIF", "a.avif", pillow(RGB, "AVIF"), "8 bits as they are", eight_bits),
    (
        "HEIC, without the extra `heif`",
        "a.heic",
        lambda path: path.write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(200)),
        "is a HEIC, which needs another package: pip install 'dynseg[heif]'",
        None,
    ),
    ("TIFF, 8 bits, RGB, LZW", "a.tif", pillow(RGB, "TIFF", compression="tiff_lzw"), "8 bits as they are", eight_bits),
    ("CMYK", "a.tif", pillow(RGB, "TIFF", mode="CMYK"), "8 bits, converted to RGB", eight_bits),
    ("alpha in places", "a.png", pillow(np.dstack([RGB, ALPHA]), "PNG"), "laid on white", transparent),
    ("alpha that hides all of it", "a.png", pillow(np.dstack([RGB, 0 * ALPHA]), "PNG"), "its colours", eight_bits),
    ("PNG, 16 bits, grey", "a.png", pillow(GREY.astype(np.uint16) * 16, "PNG"), "every bit; range found", grey),
    ("PNG, 16 bits, RGB", "a.png", png(RGB.astype(np.uint16) + 5, 2), "every bit; one range for all", colour),
    ("PGM, 10 bits", "a.pgm", netpbm(GREY.astype(np.uint16) * 4, 1023), "every bit; range found", grey),
    ("PPM, 12 bits", "a.ppm", netpbm(RGB.astype(np.uint16) * 16, 4095), "every bit; one range for all", colour),
    ("TIFF, 12 bits in 16", "a.tif", tiff(GREY.astype(np.uint16) * 16), "every bit; range found", grey),
    ("TIFF, 16 bits, dim", "a.tif", tiff(GREY.astype(np.uint16)), "every bit; range found", grey),
    (
        "TIFF, 16 bits, grey, LZW",
        "a.tif",
        pillow(GREY.astype(np.uint16), "TIFF", compression="tiff_lzw"),
        "every bit; range found",
        grey,
    ),
    ("TIFF, signed (CT numbers)", "a.tif", tiff(GREY.astype(np.int16) - 1000), "every bit; range found", grey),
    ("TIFF, 32-bit integers", "a.tif", tiff(GREY.astype(np.uint32) * 100_000), "every bit; range found", grey),
    ("TIFF, floating-point", "a.tif", tiff(GREY / 255), "every bit; range found", grey),
    ("TIFF, white is zero", "a.tif", tiff(10_000 - GREY.astype(np.uint16), photometric="miniswhite"), "inverted", grey),
    (
        "TIFF, NaN or infinite",
        "a.tif",
        tiff(WITH_NAN),
        "has 32 pixels that are infinite or no numbers (NaN): give them values",
        None,
    ),
    (
        "TIFF with GDAL's nodata value",
        "a.tif",
        tiff(HOLE, extratags=[(42113, "s", 0, "-9999", True)]),
        "those pixels are black and don't count for the range",
        with_hole,
    ),
    ("TIFF, complex", "a.tif", tiff(GREY.astype(np.complex64)), "has values of the type complex64", None),
    (
        "ImageJ hyperstack, channels",
        "a.tif",
        tiff(STACK, imagej=True, metadata={"axes": "CYX"}),
        "all channels",
        bands(*STACK),
    ),
    ("OME-TIFF, channels", "a.ome.tif", tiff(STACK[:2], metadata={"axes": "CYX"}), "all channels", bands(*STACK[:2])),
    (
        "TIFF, red, green, blue and infrared",
        "a.tif",
        tiff(np.dstack([RGB, GREY]), photometric="rgb", extrasamples=[0]),
        "all channels",
        bands(*np.moveaxis(np.dstack([RGB, GREY]), 2, 0)),
    ),
    (
        "TIFF, two bands",
        "a.tif",
        tiff(np.dstack([GREY, 255 - GREY]), photometric="minisblack", planarconfig="contig"),
        "all channels",
        bands(GREY, 255 - GREY),
    ),
    (
        "TIFF, four planes that the writer took for colours with alpha",
        "a.tif",
        tiff(np.stack([*STACK, GREY]), photometric="rgb", planarconfig="separate"),
        "all channels",
        bands(*STACK, GREY),
    ),
    (
        "GeoTIFF, infrared as the fourth band of 8 bits, which GDAL marks as opacity",
        "a.tif",
        tiff(np.dstack([RGB, GREY]), photometric="rgb", extrasamples=[2], extratags=PLACE),
        "all channels",
        bands(*np.moveaxis(np.dstack([RGB, GREY]), 2, 0)),
    ),
    (
        "GeoTIFF, opacity of two levels",
        "a.tif",
        tiff(
            np.dstack([RGB, np.where(COLUMNS < 9, 0, 255)]).astype(np.uint8),
            photometric="rgb",
            extrasamples=[2],
            extratags=PLACE,
        ),
        "what is transparent has no data",
        transparent_left,
    ),
    (
        "stack along depth",
        "a.tif",
        DEPTH,
        "has several planes (3 along depth): choose one with --plane z=1",
        None,
    ),
    (
        "stack along time and depth",
        "a.tif",
        tiff(np.stack([STACK, STACK]), imagej=True, metadata={"axes": "TZYX"}),
        "has several planes (2 along time, 3 along depth): choose one with --plane t=1,z=1",
        None,
    ),
    (
        "TIFF of several pages",
        "a.tif",
        frames("TIFF"),
        "has several planes (2 along page): choose one with --plane page=1",
        None,
    ),
    ("animated GIF", "a.gif", frames("GIF"), "is an animation of 2 pages: choose one with --plane page=1", None),
    ("animated WebP", "a.webp", frames("WEBP"), "is an animation of 2 pages: choose one with --plane page=1", None),
    ("animated PNG", "a.png", frames("PNG"), "is an animation of 2 pages: choose one with --plane page=1", None),
    (
        "truncated",
        "a.tif",
        lambda path: path.write_bytes(_written(tiff(GREY.astype(np.uint16)), path)[:-100]),
        "can't be read as an image",
        None,
    ),
    (
        "no picture under a picture's name",
        "a.png",
        lambda path: path.write_text("<html>404</html>"),
        "isn't an image",
        None,
    ),
]


def _written(make: Make, path: Path) -> bytes:
    make(path)
    return path.read_bytes()


def smoothed(path: Path) -> None:
    small = Image.fromarray(COLOURS[LABELS]).resize((WIDTH // 2, HEIGHT // 2), Image.Resampling.BILINEAR)
    small.resize((WIDTH * 4, HEIGHT * 4), Image.Resampling.BICUBIC).save(path)


def soft_brush(values: NDArray) -> Make:
    """A disc that fades into the background over several pixels, as GIMP's and Photoshop's brushes paint it."""
    distance = np.hypot(*(np.mgrid[:80, :80] - 40.0))
    opacity = np.clip((34 - distance) / 12, 0, 1)
    painted = values[0] * (1 - opacity) + values[1] * opacity
    return lambda path: Image.fromarray(painted.round().astype(np.uint8)).save(path)


LABEL_MAPS: list[tuple[str, str, Make, str]] = [
    ("PNG with a palette", "a.png", pillow(LABELS.astype(np.uint8), "PNG", mode="P"), ""),
    ("PNG, grey, 8 or 16 bits", "a.png", pillow(LABELS.astype(np.uint16) * 300, "PNG"), ""),
    ("PNG, colours", "a.png", pillow(COLOURS[LABELS], "PNG"), ""),
    ("PNG, 16 bits, RGB", "a.png", png(np.dstack([LABELS] * 3), 2), ""),
    ("PNG, 16 bits, RGB with alpha", "a.png", png(np.dstack([LABELS] * 3 + [65_535 + 0 * LABELS]), 6), ""),
    ("PNG, 16 bits, grey with alpha", "a.png", png(np.dstack([LABELS, 65_535 + 0 * LABELS]), 4), ""),
    ("TIFF (Cellpose, Fiji, QuPath, ilastik)", "a.tif", tiff(LABELS.astype(np.uint16)), ""),
    ("TIFF, 32-bit whole numbers as floats", "a.tif", tiff(LABELS.astype(np.float32)), ""),
    (
        "TIFF, deflate, one plane of a stack",
        "a.tif",
        tiff(LABELS[np.newaxis].astype(np.uint16), compression="zlib"),
        "",
    ),
    ("TIFF under the name of a PNG", "a.png", pillow(LABELS.astype(np.float32), "TIFF"), ""),
    ("NumPy, (1, H, W) or (H, W, 1)", "a.npy", lambda path: np.save(path, LABELS[np.newaxis]), ""),
    ("NumPy, whole numbers as floats", "a.npy", lambda path: np.save(path, LABELS.astype(float)), ""),
    ("MATLAB 5 to 7, `Segmentation`", "a.mat", lambda path: savemat(path, {"Segmentation": LABELS.astype(float)}), ""),
    ("MATLAB 7.3, `Segmentation`", "a.mat", matlab73(cells=False), ""),
    ("MATLAB 7.3, `groundTruth` as in BSD500", "a.mat", matlab73(cells=True), ""),
    ("HDF5 of MATLAB, by `MATLAB_class`", "a.h5", hdf5("Segmentation", LABELS.T.astype(float), matlab=True), ""),
    ("HDF5 with one array (ilastik)", "a.h5", hdf5("exported_data", LABELS[:, :, np.newaxis].astype(np.uint8)), ""),
    (
        "a JPEG, whatever its name",
        "a.png",
        lambda path: path.write_bytes(jpeg((LABELS * 16).astype(np.uint8))),
        "is a JPEG inside, which changes labels when it is saved: save it as PNG or TIFF",
    ),
    ("colours that were scaled smoothly", "a.png", smoothed, "has regions with soft edges"),
    ("mask of a soft brush", "a.png", soft_brush(np.array([0, 255])), "has regions with soft edges"),
    ("negative labels", "a.tif", tiff(LABELS.astype(np.int16) - 1), "holds the negative label -1"),
    ("fractions", "a.tif", tiff((LABELS / 12).astype(np.float32)), "has values that aren't whole numbers"),
    ("a photograph", "a.png", pillow(RNG.integers(0, 256, (300, 300, 3), np.uint8), "PNG"), "not a photograph"),
    (
        "TIFF of several planes",
        "a.tif",
        DEPTH,
        "has several planes (3 along depth)",
    ),
    (
        "Cellpose's `_seg.npy`",
        "a_seg.npy",
        lambda path: np.save(path, np.array({"masks": LABELS}, dtype=object), allow_pickle=True),
        "holds pickled Python objects, which may run code and aren't opened",
    ),
]

STROKES = np.where(ROWS == 4, COLUMNS // 16, 255).astype(np.uint8)

SCRIBBLES: list[tuple[str, str, Make, str]] = [
    (
        "PNG, grey, 255 where there is none",
        "a.png",
        pillow(STROKES, "PNG"),
        "",
    ),
    ("JPEG", "a.jpg", pillow(GREY, "JPEG"), "is a JPEG inside, which changes labels when it is saved: save it as PNG"),
    ("strokes of a soft brush", "a.png", soft_brush(np.array([255, 1])), "was drawn with a soft brush"),
    ("16 bits", "a.png", pillow(LABELS.astype(np.uint16), "PNG"), "has more than 8 bits a pixel"),
    ("colours", "a.png", pillow(COLOURS[LABELS], "PNG"), "has colours"),
    ("transparent in places", "a.png", pillow(np.dstack([GREY, GREY, GREY, ALPHA]), "PNG"), "is transparent in places"),
]


def rows_of(heading: str) -> list[tuple[str, str]]:
    """The rows of the table whose first column has this heading, in the document."""
    text = DOCUMENT.read_text(encoding="utf-8")
    table = re.search(rf"^\| {re.escape(heading)} \|.*?\n\|[-|]+\|\n((?:\|.*\n)+)", text, re.MULTILINE)
    assert table is not None, heading
    return [tuple(cell.strip() for cell in line.strip().strip("|").split(" | ")) for line in table[1].splitlines()]


def stated(kind: str, outcome: str, refused: bool) -> tuple[str, str]:
    return kind, f"refused: *{outcome}*" if refused else outcome


def test_the_document_has_every_kind() -> None:
    assert rows_of("picture") == [stated(kind, said, check is None) for kind, _, _, said, check in PICTURES]
    expected = [stated(kind, refusal or "its labels", bool(refusal)) for kind, _, _, refusal in LABEL_MAPS]
    assert rows_of("label map or annotation") == expected
    expected = [stated(kind, refusal or "its labels", bool(refusal)) for kind, _, _, refusal in SCRIBBLES]
    assert rows_of("scribbles") == expected


@pytest.mark.parametrize(
    ("name", "make", "said", "check"), [row[1:] for row in PICTURES], ids=[row[0] for row in PICTURES]
)
def test_pictures(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    make: Make,
    said: str,
    check: Callable[[Picture], None] | None,
) -> None:
    # Also where it is installed.
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    make(tmp_path / name)
    if check is None:
        one_sentence(tmp_path / name, said, lambda: read_picture(tmp_path / name))
    else:
        check(read_picture(tmp_path / name))


@pytest.mark.parametrize(
    ("name", "make", "refusal"), [row[1:] for row in LABEL_MAPS], ids=[row[0] for row in LABEL_MAPS]
)
def test_label_maps_and_annotations(tmp_path: Path, name: str, make: Make, refusal: str) -> None:
    """As predictions and as annotations."""
    file = tmp_path / name
    make(file)
    (tmp_path / "other").mkdir()
    np.save(tmp_path / "other" / f"{file.stem}.npy", LABELS)
    if refusal:
        one_sentence(file, refusal, lambda: read_prediction(Prediction(file), (HEIGHT, WIDTH)))
        (pair,) = pair_up(tmp_path / "other", file)
        one_sentence(file, refusal, pair.read_segments)
        return
    (prediction,) = list_predictions(file)[file.stem]
    labels = read_prediction(prediction, (HEIGHT, WIDTH))
    # Whatever the labels are, each is one segment.
    assert len(np.unique(np.stack([labels, LABELS]).reshape(2, -1), axis=1).T) == 12
    (pair,) = pair_up(tmp_path / "other", file)
    (segments,) = pair.read_segments()
    assert len(np.unique(np.stack([segments, LABELS]).reshape(2, -1), axis=1).T) == 12
    assert set(np.unique(segments)) == set(range(1, 13))


@pytest.mark.parametrize(("name", "make", "refusal"), [row[1:] for row in SCRIBBLES], ids=[row[0] for row in SCRIBBLES])
def test_scribbles(tmp_path: Path, name: str, make: Make, refusal: str) -> None:
    make(tmp_path / name)
    if refusal:
        one_sentence(tmp_path / name, refusal, lambda: read_scribbles(tmp_path / name))
    else:
        assert np.unique(read_scribbles(tmp_path / name)).tolist() == [0, 1, 255]


def one_sentence(file: Path, text: str, call: Callable[[], object]) -> None:
    with pytest.raises(UserError) as caught:
        call()
    assert str(caught.value).startswith(str(file))
    assert text in str(caught.value)
    assert "\n" not in str(caught.value)


def test_planes_channels_and_ranges_are_chosen(tmp_path: Path) -> None:
    wide = np.stack([STACK, STACK.astype(np.uint16) + 300])
    tifffile.imwrite(tmp_path / "a.tif", wide, imagej=True, metadata={"axes": "ZCYX"})
    picture = read_picture(tmp_path / "a.tif", plane={"z": 2}, channels=(3, 1), value_range=(300, 555))
    np.testing.assert_allclose(picture.pixels, np.dstack([STACK[2], STACK[0]]) / 255, atol=1e-6)
    assert picture.note == "depth 2 of 2, channels 3, 1 of 3, values 300 to 555"
    full = read_picture(tmp_path / "a.tif", plane={"z": 1}, value_range="type").pixels
    np.testing.assert_allclose(full, np.moveaxis(STACK, 0, 2) / 65_535, atol=1e-6)
    for wrong in ({"channels": (4,)}, {"plane": {"z": 3}}, {"plane": {"z": 1, "t": 1}}):
        with pytest.raises(UserError, match=r"a\.tif has (3 channels|no plane)"):
            read_picture(tmp_path / "a.tif", **{"plane": {"z": 1}, **wrong})


def test_pages_are_channels_where_channels_are_asked_for(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", STACK, photometric="minisblack", metadata=None)
    picture = read_picture(tmp_path / "a.tif", channels=(2, 3))
    np.testing.assert_allclose(picture.pixels, np.dstack([STACK[1], STACK[2]]) / 255, atol=1e-6)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_that_of_8_bits(tmp_path: Path, orientation: int) -> None:
    for name, dtype in (("8.tif", np.uint8), ("16.tif", np.uint16)):
        tag = (274, "H", 1, orientation, True)
        tifffile.imwrite(tmp_path / name, GREY.astype(dtype), extratags=[tag], photometric="minisblack")
    eight = read_picture(tmp_path / "8.tif").pixels
    sixteen = read_picture(tmp_path / "16.tif", value_range=(0, 255)).pixels
    np.testing.assert_allclose(sixteen * 255, eight, atol=1e-3)


def test_a_hot_pixel_does_not_make_the_rest_black(tmp_path: Path) -> None:
    dim = np.tile(GREY, (10, 10)).astype(np.uint16)
    dim[5, 5] = 65_535
    tifffile.imwrite(tmp_path / "a.tif", dim)
    assert read_picture(tmp_path / "a.tif").pixels.mean() > 0.3
    assert read_picture(tmp_path / "a.tif", value_range="minmax").pixels.mean() < 0.01


def test_a_small_tiff_that_unpacks_to_more_is_refused(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((HEIGHT, WIDTH), np.uint16), compression="zlib", rowsperstrip=HEIGHT)
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        (offset,), (count,) = file.pages[0].dataoffsets, file.pages[0].databytecounts
    bomb = zlib.compress(bytes(1_000_000))[: max(count, 20)]
    content = bytearray((tmp_path / "a.tif").read_bytes())
    content[offset : offset + len(bomb)] = bomb
    (tmp_path / "a.tif").write_bytes(content)
    with pytest.raises(UserError, match=r"a\.tif can't be read"):
        read_picture(tmp_path / "a.tif")
