"""`--channels`, `--range` and `--plane`, through `dynseg segment` and `dynseg fit`."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from click.testing import CliRunner
from PIL import Image

import dynseg
from dynseg.cli import main_group
from dynseg.errors import UserError
from dynseg.io.images import Reading, parse_channels, parse_plane, read_image
from dynseg.io.label_maps import read_attributes
from dynseg.io.value_range import parse_value_range

CELLS = np.where(np.mgrid[:24, :32][1] < 16, 100, 900).astype(np.uint16)
CELLS += np.random.default_rng(0).integers(0, 30, CELLS.shape, np.uint16)
EMPTY = np.full_like(CELLS, 3)


def run(*arguments: object) -> str:
    quick = ("--iterations", 5, "--threads", 1, "--device", "cpu")
    result = CliRunner().invoke(main_group, [str(each) for each in (*arguments, *quick)])
    assert result.exit_code == 0, result.output
    return result.output


def segmented(folder: Path, *options: object) -> np.ndarray:
    run("segment", folder / "a.tif", "-o", folder / "out", "--format", "npy", *options)
    return np.load(folder / "out" / "a.npy")


def test_the_order_of_channels_in_a_file_does_not_matter_if_they_are_picked(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.stack([EMPTY, CELLS]), imagej=True, metadata={"axes": "CYX"})
    second = segmented(tmp_path, "--channels", "2")
    tifffile.imwrite(tmp_path / "a.tif", CELLS)
    np.testing.assert_array_equal(segmented(tmp_path), second)


def test_channels_are_picked_by_the_names_that_the_file_has_for_them(tmp_path: Path) -> None:
    about = {"axes": "CYX", "Labels": ["empty", "cells"]}
    tifffile.imwrite(tmp_path / "a.tif", np.stack([EMPTY, CELLS]), imagej=True, metadata=about)
    options = ("-o", tmp_path / "out", "--format", "npy", "--channels", "cells,1")
    assert "channels 2, 1 of 2 (cells, empty)" in run("segment", tmp_path / "a.tif", *options)
    record = json.loads((tmp_path / "out" / "dynseg-run.json").read_text())
    assert record["settings"]["channels"] == ["cells", 1]
    assert "1 of 1 images are done already" in run("segment", tmp_path / "a.tif", *options, "--resume")
    named = np.load(tmp_path / "out" / "a.npy")
    np.testing.assert_array_equal(segmented(tmp_path, "--channels", "2,1"), named)
    arguments = ["segment", tmp_path / "a.tif", "-o", tmp_path / "out", "--channels", "cells,nuclei"]
    result = CliRunner().invoke(main_group, [str(each) for each in arguments])
    assert result.exit_code == 1
    assert result.output.strip() == (
        f"dynseg: {tmp_path / 'a.tif'} has no channel 'nuclei': choose from empty, cells with --channels"
    )


def test_what_was_read_is_said_and_recorded(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.stack([EMPTY, CELLS]), imagej=True, metadata={"axes": "ZYX"})
    options = ("--plane", "z=2", "--range", "0,1000", "--format", "h5", "--format", "overlay")
    output = run("segment", tmp_path / "a.tif", "-o", tmp_path / "out", *options)
    note = "depth 2 of 2, values 0 to 1000"
    assert note in output
    record = json.loads((tmp_path / "out" / "dynseg-run.json").read_text())
    assert record["read_as"] == {"a": note}
    assert record["settings"]["plane"] == {"z": 2}
    assert record["settings"]["range"] == [0, 1000]
    assert read_attributes(tmp_path / "out" / "a.h5", "a")["read_as"] == note
    with Image.open(tmp_path / "out" / "a.overlay.png") as overlay:
        assert overlay.mode == "RGB"
    before = (tmp_path / "out" / "a.h5").stat().st_mtime_ns
    run("segment", tmp_path / "a.tif", "-o", tmp_path / "out", *options, "--resume")
    assert (tmp_path / "out" / "a.h5").stat().st_mtime_ns == before


def test_a_model_takes_the_channels_that_it_was_fitted_on(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.stack([EMPTY, CELLS]), imagej=True, metadata={"axes": "CYX"})
    run("fit", tmp_path / "a.tif", "-o", tmp_path / "model.pt", "--channels", "2,1")
    arguments = ["segment", tmp_path / "a.tif", "-o", tmp_path / "out", "--model", tmp_path / "model.pt"]
    outputs = []
    for options in ([], ["--channels", "2, 1"], ["--channels", "1,2"]):
        result = CliRunner().invoke(main_group, [*map(str, arguments), "--format", "npy", *options])
        assert result.exit_code == 0, result.output
        outputs.append((np.load(tmp_path / "out" / "a.npy"), result.stderr))
    (labels, said), (same, said_of_same), (_, said_of_other) = outputs
    np.testing.assert_array_equal(labels, same)
    model = dynseg.load_model(tmp_path / "model.pt")
    np.testing.assert_array_equal(dynseg.apply_model(model, tmp_path / "a.tif", device="cpu").labels, labels)
    assert "were read" not in said + said_of_same
    assert f"--channels 1,2: the references of {tmp_path / 'model.pt'} were read with --channels 2,1" in said_of_other


def test_a_range_that_the_references_had_not_is_warned_of(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", CELLS)
    run("fit", tmp_path / "a.tif", "-o", tmp_path / "ranged.pt", "--range", "0,1000")
    run("fit", tmp_path / "a.tif", "-o", tmp_path / "plain.pt")
    for model, options, expected in (
        ("ranged", ["--range", "auto"], "--range auto: the references of {} were read with --range 0,1000"),
        ("plain", ["--range", "0,1000"], "--range 0,1000: the references of {} were read with --range auto"),
        ("plain", ["--nodata", "7"], "--nodata 7: the references of {} were read without --nodata"),
        ("plain", ["--range", "auto"], ""),
    ):
        arguments = ["segment", tmp_path / "a.tif", "-o", tmp_path / "out", "--model", tmp_path / f"{model}.pt"]
        result = CliRunner().invoke(main_group, [*map(str, arguments), *options])
        assert result.exit_code == 0, result.output
        assert expected.format(tmp_path / f"{model}.pt") in result.stderr
        assert ("references" in result.stderr) == bool(expected)


@pytest.mark.parametrize("fact", ["--colour", "--channels"])
def test_a_model_with_options_that_cannot_be_followed_is_refused(tmp_path: Path, fact: str) -> None:
    model = dynseg.fit([np.eye(16)], iterations=2, device="cpu")
    dynseg.save_model(dataclasses.replace(model, facts=model.facts | {fact: "x,,"}), tmp_path / "later.pt")
    with pytest.raises(UserError, match=r"later\.pt(: the channels 'x,,' aren't known| isn't a model)"):
        dynseg.load_model(tmp_path / "later.pt")


@pytest.mark.parametrize(
    ("text", "note"),
    [("0,50", "all pixels above"), ("2000,3000", "all pixels below"), ("0,200", "")],
)
def test_a_range_without_any_of_the_values_is_told(tmp_path: Path, text: str, note: str) -> None:
    tifffile.imwrite(tmp_path / "a.tif", CELLS)
    said = Reading.from_texts(range=text).read(tmp_path / "a.tif").note
    assert ("all pixels" in said) == bool(note)
    assert note in said


def test_eight_bits_are_as_they_were(tmp_path: Path) -> None:
    Image.fromarray((CELLS // 4).astype(np.uint8)).save(tmp_path / "a.png")
    assert read_image(tmp_path / "a.png").dtype == np.uint8
    output = run("segment", tmp_path / "a.png", "-o", tmp_path / "out")
    assert "values" not in output
    assert "read_as" not in json.loads((tmp_path / "out" / "dynseg-run.json").read_text())


@pytest.mark.parametrize("text", ["", "half", "3,1", "1,1", "1,nan", "1,2,3"])
def test_other_ranges_are_refused(text: str) -> None:
    with pytest.raises(UserError, match=r"the range .* isn't known: give auto, type, percentile, minmax, or LOW,HIGH"):
        parse_value_range(text)


@pytest.mark.parametrize("text", ["", "0", "1,,2", "-1", "red,"])
def test_other_channels_are_refused(text: str) -> None:
    with pytest.raises(UserError, match=r"the channels .* aren't known: give numbers from 1"):
        parse_channels(text)


@pytest.mark.parametrize("text", ["", "3", "z", "z=0", "z=1,z=2", "z=1;t=2"])
def test_other_planes_are_refused(text: str) -> None:
    with pytest.raises(UserError, match=r"the plane .* isn't known: give an axis and a number"):
        parse_plane(text)


def test_links_to_folders_are_followed_and_other_files_counted(tmp_path: Path) -> None:
    for folder in ("in", "far"):
        (tmp_path / folder).mkdir()
        Image.fromarray((CELLS // 4).astype(np.uint8)).save(tmp_path / folder / f"{folder}.png")
    (tmp_path / "in" / "linked").symlink_to("../far")
    (tmp_path / "in" / "self").symlink_to(".")
    (tmp_path / "in" / "above").symlink_to("..")
    (tmp_path / "in" / "scan.jp2").write_bytes(b"")
    (tmp_path / "in" / "notes").write_bytes(b"")
    output = run("segment", tmp_path / "in", "-o", tmp_path / "out")
    assert "in: files of other types are left out: 1 .jp2, 1 without a suffix" in output
    made = {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.png")}
    assert made == {"in.png", "linked/far.png"}
