"""`dynseg segment` with regions, `dynseg cut`, and what both write for others."""

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import scipy.io
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from small_ensemble import use_small_ensembles

import dynseg
from dynseg.cli import main_group
from dynseg.errors import UserError
from dynseg.io.contour_maps import cut_contour_map
from dynseg.own_images.outputs import RECORD


def tiles(seed: int = 0, height: int = 24, width: int = 36) -> NDArray[np.uint8]:
    """Tiles of 6 × 6 pixels in random colours, with a little noise."""
    rng = np.random.default_rng(seed)
    colours = rng.integers(0, 230, (height // 6, width // 6, 3))
    image = np.repeat(np.repeat(colours, 6, axis=0), 6, axis=1) + rng.integers(0, 12, (height, width, 3))
    return image.astype(np.uint8)


def save(path: Path, pixels: NDArray[np.uint8] | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(tiles() if pixels is None else pixels).save(path)
    return path


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main_group, [str(argument) for argument in arguments])


def segment(*arguments: object) -> Result:
    return run("segment", "--threads", 1, *arguments)


def labels_of(path: Path) -> NDArray[np.integer]:
    with Image.open(path) as picture:
        return np.asarray(picture)


def regions_in(labels: NDArray[np.integer]) -> int:
    return int(dynseg.metrics.connected_components(labels).max())


def same_regions(one: NDArray[np.integer], other: NDArray[np.integer]) -> bool:
    pairs = len(np.unique(np.stack([one.ravel(), other.ravel()], axis=1), axis=0))
    return pairs == len(np.unique(one)) == len(np.unique(other))


@pytest.fixture(scope="module", autouse=True)
def small_ensembles() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        use_small_ensembles(monkeypatch)
        yield


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a photograph and its regions in every format that isn't a picture."""
    folder = tmp_path_factory.mktemp("saved")
    formats = [part for name in ("h5", "ucm", "png", "viewer") for part in ("--format", name)]
    result = segment(save(folder / "photo.png"), "-o", folder / "out", *formats)
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    return folder


@pytest.fixture(scope="module")
def hierarchy(saved: Path) -> dynseg.Hierarchy:
    return dynseg.read_hierarchy(saved / "out" / "photo.h5")


def test_regions_are_what_a_photograph_becomes(saved: Path, hierarchy: dynseg.Hierarchy) -> None:
    expected = dynseg.segment_regions(tiles())
    labels = labels_of(saved / "out" / "photo.png")
    assert np.array_equal(labels, expected.labels)
    assert expected.hierarchy is not None
    assert np.array_equal(hierarchy.leaves, expected.hierarchy.leaves)
    assert np.array_equal(hierarchy.altitudes, expected.hierarchy.altitudes)
    record = json.loads((saved / "out" / RECORD).read_text())
    assert record["method"] == "regions"
    assert (record["settings"]["method"], record["settings"]["parameters"]["segments"]) == ("regions", None)
    again = segment(saved / "photo.png", "-o", saved / "again")
    assert f"{regions_in(labels)} regions at threshold {expected.facts['threshold']:.4f}" in again.stdout


def test_every_number_of_regions_is_exact_and_one_merge_from_the_next(saved: Path, hierarchy: dynseg.Hierarchy) -> None:
    assert hierarchy.leaf_count > 10
    finer = hierarchy.cut_into(hierarchy.leaf_count)
    assert same_regions(finer, hierarchy.leaves)
    for regions in range(hierarchy.leaf_count - 1, 0, -1):
        coarser = hierarchy.cut_into(regions)
        assert len(np.unique(coarser)) == regions_in(coarser) == regions
        joined = np.unique(np.stack([finer.ravel(), coarser.ravel()], axis=1), axis=0)
        assert len(joined) == regions + 1
        assert np.sort(np.bincount(joined[:, 1])).tolist() == [1] * (regions - 1) + [2]
        finer = coarser


def test_segments_are_exactly_so_many(saved: Path, hierarchy: dynseg.Hierarchy) -> None:
    result = segment(saved / "photo.png", "-o", saved / "seven", "--segments", 7)
    assert result.exit_code == 0, result.output
    assert "photo.png: 7 regions at threshold" in result.stdout
    assert same_regions(labels_of(saved / "seven" / "photo.png"), hierarchy.cut_into(7))
    result = segment(saved / "photo.png", "-o", saved / "all", "--segments", 100_000)
    assert result.exit_code == 0, result.output
    assert result.stderr == (
        f"dynseg: the image has {hierarchy.leaf_count} regions at most, not 100000: these are all\n"
    )
    assert f"photo.png: {hierarchy.leaf_count} regions, all there are" in result.stdout


def test_a_scale_is_a_threshold(saved: Path, hierarchy: dynseg.Hierarchy) -> None:
    result = segment(saved / "photo.png", "-o", saved / "scale", "--scale", 0.3)
    assert result.exit_code == 0, result.output
    assert "regions at threshold 0.3000" in result.stdout or "region at threshold 0.3000" in result.stdout
    assert same_regions(labels_of(saved / "scale" / "photo.png"), hierarchy.cut_at(0.3))


@given(cut=st.one_of(st.integers(1, 60), st.floats(0, 1, width=32)))
@settings(max_examples=12)
def test_a_saved_hierarchy_is_cut_anywhere(saved: Path, hierarchy: dynseg.Hierarchy, cut: int | float) -> None:
    option = "--segments" if isinstance(cut, int) else "--scale"
    result = run("cut", saved / "out" / "photo.h5", "-o", saved / "cuts", option, cut, "--format", "npy")
    assert result.exit_code == 0, result.output
    labels = np.load(saved / "cuts" / "photo.npy")
    assert same_regions(labels, hierarchy.cut_into(cut) if isinstance(cut, int) else hierarchy.cut_at(cut))
    regions = len(np.unique(labels))
    assert f"photo.h5: {regions} region{'s' * (regions != 1)}" in result.stdout


def test_cuts_have_every_format(saved: Path, hierarchy: dynseg.Hierarchy) -> None:
    file = saved / "out" / "photo.h5"
    formats = ("png", "npy", "json", "h5", "ucm", "overlay", "boundaries", "viewer")
    options = [part for name in formats for part in ("--format", name)]
    result = run("cut", file, "-o", saved / "every", "--segments", 4, *options, "--image", saved / "photo.png")
    assert result.exit_code == 0, result.output
    names = {path.name for path in (saved / "every").iterdir()}
    assert names == {
        "photo.png", "photo.npy", "photo.json", "photo.h5", "photo.mat", "photo.overlay.png", "photo.boundaries.png",
        "photo.viewer.html",
    }  # fmt: skip
    content = json.loads((saved / "every" / "photo.json").read_text())
    assert content["images"][0]["file_name"] == "photo.png"
    assert len(content["annotations"]) == 4
    # What was cut can be cut again, and says of itself what it is.
    again = run("cut", saved / "every" / "photo.h5", "-o", saved / "again", "--format", "npy")
    assert "photo.h5: 4 regions at threshold" in again.stdout
    assert same_regions(np.load(saved / "again" / "photo.npy"), hierarchy.cut_into(4))
    finer = run("cut", saved / "every" / "photo.h5", "-o", saved / "again", "--format", "npy", "--segments", 9)
    assert finer.exit_code == 0
    assert same_regions(np.load(saved / "again" / "photo.npy"), hierarchy.cut_into(9))


def test_without_a_cut_the_regions_are_those_that_segment_chose(saved: Path) -> None:
    assert run("cut", saved / "out" / "photo.h5", "-o", saved / "same").exit_code == 0
    assert np.array_equal(labels_of(saved / "same" / "photo.png"), labels_of(saved / "out" / "photo.png"))


def test_contour_maps_come_back_and_are_scored_as_they_are(saved: Path, hierarchy: dynseg.Hierarchy) -> None:
    contours = scipy.io.loadmat(saved / "out" / "photo.mat")["ucm2"]
    assert contours.dtype == np.float64
    assert np.array_equal(contours, hierarchy.ucm())
    for threshold in (0.0, 0.1, 0.4, *np.unique(hierarchy.altitudes).tolist()):
        assert same_regions(cut_contour_map(contours, threshold), hierarchy.cut_at(threshold))
    result = segment(saved / "photo.png", "-o", saved / "ucm", "--format", "ucm")
    assert result.exit_code == 0, result.output
    truth = labels_of(saved / "out" / "photo.png")
    save(saved / "truth" / "photo.png", truth.astype(np.uint8))
    scores = saved / "scores.json"
    arguments = ("--prediction", saved / "ucm", "--ground-truth", saved / "truth", "--json", scores)
    scored = run("score", *arguments)
    assert scored.exit_code == 0, scored.output
    # The method's own cut is one of the contour map's.
    assert json.loads(scores.read_text())["covering"]["ois"] > 0.99


def test_a_viewer_is_one_page_that_begins_with_the_cut(saved: Path) -> None:
    page = (saved / "out" / "photo.viewer.html").read_text(encoding="utf-8")
    regions = regions_in(labels_of(saved / "out" / "photo.png"))
    assert f'"suggested":{regions}' in page
    assert '"title":"photo.png"' in page
    assert "http://" not in page.replace("http://www.w3.org", "")


def test_several_images_are_cut_together_and_apart_from_others_of_their_names(tmp_path: Path) -> None:
    for name in ("in/a.png", "in/sub/b.png"):
        save(tmp_path / name)
    assert segment(tmp_path / "in", "-o", tmp_path / "out", "--format", "h5").exit_code == 0
    files = [tmp_path / "out" / "a.h5", tmp_path / "out" / "sub" / "b.h5"]
    result = run("cut", *files, "-o", tmp_path / "cuts", "--segments", 3)
    assert result.exit_code == 0, result.output
    assert sorted(path.name for path in (tmp_path / "cuts").iterdir()) == ["a.png", "b.png"]
    for path in (tmp_path / "cuts").iterdir():
        assert len(np.unique(labels_of(path))) == 3
    other = tmp_path / "other" / "a.h5"
    other.parent.mkdir()
    other.write_bytes(files[0].read_bytes())
    with pytest.raises(UserError, match=r"a\.png would be that of .*a\.h5 and of .*a\.h5: cut one at a time"):
        run_or_raise("cut", files[0], other, "-o", tmp_path / "cuts")
    with pytest.raises(UserError, match="would be replaced by its own cut"):
        run_or_raise("cut", files[0], "-o", tmp_path / "out", "--format", "h5")
    photo = run("cut", *files, "-o", tmp_path / "cuts", "--format", "overlay", "--image", tmp_path / "in" / "a.png")
    assert photo.exit_code == 2
    assert "--image is one photograph and there are 2 images" in photo.stderr


def run_or_raise(*arguments: object) -> None:
    result = run(*arguments)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception


def test_files_that_cannot_be_cut_say_why(saved: Path, tmp_path: Path) -> None:
    assert segment(saved / "photo.png", "-o", tmp_path, "--format", "h5", "--iterations", 2).exit_code == 0
    for call in (
        lambda: dynseg.read_hierarchy(tmp_path / "photo.h5"),
        lambda: run_or_raise("cut", tmp_path / "photo.h5", "-o", tmp_path / "out"),
    ):
        with pytest.raises(
            UserError, match=r"photo\.h5 has no hierarchy: make it again by `dynseg segment --method re"
        ):
            call()
    with pytest.raises(UserError, match=r"small\.png is 12 × 6 pixels and the regions in .*photo\.h5 are 36 × 24"):
        save(tmp_path / "small.png", tiles(0, 6, 12))
        run_or_raise(
            "cut", saved / "out" / "photo.h5", "-o", tmp_path / "out", "--format", "overlay", "--image",
            tmp_path / "small.png",
        )  # fmt: skip
    with pytest.raises(UserError, match=r"missing\.h5"):
        run_or_raise("cut", tmp_path / "missing.h5", "-o", tmp_path / "out")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--segments", 3, "--scale", 0.2), "--segments and --scale both say where to cut"),
        (("--method", "regions", "--mu", 3), "--mu is an option of --method network: leave out one of the two"),
        (("--method", "regions", "--model", "m.pt"), "--model is an option of --method network"),
        (
            ("--iterations", 3, "--segments", 3),
            "--segments is of --method regions: leave out either it or --iterations",
        ),
        (("--method", "network", "--scale", 0.1), "--scale is of --method regions: leave out either it or --method"),
        (("--method", "network", "--format", "ucm"), "--format ucm is of --method regions"),
        (("--preset", "fast", "--format", "viewer"), "--format viewer is of --method regions"),
        (("--segments", 3, "--scribbles", "m.png"), "--scribbles say where to cut, and so does --segments"),
        (("--segments", 0), "0 is not in the range"),
        (("--scale", 1.5), "1.5 is not in the range"),
        (("--scale", "nan"), "nan is no number from 0 to 1"),
    ],
)
def test_options_that_contradict_each_other_are_refused(tmp_path: Path, options: tuple, sentence: str) -> None:
    result = segment(save(tmp_path / "a.png"), "-o", tmp_path / "out", *options)
    assert result.exit_code == 2
    assert sentence in result.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--format", "overlay"), "--format overlay shows the photograph: give it by --image"),
        (("--image", "photo.png"), "--image is for --format overlay, boundaries and viewer"),
        (("--segments", 3, "--scale", 0.2), "--segments and --scale both say where to cut"),
    ],
)
def test_cuts_that_make_no_sense_are_refused(saved: Path, tmp_path: Path, options: tuple, sentence: str) -> None:
    result = run("cut", saved / "out" / "photo.h5", "-o", tmp_path / "out", *options)
    assert result.exit_code == 2
    assert sentence in result.stderr


def test_the_networks_options_still_mean_the_network(tmp_path: Path) -> None:
    photo = save(tmp_path / "a.png")
    quick = ("--iterations", 3, "--max-labels", 8, "--min-labels", 1)
    expected = dynseg.segment(tiles(), iterations=3, channels=8, minimum_labels=1).labels
    for options in (quick, (*quick, "--method", "network")):
        result = segment(photo, "-o", tmp_path / "out", *options)
        assert result.exit_code == 0, result.output
        assert "labels in" in result.stdout
        assert np.array_equal(labels_of(tmp_path / "out" / "a.png"), expected)


def test_other_cuts_and_methods_are_not_done_already(tmp_path: Path) -> None:
    photo = save(tmp_path / "a.png")
    arguments = ("segment", "--threads", 1, photo, "-o", tmp_path / "out", "--resume")
    assert len(run(*arguments, "--segments", 5).stdout.splitlines()) == 1
    assert run(*arguments, "--segments", 5).stdout == ""
    for options, difference in (
        (("--segments", 6), "--segments 5, not --segments 6"),
        ((), "--segments 5, not the usual cut"),
        (("--scale", 0.2), "--segments 5, not --scale 0.2"),
        (("--method", "network"), "method regions, not network"),
    ):
        with pytest.raises(UserError, match=f"was made with {difference}: leave out --resume"):
            run_or_raise(*arguments, *options)
    later = time.time() + 10
    os.utime(photo, (later, later))
    assert len(run(*arguments, "--segments", 5).stdout.splitlines()) == 1
    usual = ("segment", "--threads", 1, photo, "-o", tmp_path / "usual", "--resume")
    run(*usual)
    with pytest.raises(UserError, match="was made with the usual cut, not --segments 5: leave out --resume"):
        run_or_raise(*usual, "--segments", 5)
    with pytest.raises(UserError, match="was made without range, which is minmax now: leave out --resume"):
        run_or_raise(*usual, "--range", "minmax")


def marks(path: Path, labels: dict[int, tuple[int, int, int]], background: int = 255) -> Path:
    """Save a stroke for each label: row, first and last column."""
    grey = np.full((24, 36), background, dtype=np.uint8)
    for label, (row, first, last) in labels.items():
        grey[row, first:last] = label
    return save(path, grey)


@pytest.mark.parametrize("method", ["regions", "network"])
def test_scribbles_are_said_as_understood(tmp_path: Path, method: str) -> None:
    photo = save(tmp_path / "a.png")
    strokes = marks(tmp_path / "m.png", {3: (3, 2, 12), 9: (20, 24, 25)})
    arguments = (photo, "-o", tmp_path / "out", "--scribbles", strokes, "--method", method)
    result = segment(*arguments)
    assert result.exit_code == 0, result.output
    assert "scribbled label 3 on 10 pixels, label 9 on 1 pixel, of which " in result.stdout
    assert " % kept theirs" in result.stdout
    assert {3, 9} <= set(np.unique(labels_of(tmp_path / "out" / "a.png")).tolist())
    if method == "regions":
        assert "100 % kept theirs" in result.stdout


def test_strokes_that_training_loses_are_put_back_and_said(tmp_path: Path) -> None:
    # Nothing tells the strokes on a flat picture apart.
    photo = save(tmp_path / "flat.png", np.full((24, 36, 3), 90, np.uint8))
    strokes = marks(tmp_path / "m.png", {1: (3, 2, 30), 2: (10, 2, 4), 3: (20, 2, 4)})
    result = segment(photo, "-o", tmp_path / "out", "--scribbles", strokes, "--method", "network")
    assert result.exit_code == 0, result.output
    labels = labels_of(tmp_path / "out" / "flat.png")
    assert {1, 2, 3} <= set(np.unique(labels).tolist())
    (warning,) = result.stderr.splitlines()
    assert "training kept no pixel of the scribbled label" in warning
    assert "100 % kept theirs" not in result.stdout
    same = dynseg.segment(tmp_path / "flat.png", scribbles=labels_of(strokes))
    assert np.array_equal(same.labels, labels)


@pytest.mark.parametrize(
    ("strokes", "background", "sentence"),
    [
        ({7: (3, 2, 12)}, 255, "m.png: the scribbles have one label only, 7"),
        ({7: (3, 2, 12), 8: (9, 2, 12)}, 0, "m.png: label 0 is scribbled on 98 % of the image: if it means no label"),
    ],
)
def test_scribbles_that_are_hardly_meant_so_are_doubted(
    tmp_path: Path, strokes: dict[int, tuple[int, int, int]], background: int, sentence: str
) -> None:
    path = marks(tmp_path / "m.png", strokes, background)
    result = segment(save(tmp_path / "a.png"), "-o", tmp_path / "out", "--scribbles", path)
    assert result.exit_code == 0, result.output
    assert sentence in result.stderr
    assert len(result.stderr.splitlines()) == 1
