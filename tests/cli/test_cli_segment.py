"""`dynseg segment` and `dynseg fit`, with the pictures and the accidents that users have."""

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from click.testing import CliRunner, Result
from numpy.typing import NDArray
from PIL import Image

import dynseg
from dynseg.cli import main_group
from dynseg.errors import UserError
from dynseg.own_images.outputs import RECORD, Labelled, write_outputs

QUICK = ["--iterations", "3", "--max-labels", "8", "--min-labels", "1", "--threads", "1"]
RUN_ANYWHERE = {**os.environ, "PYTHONPATH": str(Path(dynseg.__file__).parents[1])}


def pixels(height: int = 14, width: int = 20) -> NDArray[np.uint8]:
    image = np.random.default_rng(0).integers(0, 25, (height, width, 3))
    image[:, width // 2 :] += np.array([200, 90, 30])
    return image.astype(np.uint8)


def save(path: Path, image: Image.Image | None = None, **options: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    (image or Image.fromarray(pixels())).save(path, **options)
    return path


def run(*arguments: object, quick: bool = True) -> Result:
    return CliRunner().invoke(
        main_group, [str(argument) for argument in ("segment", *(QUICK if quick else []), *arguments)]
    )


def photographs() -> dict[str, Callable[[Path], object]]:
    rgb, grey = Image.fromarray(pixels()), Image.fromarray(pixels()[:, :, 0])
    turned = Image.Exif()
    turned[0x0112] = 6
    sixteen = Image.fromarray(pixels()[:, :, 0].astype(np.uint16) * 257)
    return {
        "plain.jpg": lambda path: save(path, rgb),
        "turned.jpg": lambda path: save(path, rgb, exif=turned),
        "alpha.png": lambda path: save(path, rgb.convert("RGBA")),
        "grey.png": lambda path: save(path, grey),
        "sixteen.png": lambda path: save(path, sixteen),
        "sixteen.tif": lambda path: save(path, sixteen),
        "palette.png": lambda path: save(path, rgb.quantize(9)),
        "cmyk.jpeg": lambda path: save(path, rgb.convert("CMYK")),
        "a.TIFF": lambda path: save(path, rgb),
        "a.bmp": lambda path: save(path, rgb),
        "a.webp": lambda path: save(path, rgb),
        "one.png": lambda path: save(path, Image.new("RGB", (1, 1), "red")),
        "flat.png": lambda path: save(path, Image.new("RGB", (20, 14), "red")),
    }


@pytest.mark.parametrize("name", photographs())
def test_every_kind_of_picture_gets_a_label_map_of_its_size(tmp_path: Path, name: str) -> None:
    photographs()[name](tmp_path / name)
    result = run(tmp_path / name, "-o", tmp_path / "out")
    assert result.exit_code == 0, result.output
    shape = {"turned.jpg": (20, 14), "one.png": (1, 1)}.get(name, (14, 20))
    with Image.open(tmp_path / "out" / f"{Path(name).stem}.png") as label_map:
        assert label_map.mode == "P"
        assert (label_map.height, label_map.width) == shape
    assert re.search(r": (1 label|\d+ labels) in (1 region|\d+ regions), ", result.stdout)
    assert result.stderr == ""


def test_label_maps_are_exact_in_every_format(tmp_path: Path) -> None:
    save(tmp_path / "a.png")
    # Tables, other tools' formats and georeferences have tests of their own.
    formats = ["png", "overlay", "boundaries", "npy", "h5", "json"]
    result = run(tmp_path / "a.png", "-o", tmp_path / "out", *(x for name in formats for x in ("--format", name)))
    assert result.exit_code == 0, result.output
    out = tmp_path / "out"
    names = ["a.boundaries.png", "a.h5", "a.json", "a.npy", "a.overlay.png", "a.png", RECORD]
    assert sorted(path.name for path in out.iterdir()) == names
    expected = dynseg.segment(pixels(), iterations=3, channels=8, minimum_labels=1).labels
    with Image.open(out / "a.png") as label_map:
        assert np.array_equal(np.asarray(label_map), expected)
        colours = np.asarray(label_map.convert("RGB"))
    assert len(np.unique(colours.reshape(-1, 3), axis=0)) == len(np.unique(expected))
    assert np.array_equal(np.load(out / "a.npy"), expected)
    with h5py.File(out / "a.h5") as file:
        assert np.array_equal(file["a/labels"][()], expected)
        assert len(file["a/history/label_count"]) == 3
    with Image.open(out / "a.overlay.png") as overlay:
        blended = (pixels().astype(int) + colours) / 2
        np.testing.assert_allclose(np.asarray(overlay), blended, atol=1)
    with Image.open(out / "a.boundaries.png") as boundaries:
        assert boundaries.size == (20, 14)
    content = json.loads((out / "a.json").read_text())
    assert {annotation["category_id"] for annotation in content["annotations"]} == set(np.unique(expected).tolist())
    record = json.loads((out / RECORD).read_text())
    assert record["settings"]["parameters"]["iterations"] == 3
    assert record["versions"]["dynseg"] == dynseg.__version__
    assert record["seed"] == 0


@pytest.mark.skipif(sys.platform != "linux", reason="names of files are text there")
def test_a_name_that_is_no_valid_text_is_as_good_as_any(tmp_path: Path) -> None:
    # Pillow writes to no such name.
    os.rename(save(tmp_path / "a.png"), os.fsencode(tmp_path) + b"/\xff.png")
    result = run(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.png"), "-o", tmp_path / "out", "--format", "h5")
    assert result.exit_code == 0, result.output
    with h5py.File(next((tmp_path / "out").glob("*.h5"))) as file:
        assert list(file) == ["%FF"]


def test_a_seed_beyond_32_bits_is_an_option_that_makes_no_sense(tmp_path: Path) -> None:
    for command in ("segment", "fit"):
        arguments = [command, str(save(tmp_path / "a.png")), "-o", str(tmp_path / "out"), "--seed", str(2**32)]
        assert CliRunner().invoke(main_group, arguments).exit_code == 2


def test_more_than_256_labels_are_sixteen_bit_grey(tmp_path: Path) -> None:
    labels = np.arange(280).reshape(14, 20)
    write_outputs({"png": tmp_path / "a.png"}, Labelled(pixels(), dynseg.Segmentation(labels), "a.png", {}))
    with Image.open(tmp_path / "a.png") as label_map:
        assert label_map.mode == "I;16"
        assert np.array_equal(np.asarray(label_map), labels)


def test_scribbles_of_a_folder_belong_to_the_images_of_their_names(tmp_path: Path) -> None:
    for name in ("in/a.png", "in/sub/b.png", "in/c.png"):
        save(tmp_path / name)
    grey = np.full((14, 20), 255, dtype=np.uint8)
    grey[5, 3:9], grey[5, 12:18] = 40, 50
    save(tmp_path / "marks" / "a.png", Image.fromarray(grey))
    # A program for painting saves three equal channels.
    save(tmp_path / "marks" / "sub" / "b.png", Image.fromarray(np.dstack([grey] * 3)))
    options = ["--scribbles", tmp_path / "marks", "--mu", 200, "--iterations", 40]
    result = run(tmp_path / "in", "-o", tmp_path / "out", *options)
    assert result.exit_code == 0, result.output
    first, second, without = (read_prediction_png(tmp_path / "out" / name) for name in ("a.png", "sub/b.png", "c.png"))
    assert run(tmp_path / "in", "-o", tmp_path / "out", *options, "--resume").stdout == ""
    later = time.time() + 10
    os.utime(tmp_path / "marks" / "a.png", (later, later))
    assert len(run(tmp_path / "in", "-o", tmp_path / "out", *options, "--resume").stdout.splitlines()) == 1
    # Scribbles that are older than the outputs, or gone, are others all the same.
    redrawn = grey.copy()
    redrawn[7, 3:9] = 60
    save(tmp_path / "marks" / "c.png", Image.fromarray(redrawn))
    os.utime(tmp_path / "marks" / "c.png", (1, 1))
    os.utime(tmp_path / "marks" / "a.png", (1, 1))
    for _ in range(2):
        again = run(tmp_path / "in", "-o", tmp_path / "out", *options, "--resume")
        assert [line.split(":")[0] for line in again.stdout.splitlines()] == [str(tmp_path / "in" / "c.png")]
        (tmp_path / "marks" / "c.png").unlink(missing_ok=True)
    assert run(tmp_path / "in", "-o", tmp_path / "out", *options, "--resume").stdout == ""
    assert {40, 50} <= set(np.unique(first))
    assert np.array_equal(first, second)
    assert 50 not in without

    colours = np.full((14, 20, 3), 255, np.uint8)
    colours[5, 3:9] = (200, 0, 0)
    save(tmp_path / "marks" / "a.png", Image.fromarray(colours))
    result = run(tmp_path / "in" / "a.png", "-o", tmp_path / "out", "--scribbles", tmp_path / "marks" / "a.png")
    assert result.exit_code == 1
    assert "a.png has colours: save scribbles as palette or grey values" in result.stderr
    with pytest.raises(UserError, match="one file and there are 3 images"):
        run_or_raise(tmp_path / "in", "-o", tmp_path / "out", "--scribbles", tmp_path / "marks" / "a.png")
    with pytest.raises(UserError, match="has no scribbles for these images"):
        run_or_raise(tmp_path / "in", "-o", tmp_path / "out", "--scribbles", tmp_path)


def read_prediction_png(path: Path) -> NDArray[np.integer]:
    with Image.open(path) as picture:
        return np.asarray(picture)


def run_or_raise(*arguments: object) -> None:
    result = run(*arguments)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception


def test_accidents_are_one_sentence_each_and_stop_no_other_image(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    save(folder / "good.png")
    (folder / "text.jpg").write_text("no picture")
    save(folder / "whole.jpg", Image.effect_noise((64, 64), 90))
    (folder / "cut.jpg").write_bytes((folder / "whole.jpg").read_bytes()[:900])
    (tmp_path / "empty").mkdir()
    save(tmp_path / "other" / "good.jpg")
    sources = [folder, tmp_path / "empty", tmp_path / "other", tmp_path / "missing.png"]
    result = run(*sources, "-o", tmp_path / "out")
    assert result.exit_code == 1
    sentences = sorted(result.stderr.splitlines())
    assert len(sentences) == 5
    assert all(line.startswith("dynseg: ") for line in sentences)
    for part in (
        "empty has no file that ends in",
        "missing.png doesn't exist",
        "good.jpg: its output",
        "text.jpg isn't an image",
        "cut.jpg can't be read",
    ):
        assert sum(part in line for line in sentences) == 1
    done = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert done == [RECORD, "good.png", "whole.png"]


def test_an_unwritable_output_is_said_before_the_work(tmp_path: Path) -> None:
    save(tmp_path / "a.png")
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"file.*can't be written"):
        run_or_raise(tmp_path / "a.png", "-o", tmp_path / "file" / "out")


def test_outputs_never_replace_images(tmp_path: Path) -> None:
    save(tmp_path / "in" / "a.png")
    before = (tmp_path / "in" / "a.png").read_bytes()
    with pytest.raises(UserError, match="choose another folder"):
        run_or_raise(tmp_path / "in", "-o", tmp_path / "in")
    result = run(tmp_path / "in" / "a.png", "-o", tmp_path / "in")
    assert result.exit_code == 1
    assert "would replace an image" in result.stderr
    assert (tmp_path / "in" / "a.png").read_bytes() == before
    # Outputs below the images are no images of the next run, nor are scribbles.
    save(tmp_path / "in" / "marks" / "a.png", Image.new("L", (20, 14), 1))
    for _ in range(2):
        options = ["--scribbles", tmp_path / "in" / "marks"]
        assert run(tmp_path / "in", "-o", tmp_path / "in" / "out", *options).exit_code == 0
    assert sorted(path.name for path in (tmp_path / "in" / "out").iterdir()) == ["a.png", RECORD]


def test_resume_tells_an_image_from_another_one_of_its_name(tmp_path: Path) -> None:
    for folder, picture in (("one", pixels()), ("two", pixels()[::-1])):
        os.utime(save(tmp_path / folder / "a.png", Image.fromarray(picture)), (1, len(folder) + ord(folder[0])))
    arguments = ("-o", tmp_path / "out", "--resume")
    assert len(run(tmp_path / "one", *arguments).stdout.splitlines()) == 1
    first = (tmp_path / "out" / "a.png").read_bytes()
    assert len(run(tmp_path / "two", *arguments).stdout.splitlines()) == 1
    assert (tmp_path / "out" / "a.png").read_bytes() != first
    assert run(tmp_path / "two", *arguments).stdout == ""


def test_label_maps_in_hdf5_are_scored_by_the_paths_of_their_images(tmp_path: Path) -> None:
    for name in ("u/x.png", "v/x.png", "my photo.png"):
        save(tmp_path / "in" / name)
        save(tmp_path / "truth" / name, Image.fromarray(np.indices((14, 20))[1].astype(np.uint8) // 10))
    assert run(tmp_path / "in", "-o", tmp_path / "out", "--format", "h5").exit_code == 0
    arguments = ["score", "--prediction", str(tmp_path / "out"), "--ground-truth", str(tmp_path / "truth")]
    scored = CliRunner().invoke(main_group, arguments)
    assert scored.exit_code == 0, scored.output


def test_resume_does_what_is_missing_or_older_than_its_image(tmp_path: Path) -> None:
    images = [save(tmp_path / "in" / f"{name}.png") for name in "abc"]
    arguments = (tmp_path / "in", "-o", tmp_path / "out", "--resume")
    assert len(run(*arguments).stdout.splitlines()) == 3
    assert run(*arguments).stdout == ""
    (tmp_path / "out" / "a.png").unlink()
    later = time.time() + 10
    os.utime(images[1], (later, later))
    again = run(*arguments)
    assert [line.split(":")[0] for line in again.stdout.splitlines()] == [str(images[0]), str(images[1])]
    assert "1 of 3 images are done already" in again.stderr
    with pytest.raises(UserError, match=r"was made with mu 15.0, not 20.0: leave out --resume"):
        run_or_raise(*arguments, "--mu", 20)
    record = json.loads((tmp_path / "out" / RECORD).read_text())
    other = {**record, "settings": {**record["settings"], "code_version": "123"}}
    (tmp_path / "out" / RECORD).write_text(json.dumps(other))
    with pytest.raises(UserError, match=r"was made with code_version 123, not \w{12}: leave out --resume"):
        run_or_raise(*arguments)
    (tmp_path / "out" / RECORD).write_text(json.dumps(record))
    # Label maps of other settings don't count once a run with new ones has begun.
    for path in (tmp_path / "out").glob("?.png"):
        os.utime(path, (1, 1))
    assert len(run(*arguments).stdout.splitlines()) == 3


def test_a_model_of_references_labels_the_rest(tmp_path: Path) -> None:
    save(tmp_path / "refs" / "a.png")
    save(tmp_path / "refs" / "b.png", Image.fromarray(pixels(20, 30)))
    save(tmp_path / "new.png", Image.fromarray(pixels(30, 40)))
    model = tmp_path / "m.pt"
    fit = [str(argument) for argument in ("fit", *QUICK, tmp_path / "refs", "-o", model)]
    result = CliRunner().invoke(main_group, fit)
    assert result.exit_code == 0, result.output
    assert "2 reference images: " in result.output
    arguments = (tmp_path / "new.png", "-o", tmp_path / "out", "--model", model)
    result = run(*arguments, quick=False)
    assert result.exit_code == 0, result.output
    record = json.loads((tmp_path / "out" / RECORD).read_text())
    assert record["model_sha256"] == hashlib.sha256(model.read_bytes()).hexdigest()
    assert "seed" not in record
    expected = dynseg.apply_model(dynseg.load_model(model), pixels(30, 40)).labels
    assert np.array_equal(read_prediction_png(tmp_path / "out" / "new.png"), expected)
    refused = run(*arguments, "--mu", 3, quick=False)
    assert refused.exit_code == 2
    assert "--mu does nothing beside --model" in refused.stderr
    with pytest.raises(UserError, match="was made with model_sha256"):
        CliRunner().invoke(main_group, [*fit, "--seed", "1"])
        run_or_raise_plain(*arguments, "--resume")


@pytest.mark.parametrize(
    ("output", "sentence"),
    [
        ("refs", "refs is a folder: give the name of a file"),
        ("refs/a.png", "a.png is one of the references: give the model another name"),
        ("refs/a.png/m.pt", "m.pt can't be written"),
    ],
)
def test_a_model_that_cannot_be_saved_is_refused_before_the_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, output: str, sentence: str
) -> None:
    before = save(tmp_path / "refs" / "a.png").read_bytes()
    monkeypatch.setattr("dynseg.api.fit", lambda *_, **__: pytest.fail("it trained"))
    arguments = [str(argument) for argument in ("fit", tmp_path / "refs", "-o", tmp_path / output)]
    result = CliRunner().invoke(main_group, arguments)
    assert isinstance(result.exception, UserError)
    assert sentence in str(result.exception)
    assert (tmp_path / "refs" / "a.png").read_bytes() == before
    assert [path.name for path in (tmp_path / "refs").iterdir()] == ["a.png"]


def run_or_raise_plain(*arguments: object) -> None:
    result = run(*arguments, quick=False)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception


def test_ctrl_c_leaves_whole_files_and_says_how_to_go_on(tmp_path: Path) -> None:
    for index in range(200):
        save(tmp_path / "in" / f"{index:03}.png")
    arguments = ["segment", str(tmp_path / "in"), "-o", str(tmp_path / "out"), *QUICK]
    process = subprocess.Popen(
        [sys.executable, "-m", "dynseg", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=RUN_ANYWHERE,
        # Tests that a shell runs in the background would hand down that SIGINT is ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert process.stdout is not None
    assert "labels in" in process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 130, errors
    assert "--resume does the others" in errors
    assert "Traceback" not in errors
    outputs = [path for path in (tmp_path / "out").iterdir() if path.name != RECORD]
    assert 0 < len(outputs) < 200
    for path in outputs:
        assert path.suffix == ".png"
        with Image.open(path) as label_map:
            label_map.load()


def test_help_teaches() -> None:
    result = CliRunner().invoke(main_group, ["segment", "--help"])
    assert result.exit_code == 0
    for part in ("Examples:", "What μ does", "fewer segments", "more segments", "Exit code"):
        assert part in result.output


@pytest.mark.slow
def test_a_picture_of_24_megapixels(tmp_path: Path) -> None:
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8))
    save(tmp_path / "large.jpg", image.resize((6000, 4000)))
    result = run(tmp_path / "large.jpg", "-o", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert "trained at 128 × 85, applied at 512 × 341" in result.stdout
    assert read_prediction_png(tmp_path / "out" / "large.png").shape == (4000, 6000)
