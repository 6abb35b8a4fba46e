"""Images that are too large to be read whole: `dynseg segment` by windows, and what it says where it can't."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from click.testing import CliRunner
from large_scene import scene_truth, write_scene
from PIL import Image
from sklearn.metrics import rand_score

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


def segment(*arguments: object) -> str:
    result = CliRunner().invoke(main_group, ["segment", *map(str, arguments)])
    assert result.exit_code == 0, result.output
    return result.output


def refused(*arguments: object) -> str:
    result = CliRunner().invoke(main_group, ["segment", *map(str, arguments)])
    assert result.exit_code == 1, result.output
    assert "Traceback" not in result.output
    return result.output


def test_labels_are_the_same_in_every_format(tmp_path: Path) -> None:
    write_scene(tmp_path / "scene.tif", SIDE, field=100)
    said = segment(tmp_path / "scene.tif", "-o", tmp_path, "--format", "npy", "--format", "png", "--max-size", 150)
    assert "300 × 300, by windows at 150 × 150" in said
    labels = np.load(tmp_path / "scene.npy")
    assert labels.shape == (SIDE, SIDE)
    assert labels.dtype == np.uint8
    assert np.array_equal(np.array(Image.open(tmp_path / "scene.png")), labels)
    assert np.array_equal(np.unique(labels), np.arange(labels.max() + 1))
    assert f"{labels.max() + 1} regions" in said
    assert rand_score(scene_truth(SIDE, 1, field=100).ravel(), labels.ravel()) > 0.9


def test_the_number_of_regions_is_the_one_that_is_wanted(tmp_path: Path) -> None:
    write_scene(tmp_path / "scene.tif", SIDE, field=100)
    segment(tmp_path / "scene.tif", "-o", tmp_path, "--format", "npy", "--max-size", 150, "--segments", 5)
    assert np.array_equal(np.unique(np.load(tmp_path / "scene.npy")), np.arange(5))


def test_a_scene_lies_where_it_lay_and_has_0_exactly_where_it_has_no_data(tmp_path: Path) -> None:
    rasterio = pytest.importorskip("rasterio")
    write_scene(tmp_path / "made.tif", SIDE, bands=5, dtype="uint16", field=100, no_data=0)
    scene = tifffile.imread(tmp_path / "made.tif")
    transform = rasterio.Affine(10, 0, 500_000, 0, -10, 4_600_000)
    profile = {
        "crs": "EPSG:32633",
        "transform": transform,
        "nodata": 0,
        "tiled": True,
        "blockxsize": 64,
        "blockysize": 32,
    }
    with rasterio.open(
        tmp_path / "scene.tif", "w", driver="GTiff", height=SIDE, width=SIDE, count=5, dtype="uint16", **profile
    ) as raster:
        raster.write(np.moveaxis(scene, 2, 0))
    options = ("--format", "geotiff", "--format", "npy", "--max-size", 100)
    said = segment(tmp_path / "scene.tif", "-o", tmp_path / "out", *options)
    assert "5 channels" in said
    with rasterio.open(tmp_path / "out" / "scene.tif") as raster:
        labels = raster.read(1)
        assert (raster.crs, raster.transform, raster.nodata) == (rasterio.CRS.from_epsg(32633), transform, 0)
        assert raster.block_shapes == [(32, 64)]
    assert np.array_equal(labels, np.load(tmp_path / "out" / "scene.npy"))
    assert np.array_equal(labels == 0, (scene == 0).any(axis=2))
    assert np.array_equal(np.unique(labels), np.arange(labels.max() + 1))


def test_an_image_without_any_data_is_0_everywhere(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "empty.tif", np.zeros((200, 200), np.uint16))
    said = segment(tmp_path / "empty.tif", "-o", tmp_path, "--format", "npy", "--nodata", 0)
    assert "0 regions" in said
    assert not np.load(tmp_path / "empty.npy").any()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--method", "network"], "only --method regions works by windows"),
        (["--format", "overlay"], "--format overlay isn't written for such images: choose png, npy, geotiff"),
        (["--plane", "z=2"], "leave out --plane"),
        (["--channels", "4"], "has 3 channels: choose from 1 to 3"),
    ],
)
def test_what_is_not_there_for_large_images_is_one_sentence(tmp_path: Path, options: list[str], said: str) -> None:
    write_scene(tmp_path / "scene.tif", 256)
    output = refused(tmp_path / "scene.tif", "-o", tmp_path / "out", *options)
    assert said in output
    assert not list((tmp_path / "out").glob("scene*"))


def test_masks_and_scribbles_are_refused(tmp_path: Path) -> None:
    write_scene(tmp_path / "scene.tif", 256)
    Image.new("L", (256, 256), 255).save(tmp_path / "marks.png")
    for option in ("--mask", "--scribbles"):
        output = refused(tmp_path / "scene.tif", "-o", tmp_path / "out", option, tmp_path / "marks.png")
        assert "neither scribbles nor masks are read" in output


def test_too_little_memory_is_said_before_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dynseg.training.memory.available_memory", lambda device: 1 << 20)
    write_scene(tmp_path / "scene.tif", 256)
    assert "of memory at" in refused(tmp_path / "scene.tif", "-o", tmp_path / "out")


_PEAK = """
import resource, sys
from dynseg.io import large_tiff
large_tiff.MAX_PIXELS = 1000
from dynseg.cli import main_group
try:
    main_group(sys.argv[1:])
except SystemExit as exit:
    assert not exit.code
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="other systems count the peak in other units")
def test_a_scene_of_36_megapixels_needs_less_than_it_measures(tmp_path: Path) -> None:
    write_scene(tmp_path / "scene.tif", 6000, bands=6, dtype="uint16", no_data=0)
    options = ["--format", "npy", "--max-size", "1500", "--threads", "1"]
    run = subprocess.run(
        [sys.executable, "-c", _PEAK, "segment", str(tmp_path / "scene.tif"), "-o", str(tmp_path), *options],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    # As floating-point numbers the scene alone is 864 MB.
    assert int(run.stdout.splitlines()[-1]) < 1_600_000
    assert np.load(tmp_path / "scene.npy", mmap_mode="r").shape == (6000, 6000)
