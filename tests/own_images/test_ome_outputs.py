"""Label maps for microscopes' programs, opened by ome-zarr's reader and by tifffile; series through the command."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from click.testing import CliRunner, Result
from numpy.typing import NDArray
from PIL import Image

from dynseg.cli import main_group
from dynseg.io.images import read_picture
from dynseg.own_images.matching import MATCHING
from dynseg.own_images.outputs import Labelled, write_outputs
from dynseg.result import Segmentation

QUICK = ["--iterations", "2", "--max-labels", "6", "--min-labels", "1", "--threads", "1"]
SIZE = {"PhysicalSizeY": 0.5, "PhysicalSizeX": 0.25, "PhysicalSizeXUnit": "nm", "PhysicalSizeYUnit": "µm"}
CELLS = np.random.default_rng(0).integers(0, 4000, (2, 300, 280)).astype(np.uint16)
"""(c, y, x)"""
LABELS = (np.indices((300, 280)) // 100).sum(axis=0)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main_group, ["segment", *(str(each) for each in arguments), *QUICK])


def labelled(source: Path, labels: NDArray = LABELS, **options: Any) -> Labelled:
    picture = read_picture(source)
    return Labelled(
        None,
        Segmentation(labels.astype(np.uint8)),
        source.name,
        {},
        source=source,
        bands=picture.bands,
        channel_names=picture.channel_names,
        **options,
    )


def save_cells(path: Path) -> Path:
    about = {"axes": "CYX", "Channel": {"Name": ["DAPI", "GFP"]}, **SIZE}
    tifffile.imwrite(path, CELLS, metadata=about)
    return path


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("version", ["0.4", "0.5", ""])
def test_an_ome_zarr_has_image_labels_and_sizes(tmp_path: Path, version: str) -> None:
    pytest.importorskip("ome_zarr")
    from ome_zarr.io import parse_url
    from ome_zarr.reader import Reader

    source = save_cells(tmp_path / "cells.ome.tif")
    if version:
        # What is read from an OME-Zarr is written in its version.
        source = as_zarr(tmp_path / "in.ome.zarr", version)
    out = tmp_path / "out.ome.zarr"
    write_outputs({"ome-zarr": out}, labelled(source))
    found = {node.zarr.basename(): node for node in Reader(parse_url(out))()}
    image, labels = found["out.ome.zarr"], found["dynseg"]
    np.testing.assert_array_equal(np.asarray(image.data[0]), CELLS)
    np.testing.assert_array_equal(np.asarray(labels.data[0]), LABELS + 1)
    np.testing.assert_array_equal(np.asarray(labels.data[1]), np.asarray(labels.data[0])[1::2, 1::2])
    assert np.asarray(labels.data[0]).dtype == np.uint8
    assert set(labels.metadata["color"]) == set(range(1, 5 + 1))
    assert labels.metadata["properties"][1] == {"area": 10_000}
    scale, *moved = labels.metadata["coordinateTransformations"][0]
    assert scale == {"type": "scale", "scale": [0.5, 0.25]}
    assert moved in ([], [{"type": "translation", "translation": [3, 4] if version else [0, 0]}])
    assert [axis.get("unit") for axis in image.metadata["axes"]] == [None, "micrometer", "nanometer"]
    assert image.metadata["coordinateTransformations"][1][0]["scale"] == [1, 1, 0.5]
    again = read_picture(out)
    assert again.channel_names == ("DAPI", "GFP")
    np.testing.assert_array_equal(again.bands, CELLS.transpose(1, 2, 0))
    check_by_models(out, version or "0.5")


def as_zarr(path: Path, version: str) -> Path:
    from dynseg.io.ome_writing import write_ome_zarr
    from dynseg.io.pixel_sizes import PixelSize

    write_ome_zarr(
        path,
        CELLS.transpose(1, 2, 0),
        LABELS,
        np.zeros((9, 3), np.uint8),
        size=PixelSize(0.5, 0.25, "micrometer", "nanometer", 3, 4),
        channel_names=("DAPI", "GFP"),
        version=version,
    )
    return path


def check_by_models(path: Path, version: str) -> None:
    """The specification's own models of the metadata accept the image and its labels."""
    models = pytest.importorskip("ome_zarr_models")
    import zarr

    group = zarr.open_group(str(path), mode="r")
    assert models.open_ome_zarr(group).ome_zarr_version == version
    assert type(models.open_ome_zarr(group["labels/dynseg"])).__name__ == "ImageLabel"


def test_a_label_of_0_is_kept_where_it_means_no_data(tmp_path: Path) -> None:
    source = save_cells(tmp_path / "cells.ome.tif")
    valid = LABELS > 0
    write_outputs({"ome-tiff": tmp_path / "a.ome.tif"}, labelled(source, valid=valid))
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "a.ome.tif"), LABELS)
    # Labels of one network are the same in all images, whether they have label 0 or not.
    write_outputs({"ome-tiff": tmp_path / "b.ome.tif"}, labelled(source, LABELS + 1, shared_labels=True))
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "b.ome.tif"), LABELS + 2)
    write_outputs({"ome-tiff": tmp_path / "c.ome.tif"}, labelled(source, LABELS + 1, shared_labels=True, first_label=1))
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "c.ome.tif"), LABELS + 1)


def test_folders_of_ome_zarr_are_images(tmp_path: Path) -> None:
    zarr = pytest.importorskip("zarr")
    for name, version in (("a.ome.zarr", 2), ("deep/b.zarr", 3)):
        group = zarr.open_group(str(tmp_path / "in" / name), mode="w", zarr_format=version)
        group.create_array("0", data=CELLS[:, :30, :20].copy())
        axes = [{"name": axis, "type": kind} for axis, kind in (("c", "channel"), ("y", "space"), ("x", "space"))]
        scale = {"type": "scale", "scale": [1, 0.5, 0.5]}
        about = {"axes": axes, "datasets": [{"path": "0", "coordinateTransformations": [scale]}]}
        group.attrs.update({"multiscales": [about]} if version == 2 else {"ome": {"multiscales": [about]}})
    out = tmp_path / "out"
    command = [tmp_path / "in", "-o", out, "--format", "png", "--format", "ome-tiff"]
    result = run(*command)
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    made = sorted(path.relative_to(out).as_posix() for path in out.rglob("*.*"))
    assert made == ["a.ome.tif", "a.png", "deep/b.ome.tif", "deep/b.png", "dynseg-run.json"]
    with tifffile.TiffFile(out / "a.ome.tif") as file:
        assert 'PhysicalSizeX="0.5"' in str(file.ome_metadata)
        np.testing.assert_array_equal(file.asarray(), np.asarray(Image.open(out / "a.png")) + 1)
    # A chunk that changes, deep in a folder, is another image.
    group = zarr.open_group(str(tmp_path / "in" / "a.ome.zarr"), mode="r+")
    group["0"][:] = CELLS[:, 30:60, :20]
    again = run(*command, "--resume")
    assert "1 of 2 images are done already" in again.stderr
    inside = run(tmp_path / "in" / "a.ome.zarr", "-o", tmp_path / "in" / "a.ome.zarr" / "out")
    assert inside.exit_code == 1
    assert "lies in the OME-Zarr" in str(inside.exception)


def test_an_earlier_ome_zarr_is_replaced_and_its_folder_left_as_it_was(tmp_path: Path) -> None:
    pytest.importorskip("ome_zarr")
    source, out = save_cells(tmp_path / "cells.ome.tif"), tmp_path / "out"
    write_outputs({"ome-zarr": out / "a.ome.zarr"}, labelled(source))
    (out / "a.ome.zarr" / "stale").write_text("")
    write_outputs({"ome-zarr": out / "a.ome.zarr"}, labelled(source))
    assert not (out / "a.ome.zarr" / "stale").exists()
    assert [path.name for path in out.iterdir()] == ["a.ome.zarr"]


def save_series(folder: Path, count: int) -> None:
    folder.mkdir(exist_ok=True)
    for number in range(len(list(folder.iterdir())) + 1, count + 1):
        image = np.random.default_rng(number).integers(0, 25, (16, 24, 3))
        image[:, 10 + number :] += np.array([200, 90, 30])
        Image.fromarray(image.astype(np.uint8)).save(folder / f"f{number}.png")


def label_maps(out: Path) -> dict[str, NDArray]:
    return {path.stem: np.load(path) for path in out.glob("*.npy")}


def test_a_series_resumes_to_the_same_labels(tmp_path: Path) -> None:
    frames = tmp_path / "frames"
    save_series(frames, 3)
    formats = ["--format", "npy", "--format", "overlay", "--match"]
    whole, part = tmp_path / "whole", tmp_path / "part"
    assert run(frames, "-o", part, *formats).exit_code == 0
    save_series(frames, 11)
    result = run(frames, "-o", whole, *formats)
    assert result.exit_code == 0, result.output
    # By number: f10 and f11 come last.
    assert [line.split(":")[0] for line in result.stdout.splitlines()] == [
        str(frames / f"f{number}.png") for number in range(1, 12)
    ]
    assert "things are new" in result.stdout.splitlines()[0]
    assert all(labels.min() >= 1 for labels in label_maps(whole).values())
    resumed = run(frames, "-o", part, *formats, "--resume")
    assert "3 of 11 images are done already" in resumed.stderr
    expected = label_maps(whole)
    np.testing.assert_equal(label_maps(part), expected)

    # What comes after an image that is made again rests on it.
    (part / "f2.npy").unlink()
    assert len(run(frames, "-o", part, *formats, "--resume").stdout.splitlines()) == 11
    (part / "f11.npy").unlink()
    assert len(run(frames, "-o", part, *formats, "--resume").stdout.splitlines()) == 11
    np.testing.assert_equal(label_maps(part), expected)
    assert run(frames, "-o", part, *formats, "--resume").stdout == ""

    record = json.loads((part / "dynseg-run.json").read_text())
    assert record["settings"]["match"] is True
    without = run(frames, "-o", part, "--format", "npy", "--resume")
    assert without.exit_code == 1
    assert "was made with match True, which is left out now: leave out --resume" in str(without.exception)
    assert run(frames, "-o", part, "--format", "npy").exit_code == 0
    assert not (part / MATCHING).exists()


def test_match_needs_labels_that_it_may_change(tmp_path: Path) -> None:
    save_series(tmp_path / "frames", 1)
    beside = CliRunner().invoke(
        main_group, ["segment", str(tmp_path / "frames"), "-o", str(tmp_path), "--match", "--scribbles", "a.png"]
    )
    assert beside.exit_code == 2
    assert "--scribbles say which labels there are, and --match changes them: leave one out" in beside.output
