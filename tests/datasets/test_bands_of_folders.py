"""Folders of pictures with many bands and pixels without data, from the archive to label maps."""

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from click.testing import CliRunner
from numpy.typing import NDArray
from PIL import Image
from pydantic import ValidationError

from dynseg.cli import main_group
from dynseg.datasets.folder import Keys
from dynseg.datasets.reading import read_stored_images, read_stored_picture
from dynseg.errors import UserError
from dynseg.io.ground_truth import read_segments
from dynseg.io.label_maps import read_hierarchy, read_labels
from dynseg.workflow.datasets import prepare_options

SETTINGS = {
    "regions": ("networks=1", "channels=8", "iterations=2", "segments=4"),
    "cnn": ("scheme=fsf", "mu=5", "channels=8", "iterations=3"),
    "kmeans": ("clusters=3", "window=1"),
}


@pytest.fixture
def scene(tmp_path: Path) -> NDArray[np.uint16]:
    """A picture of five bands, (H, W, 5), with pixels without data, and its annotation."""
    bands = np.random.default_rng(0).integers(100, 140, (24, 30, 5)).astype(np.uint16)
    bands[:, 15:] += np.array([700, 20, 400, 50, 900], np.uint16)
    bands[:6, :4] = 0
    for folder in ("pictures", "drawn"):
        (tmp_path / folder).mkdir()
    tifffile.imwrite(tmp_path / "pictures/a.tif", bands, photometric="minisblack", planarconfig="contig")
    Image.fromarray((1 + np.indices((24, 30))[1] // 15).astype(np.uint8)).save(tmp_path / "drawn/a.png")
    return bands


def prepare(tmp_path: Path, *options: str) -> None:
    arguments = ["prepare", "folder", "--archive", str(tmp_path / "pictures"), "--name", "scenes"]
    arguments += ["--annotations", str(tmp_path / "drawn"), "--output", str(tmp_path / "scenes"), *options]
    result = CliRunner().invoke(main_group, arguments)
    assert result.exit_code == 0, f"{result.output}{result.exception}"


def test_what_an_entry_says_of_reading_holds_for_every_reader(tmp_path: Path, scene: NDArray[np.uint16]) -> None:
    prepare(tmp_path)
    whole, content = read_stored_picture(tmp_path / "scenes", "a"), read_stored_images(tmp_path / "scenes")["a"].content
    assert (whole.pixels.shape, whole.valid) == ((24, 30, 5), None)
    prepare(tmp_path, "--channels", "5,3,2", "--range", "0,2000", "--nodata", "0")
    chosen = read_stored_picture(tmp_path / "scenes", "a")
    assert np.array_equal(chosen.bands, scene[:, :, [4, 2, 1]])
    np.testing.assert_allclose(chosen.pixels, scene[:, :, [4, 2, 1]] / 2000, atol=1e-6)
    assert chosen.valid is not None
    assert np.array_equal(chosen.valid, scene.all(axis=2))
    # Label maps of before are no longer those of this picture.
    assert read_stored_images(tmp_path / "scenes")["a"].content != content
    annotation = read_segments(tmp_path / "scenes/ground_truth.h5", "a")
    assert np.array_equal(annotation[0] > 0, scene.all(axis=2))
    prepare(tmp_path)
    assert read_stored_picture(tmp_path / "scenes", "a").valid is None
    assert read_stored_images(tmp_path / "scenes")["a"].content == content


def test_an_entry_chooses_channels_by_name(tmp_path: Path, scene: NDArray[np.uint16]) -> None:
    about = {"axes": "CYX", "Labels": ["blue", "green", "red", "edge", "infrared"]}
    tifffile.imwrite(tmp_path / "pictures/a.tif", np.moveaxis(scene, 2, 0).copy(), imagej=True, metadata=about)
    entry = {"kind": "folder", "archive": str(tmp_path / "pictures"), "channels": ["infrared", 3]}
    assert Keys.model_validate({name: value for name, value in entry.items() if name != "kind"})
    prepare(tmp_path, *prepare_options(entry))
    chosen = read_stored_picture(tmp_path / "scenes", "a")
    assert np.array_equal(chosen.bands, scene[:, :, [4, 2]])
    assert chosen.channel_names == ("infrared", "red")
    arguments = ["prepare", "folder", "--archive", str(tmp_path / "pictures"), "--name", "scenes"]
    arguments += ["--output", str(tmp_path / "other"), "--channels", "nir"]
    result = CliRunner().invoke(main_group, arguments)
    assert result.exit_code == 1
    assert "a.tif has no channel 'nir': choose from blue, green, red, edge, infrared with --channels" in str(
        result.exception
    )


@pytest.mark.parametrize("channels", ["DAPI", "Alexa 488", 2, [1, "DAPI"], ["GFP", "DAPI"]])
def test_names_and_numbers_of_channels_are_keys(channels: object) -> None:
    assert Keys.model_validate({"archive": "x", "channels": channels}).channels == channels


@pytest.mark.parametrize("channels", [0, "0", "1,2", "a,b", ["DAPI", "-2"], [], [0], [1.5], "-1"])
def test_a_channel_that_is_neither_name_nor_number_is_refused(channels: object) -> None:
    with pytest.raises(ValidationError):
        Keys.model_validate({"archive": "x", "channels": channels})


@pytest.mark.parametrize("method", sorted(SETTINGS))
def test_label_maps_are_zero_where_there_is_no_data(tmp_path: Path, scene: NDArray[np.uint16], method: str) -> None:
    prepare(tmp_path, "--nodata", "0")
    output = tmp_path / "labels.h5"
    arguments = ["segment-batch", "--dataset-dir", str(tmp_path / "scenes"), "--batch", "a", "--method", method]
    arguments += [part for setting in SETTINGS[method] for part in ("--set", setting)]
    result = CliRunner().invoke(main_group, [*arguments, "--device", "cpu", "--output", str(output)])
    assert result.exit_code == 0, f"{result.output}{result.exception}"
    labels = read_labels(output, "a")
    assert np.array_equal(labels > 0, scene.all(axis=2))
    hierarchy = read_hierarchy(output, "a")
    assert (hierarchy is not None) == (method == "regions")
    if hierarchy is not None:
        assert np.array_equal(hierarchy.cut_into(4), labels)


def test_a_broken_record_of_reading_is_a_sentence(tmp_path: Path, scene: NDArray[np.uint16]) -> None:
    prepare(tmp_path, "--nodata", "0")
    (tmp_path / "scenes/reading.json").write_text(json.dumps(["nodata"]))
    with pytest.raises(UserError, match=r"doesn't say how to read images: run `dynseg prepare` again"):
        read_stored_picture(tmp_path / "scenes", "a")
