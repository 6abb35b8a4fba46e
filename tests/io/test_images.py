"""Pictures of every mode and kind that users have."""

import contextlib
import io
import random
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image

from dynseg.errors import UserError
from dynseg.io.images import read_image, read_label_image, read_picture, shown_as_rgb

RGB = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255]], [[10, 20, 30], [40, 50, 60], [255, 255, 255]]], np.uint8)
GREY = np.array([[0, 100, 255], [1, 2, 3]], np.uint8)


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    content = io.BytesIO()
    image.save(content, kind, **options)
    return content.getvalue()


@pytest.mark.parametrize(("kind", "options"), [("PNG", {}), ("BMP", {}), ("TIFF", {}), ("WEBP", {"lossless": True})])
def test_lossless_kinds_are_exact(tmp_path: Path, kind: str, options: dict) -> None:
    (tmp_path / "a").write_bytes(encoded(Image.fromarray(RGB), kind, **options))
    image = read_image(tmp_path / "a")
    assert image.dtype == np.uint8
    np.testing.assert_array_equal(image, RGB)


def test_grey_is_repeated() -> None:
    np.testing.assert_array_equal(read_image(encoded(Image.fromarray(GREY))), np.dstack([GREY] * 3))


def test_bilevel_is_black_and_white() -> None:
    image = read_image(encoded(Image.fromarray(GREY > 50)))
    np.testing.assert_array_equal(image[:, :, 0], np.where(GREY > 50, 255, 0))


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bits_are_scaled_and_keep_every_bit(kind: str) -> None:
    for values in (GREY.astype(np.uint16) * 257, GREY.astype(np.uint16) + 1000):
        image = read_image(encoded(Image.fromarray(values), kind))
        assert image.dtype == np.float32
        np.testing.assert_allclose(image, np.dstack([GREY] * 3) / 255, atol=1e-6)


def test_transparency_is_laid_on_white() -> None:
    rgba = np.dstack([RGB, np.array([[255, 0, 255], [255, 255, 0]], np.uint8)])
    expected = RGB.copy()
    expected[0, 1] = expected[1, 2] = 255
    np.testing.assert_array_equal(read_image(encoded(Image.fromarray(rgba))), expected)


def test_palette_is_looked_up_and_its_transparency_is_white() -> None:
    image = Image.new("P", (3, 1))
    image.putpalette([9, 8, 7, 6, 5, 4, 3, 2, 1])
    image.putdata([0, 1, 2])
    np.testing.assert_array_equal(read_image(encoded(image, transparency=1)), [[[9, 8, 7], [255] * 3, [3, 2, 1]]])


def test_cmyk_becomes_rgb() -> None:
    cmyk = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    image = read_image(encoded(cmyk, "JPEG", quality=100))
    np.testing.assert_allclose(image[8, 8], [255, 0, 0], atol=4)


@pytest.mark.parametrize(("orientation", "turned"), [(3, np.rot90(RGB, 2)), (6, np.rot90(RGB, -1)), (2, RGB[:, ::-1])])
def test_orientation_of_the_camera_is_applied(orientation: int, turned: NDArray) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    np.testing.assert_array_equal(read_image(encoded(Image.fromarray(RGB), exif=exif)), turned)


def test_one_pixel() -> None:
    assert read_image(encoded(Image.new("RGB", (1, 1), "red"))).tolist() == [[[255, 0, 0]]]


@pytest.mark.parametrize("kind", ["TIFF", "GIF", "WEBP", "PNG"])
def test_one_of_several_pages_must_be_chosen(kind: str) -> None:
    frames = [Image.new("RGB", (2, 2), colour) for colour in ("red", "blue")]
    content = encoded(frames[0], kind, save_all=True, append_images=frames[1:])
    with pytest.raises(UserError, match=r"^an image (has several planes \(2 along page\)|is an animation of 2 pages)"):
        read_image(content)
    picture = read_picture(content, plane={"page": 2})
    np.testing.assert_allclose(shown_as_rgb(picture.pixels)[0, 0], [0, 0, 255], atol=1)
    assert "page 2 of 2" in picture.note
    for wrong in ({"page": 3}, {"z": 1}, {"page": 1, "t": 1}):
        with pytest.raises(UserError):
            read_picture(content, plane=wrong)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP", "TIFF", "WEBP", "GIF"])
def test_truncated_image_is_a_user_error(kind: str) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8))
    whole = encoded(noise, kind)
    for length in [0, 1, 10, len(whole) // 2, int(0.8 * len(whole))]:
        with pytest.raises(UserError, match=r"it's broken\.png"):
            read_image(whole[:length], "it's broken.png")


def test_broken_bytes_never_give_another_error() -> None:
    rng = random.Random(0)
    for kind in ("PNG", "JPEG", "TIFF", "BMP", "WEBP", "GIF"):
        whole = encoded(Image.fromarray(RGB), kind)
        for _ in range(100):
            content = bytearray(whole)
            for _ in range(3):
                content[rng.randrange(len(content))] = rng.randrange(256)
            for read in (read_image, read_label_image):
                with contextlib.suppress(UserError):
                    read(bytes(content), "a.png")


@pytest.mark.parametrize("text", [b"", b"no image", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"])
def test_no_image_is_a_user_error(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "a.png").write_bytes(text)
    with pytest.raises(UserError, match=r"a\.png isn't an image"):
        read_image(tmp_path / "a.png")


def test_missing_file_is_a_user_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"b\.png doesn't exist"):
        read_image(tmp_path / "b.png")


def test_image_bomb_is_refused_with_its_bound() -> None:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0))
    with pytest.raises(UserError, match=r"bomb\.png has more than 178,956,970 pixels"):
        read_image(b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"")), "bomb.png")


def test_a_large_tiff_is_refused_with_what_reads_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dynseg.io.images.MAX_PIXELS", 20)
    tifffile.imwrite(tmp_path / "scene.tif", np.zeros((5, 6), np.uint16))
    with pytest.raises(UserError, match=r"scale it down, or make regions of it with dynseg\.segment_large$"):
        read_image(tmp_path / "scene.tif")


def test_tiles_that_a_tiff_declares_and_has_not_are_a_user_error() -> None:
    file = io.BytesIO()
    tifffile.imwrite(file, np.ones((5, 7, 4), np.uint16), tile=(16, 16), photometric="rgb")
    width = struct.pack("<HHII", 256, 4, 1, 7)
    assert file.getvalue().count(width) == 1
    wider = file.getvalue().replace(width, struct.pack("<HHII", 256, 4, 1, 16_711_680))
    with pytest.raises(UserError, match="parts of it are missing"):
        read_picture(wider, "wide.tif")


def test_pictures_keep_the_numbers_of_their_file_and_tell_which_have_data() -> None:
    values = np.arange(2 * 3 * 5, dtype=np.uint16).reshape(2, 3, 5) + 300
    values[0, 1] = 0
    file = io.BytesIO()
    tifffile.imwrite(
        file, values, photometric="minisblack", planarconfig="contig", extratags=[(42113, "s", 0, "0", True)]
    )
    picture = read_picture(file.getvalue())
    assert picture.bands.dtype == np.uint16
    assert np.array_equal(picture.bands, values)
    assert picture.valid is not None
    assert np.argwhere(~picture.valid).tolist() == [[0, 1]]


def test_eight_bit_colours_are_their_own_numbers() -> None:
    picture = read_picture(encoded(Image.new("RGB", (3, 2), (1, 2, 3)), "PNG"))
    assert picture.bands is picture.pixels
    assert picture.valid is None


def test_labels_are_palette_indices_and_grey_values() -> None:
    palette = Image.new("P", (3, 2))
    palette.putpalette([1, 2, 3] * 256)
    palette.putdata(GREY.ravel().tolist())
    np.testing.assert_array_equal(read_label_image(encoded(palette)), GREY)
    np.testing.assert_array_equal(read_label_image(encoded(Image.fromarray(GREY))), GREY)
    wide = GREY.astype(np.uint16) * 257
    np.testing.assert_array_equal(read_label_image(encoded(Image.fromarray(wide))), wide)


def test_each_colour_is_a_label_and_black_is_0() -> None:
    colours = np.array([[[0, 0, 0], [0, 0, 1], [0, 1, 0]], [[1, 0, 0], [255, 255, 255], [0, 0, 0]]], np.uint8)
    labels = read_label_image(encoded(Image.fromarray(colours)))
    assert labels.tolist() == [[0, 1, 256], [65536, 0xFFFFFF, 0]]


def test_a_heic_is_read_by_its_own_package(tmp_path: Path) -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    rows, columns = np.indices((48, 64))
    colours = np.stack([rows * 5, columns * 3, 200 - rows * 2], axis=2).astype(np.uint8)
    pillow_heif.from_pillow(Image.fromarray(colours)).save(tmp_path / "a.heic", quality=95, chroma=444)
    # Names don't matter.
    (tmp_path / "a.jpg").write_bytes((tmp_path / "a.heic").read_bytes())
    for name in ("a.heic", "a.jpg"):
        picture = read_picture(tmp_path / name)
        assert picture.pixels.shape == colours.shape
        assert picture.pixels.dtype == np.uint8
        assert np.abs(picture.pixels.astype(int) - colours).mean() < 2
    cut = (tmp_path / "a.heic").read_bytes()[:-600]
    with pytest.raises(UserError, match="a broken one"):
        read_picture(cut, name="a broken one")
    with pytest.raises(UserError, match="changes labels"):
        read_label_image(tmp_path / "a.heic")
