"""OME-Zarr in folders of pictures: prepared, read and segmented as other pictures are."""

import os
import shutil
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from click.testing import CliRunner
from PIL import Image

from dynseg.cli import main_group
from dynseg.datasets import find_kind
from dynseg.datasets.preparing import prepare
from dynseg.datasets.reading import find_image, read_stored_images, read_stored_picture
from dynseg.errors import UserError
from dynseg.io.ground_truth import read_segments
from dynseg.io.label_maps import read_labels

zarr = pytest.importorskip("zarr")
writer = pytest.importorskip("ome_zarr.writer")

STACK = np.random.default_rng(0).integers(100, 140, (2, 3, 24, 30)).astype(np.uint16)
STACK[:, :, :, 15:] += 800
STACK[1, :, :, :15] += 300
"""(c, z, y, x): the second channel is the other way round."""
OPTIONS = {"plane": "z=2", "channels": "GFP,DAPI", "range": "0,1500"}


def write(path: Path, values: Any = STACK) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        window = {"min": 0, "max": 1500, "start": 0, "end": 1500}
        omero = {"channels": [{"label": name, "color": "00FF00", "window": window} for name in ("DAPI", "GFP")]}
        group = zarr.open_group(str(path), mode="w")
        writer.write_image(values, group, axes="czyx", scale_factors=[2], omero=omero)
    return path


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    write(tmp_path / "pictures/a.ome.zarr")
    write(tmp_path / "pictures/below/b.zarr", STACK[:, ::-1].copy())
    return tmp_path / "pictures"


def test_a_zarr_is_a_picture_as_others_are(tmp_path: Path, pictures: Path) -> None:
    tifffile.imwrite(pictures / "c.tif", STACK.transpose(1, 0, 2, 3).copy(), imagej=True, metadata={"axes": "ZCYX"})
    (pictures / ".hidden.zarr").mkdir()
    (pictures / ".hidden.zarr" / "zarr.json").write_text("{}")
    options = {**OPTIONS, "channels": "2,1"}
    with warnings.catch_warnings():
        # None of the chunks is a file of another type.
        warnings.simplefilter("error", UserWarning)
        assert prepare("folder", pictures, tmp_path / "out", "cells", **options) == ["a", "below_b", "c"]
    for image_id in ("a", "below_b", "c"):
        picture = read_stored_picture(tmp_path / "out", image_id)
        assert np.array_equal(picture.bands, STACK[::-1, 1].transpose(1, 2, 0))
        size = read_stored_images(tmp_path / "out")[image_id]
        assert (size.height, size.width) == (24, 30)
    assert find_image(tmp_path / "out", "a").name == "a.zarr"


def test_channels_are_chosen_by_name_and_ids_listed(tmp_path: Path, pictures: Path) -> None:
    ids = prepare(
        "folder", pictures, tmp_path / "out", "cells", lambda ids: [each for each in ids if "b" in each], **OPTIONS
    )
    assert ids == ["below_b"]
    assert [path.name for path in (tmp_path / "out/images").iterdir()] == ["below_b.zarr"]
    assert read_stored_picture(tmp_path / "out", "below_b").channel_names == ("GFP", "DAPI")


def test_annotations_are_those_of_the_same_name(tmp_path: Path, pictures: Path) -> None:
    (tmp_path / "drawn/below").mkdir(parents=True)
    halves = (1 + np.indices((24, 30))[1] // 15).astype(np.uint8)
    for name in ("a.png", "below/b.png"):
        Image.fromarray(halves).save(tmp_path / "drawn" / name)
    prepare("folder", pictures, tmp_path / "out", "cells", annotations=tmp_path / "drawn", **OPTIONS)
    assert np.array_equal(read_segments(tmp_path / "out/ground_truth.h5", "below_b")[0], halves)


def test_a_changed_chunk_is_another_image_and_an_unchanged_one_is_not(tmp_path: Path, pictures: Path) -> None:
    def prepared() -> dict[str, str]:
        prepare("folder", pictures, tmp_path / "out", "cells", **OPTIONS)
        return {name: image.content for name, image in read_stored_images(tmp_path / "out").items()}

    for file in (pictures / "a.ome.zarr").rglob("*"):
        os.utime(file, (1_000_000, 1_000_000))
    first = prepared()
    assert find_image(tmp_path / "out", "a").stat().st_mtime == 1_000_000
    assert prepared() == first
    write(pictures / "a.ome.zarr", STACK + 1)
    again = prepared()
    assert again["a"] != first["a"]
    assert again["below_b"] == first["below_b"]


@pytest.mark.parametrize("method", ["kmeans", "cnn"])
def test_label_maps_are_those_of_the_same_picture_in_another_file(tmp_path: Path, pictures: Path, method: str) -> None:
    values = STACK[:, 1].copy()
    shutil.rmtree(pictures / "below")
    write(pictures / "b.zarr")
    (tmp_path / "tiffs").mkdir()
    for name in "ab":
        tifffile.imwrite(tmp_path / f"tiffs/{name}.tif", values, imagej=True, metadata={"axes": "CYX"})
    prepare("folder", pictures, tmp_path / "zarrs", "cells", plane="z=2")
    prepare("folder", tmp_path / "tiffs", tmp_path / "same", "cells")
    settings = {"kmeans": ["clusters=2", "window=1"], "cnn": ["scheme=fsf", "mu=5", "channels=8", "iterations=3"]}
    for dataset in ("zarrs", "same"):
        arguments = ["segment-batch", "--dataset-dir", tmp_path / dataset, "--batch", "batch@0of1", "--method", method]
        arguments += [part for setting in settings[method] for part in ("--set", setting)]
        arguments += ["--device", "cpu", "--output", tmp_path / f"{dataset}.h5"]
        result = CliRunner().invoke(main_group, [str(each) for each in arguments])
        assert result.exit_code == 0, f"{result.output}{result.exception}"
    for name in "ab":
        assert np.array_equal(read_labels(tmp_path / "zarrs.h5", name), read_labels(tmp_path / "same.h5", name))


def test_the_plan_knows_how_large_they_are(tmp_path: Path) -> None:
    write(tmp_path / "pictures/a.zarr", STACK[:, :1])
    Image.new("RGB", (7, 5)).save(tmp_path / "pictures/b.png")
    assert find_kind("folder").expected({"archive": str(tmp_path / "pictures")}) == [(24, 30), (5, 7)]


def test_what_is_not_read_is_one_sentence(tmp_path: Path, pictures: Path) -> None:
    with pytest.raises(
        UserError, match=r"a.ome.zarr has several planes \(3 along depth\): choose one with --plane z=1"
    ):
        prepare("folder", pictures, tmp_path / "out", "cells")
    write(pictures / "a.zarr")
    with pytest.raises(UserError, match=r"'a.*zarr' and 'a.*zarr' would both be the image 'a': rename one of them"):
        prepare("folder", pictures, tmp_path / "out", "cells", **OPTIONS)
    with pytest.raises(
        UserError, match=r"a.zarr is an OME-Zarr, which is one picture: give the folder that it lies in"
    ):
        prepare("folder", pictures / "a.zarr", tmp_path / "out", "cells", **OPTIONS)
    with zipfile.ZipFile(tmp_path / "cells.zip", "w") as file:
        for path in sorted(pictures.rglob("*")):
            file.write(path, path.relative_to(tmp_path))
    with pytest.raises(
        UserError, match=r"cells.zip holds the OME-Zarr 'pictures/.*zarr': unpack it, and give the fold"
    ):
        prepare("folder", tmp_path / "cells.zip", tmp_path / "out", "cells", **OPTIONS)
    shutil.rmtree(pictures)
    (pictures / "broken.zarr").mkdir(parents=True)
    (pictures / "broken.zarr" / "zarr.json").write_text("{")
    with pytest.raises(UserError, match=r"pictures: broken.zarr can't be read as an image"):
        prepare("folder", pictures, tmp_path / "out", "cells")
    assert not (tmp_path / "out").exists()
