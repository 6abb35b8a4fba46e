"""`dynseg.segment_large`: the same label maps as the command's, and what it says where it can't."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from click.testing import CliRunner
from large_scene import write_scene
from PIL import Image

import dynseg
from dynseg import large
from dynseg.cli import main_group
from dynseg.io import large_tiff
from dynseg.regions import windows

SIDE = 300


@pytest.fixture(autouse=True)
def _small_images_are_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(large_tiff, "MAX_PIXELS", 10_000)
    monkeypatch.setattr(large, "_ROWS", 37)
    monkeypatch.setattr(windows, "WINDOW", 64)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A picture of five bands, with a corner without data."""
    path = tmp_path_factory.mktemp("scene") / "scene.tif"
    write_scene(path, SIDE, bands=5, dtype="uint16", field=100, no_data=0)
    return path


def commanded(*arguments: object) -> None:
    result = CliRunner().invoke(main_group, ["segment", *map(str, arguments)])
    assert result.exit_code == 0, result.output


def test_files_are_those_of_the_command_byte_for_byte(tmp_path: Path, scene: Path) -> None:
    pytest.importorskip("rasterio")
    options = ["--max-size", 100, "--segments", 6, "--seed", 3, "--channels", "4,2,1", "--range", "0,50000"]
    commanded(
        scene, "-o", tmp_path, "--format", "npy", "--format", "geotiff", "--threads", 1, "--device", "cpu", *options
    )
    told: list[tuple[int, int]] = []
    result = dynseg.segment_large(
        scene,
        segments=6,
        seed=3,
        device="cpu",
        max_size=100,
        channels=[4, 2, 1],
        value_range=(0, 50000),
        on_window=lambda number, count: told.append((number, count)),
    )
    result.save(tmp_path / "api.npy")
    result.save(str(tmp_path / "api.TIF"))
    assert (tmp_path / "api.npy").read_bytes() == (tmp_path / "scene.npy").read_bytes()
    assert (tmp_path / "api.TIF").read_bytes() == (tmp_path / "scene.tif").read_bytes()
    assert told == [(number, 4) for number in range(1, 5)]
    assert (result.facts["segments"], result.factor, result.regions.shape) == (6, 3, (100, 100))
    assert "channels 4, 2, 1 of 5" in result.note


def test_rows_are_those_of_the_file(tmp_path: Path, scene: Path) -> None:
    result = dynseg.segment_large(str(scene), scale=0.3, device="cpu", max_size=60, channels="1,2", no_data=7.0)
    result.save(tmp_path / "labels.npy")
    saved = np.load(tmp_path / "labels.npy", mmap_mode="r")
    assert (saved.shape, saved.dtype) == (result.shape, result.dtype) == ((SIDE, SIDE), np.dtype(np.uint8))
    rows = list(result.rows())
    assert [each.start for each, _ in rows] == [0, *(each.stop for each, _ in rows[:-1])]
    assert np.array_equal(np.concatenate([labels for _, labels in rows]), saved)
    assert result.has_gaps
    assert saved.min() == 0


def test_channels_are_chosen_by_name_as_in_the_command(tmp_path: Path, scene: Path) -> None:
    descriptions = "".join(
        f'<Item name="DESCRIPTION" sample="{number}" role="description">{name}</Item>'
        for number, name in enumerate(["blue", "green", "red", "edge", "infrared"])
    )
    about = [(42112, "s", 0, f"<GDALMetadata>{descriptions}</GDALMetadata>", True)]
    tifffile.imwrite(
        tmp_path / "a.tif", tifffile.imread(scene), photometric="minisblack", planarconfig="contig", extratags=about
    )
    for name, channels in (("numbers", "5,2"), ("names", "infrared,green")):
        commanded(
            tmp_path / "a.tif", "-o", tmp_path / name, "--format", "npy", "--max-size", 50, "--channels", channels
        )
    result = dynseg.segment_large(tmp_path / "a.tif", device="cpu", max_size=50, channels=["infrared", 2], no_data=0)
    assert "channels 5, 2 of 5" in result.note
    assert (tmp_path / "numbers/a.npy").read_bytes() == (tmp_path / "names/a.npy").read_bytes()
    with pytest.raises(
        dynseg.UserError, match=r"a.tif has no channel 'nir': choose from blue, green, red, edge, infra"
    ):
        dynseg.segment_large(tmp_path / "a.tif", channels="nir")


@pytest.mark.parametrize(
    "about", ["<GDALMetadata", '<GDALMetadata><Item sample="9" role="description"/></GDALMetadata>']
)
def test_names_that_are_not_as_gdal_writes_them_are_none(tmp_path: Path, scene: Path, about: str) -> None:
    tags = [(42112, "s", 0, about, True)]
    tifffile.imwrite(
        tmp_path / "a.tif", tifffile.imread(scene), photometric="minisblack", planarconfig="contig", extratags=tags
    )
    with pytest.raises(dynseg.UserError, match="doesn't name its channels, so that none is 'red'"):
        dynseg.segment_large(tmp_path / "a.tif", channels="red")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"segments": 0}, "segments must be a whole number of at least 1, not 0"),
        ({"seed": -1}, "seed must be a whole number from 0"),
        ({"max_size": 0}, "max_size must be a whole number of pixels"),
        ({"value_range": "half"}, "the range 'half' isn't known"),
        ({"value_range": (3, 1)}, "the range '3,1' isn't known"),
        ({"channels": "1,-2"}, "the channels '1,-2' aren't known"),
        ({"channels": ["nir"]}, "scene.tif doesn't name its channels, so that none is 'nir'"),
        ({"channels": 5}, "channels must be numbers from 1, or names, not 5"),
        ({"channels": []}, "channels must be at least one"),
        ({"value_range": None}, "value_range must be a name or two numbers, not None"),
        ({"no_data": "abc"}, "no_data must be a number or None, not 'abc'"),
        ({"path": [1]}, "the path must be text or a path, not list"),
        ({"channels": [6]}, "scene.tif has 5 channels: choose from 1 to 5"),
    ],
)
def test_what_is_not_allowed_is_one_sentence(scene: Path, options: dict[str, Any], said: str) -> None:
    with pytest.raises(dynseg.UserError, match=said):
        dynseg.segment_large(**{"path": scene, "device": "cpu", **options})


def test_what_is_not_large_is_for_the_other_function(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.new("RGB", (300, 200)).save(tmp_path / "photo.jpg")
    Image.new("RGB", (90, 90)).save(tmp_path / "small.tif")
    for name in ("photo.jpg", "small.tif"):
        with pytest.raises(dynseg.UserError, match=rf"{name} is no TIFF .*: give it to dynseg.segment_regions"):
            dynseg.segment_large(tmp_path / name)
    with pytest.raises(dynseg.UserError, match=r"none.tif doesn't exist"):
        dynseg.segment_large(tmp_path / "none.tif")


@pytest.mark.parametrize("segment", [dynseg.segment_regions, dynseg.segment])
def test_other_functions_name_the_one_for_large_images(scene: Path, segment: Any) -> None:
    with pytest.raises(dynseg.UserError, match=r"too large to be read whole: dynseg.segment_large makes regions of it"):
        segment(scene)


def test_other_kinds_of_files_and_lost_images_are_refused(tmp_path: Path) -> None:
    write_scene(tmp_path / "scene.tif", 256, no_data=0)
    result = dynseg.segment_large(tmp_path / "scene.tif", device="cpu", max_size=30)
    with pytest.raises(dynseg.UserError, match=r"labels.png doesn't end in .npy, .tif, .tiff: name such a file"):
        result.save(tmp_path / "labels.png")
    (tmp_path / "scene.tif").unlink()
    with pytest.raises(dynseg.UserError, match=r"scene.tif isn't the image any more whose regions were found"):
        result.save(tmp_path / "labels.npy")
    assert list(tmp_path.iterdir()) == []
