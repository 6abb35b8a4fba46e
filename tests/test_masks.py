"""Pixels that don't count: whatever their values are, they change nothing, are in no region and come out as 0."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from PIL import Image
from small_ensemble import use_small_ensembles

import dynseg
from dynseg.api import segment_regions_with
from dynseg.cli import main_group
from dynseg.errors import UserError
from dynseg.hierarchy import Hierarchy
from dynseg.io.images import read_picture
from dynseg.io.label_maps import read_hierarchy, write_label_maps
from dynseg.methods.regions import RegionsParameters
from dynseg.metrics import connected_components
from dynseg.regions.parts import enlarge_hierarchy
from dynseg.result import Segmentation

SMALL = {"channels": 8, "iterations": 3, "minimum_labels": 2, "device": "cpu"}
REGIONS = RegionsParameters(networks=1, channels=8, iterations=2, scale=0.5)
HEIGHT, WIDTH = 20, 26


def photograph() -> NDArray[np.uint8]:
    image = np.random.default_rng(0).integers(0, 30, (HEIGHT, WIDTH, 3)).astype(np.uint8)
    image[:, 13:] += np.array([180, 40, 90], np.uint8)
    image[12:, :8] += 120
    return image


def river() -> NDArray[np.bool_]:
    mask = np.ones((HEIGHT, WIDTH), bool)
    mask[:, 11:14] = mask[:3] = False
    return mask


@settings(max_examples=8, deadline=None)
@given(
    arrays(bool, (HEIGHT, WIDTH), elements=st.sampled_from([True, True, True, False])),
    st.integers(0, 2**32 - 1),
    st.sampled_from([512, 16]),
    st.booleans(),
)
def test_values_that_do_not_count_change_nothing(
    mask: NDArray[np.bool_], seed: int, max_size: int, floating: bool
) -> None:
    """Random values and NaN instead of the image's own, at the image's size and reduced: the same labels."""
    mask[0, 0] = True
    images = [photograph(), photograph()]
    rng = np.random.default_rng(seed)
    images[1][~mask] = rng.integers(0, 256, (np.count_nonzero(~mask), 3))
    given_images = [image.astype(np.float32) / 255 if floating else image for image in images]
    if floating:
        given_images[1][~mask] *= rng.choice([np.nan, 1e9, -1, 1], (np.count_nonzero(~mask), 1))
    for label in (
        lambda image: dynseg.segment(image, mask=mask, max_size=max_size, **SMALL),
        lambda image: segment_regions_with(REGIONS, image, mask=mask, max_size=max_size, device="cpu"),
    ):
        one, other = (label(image).labels for image in given_images)
        assert np.array_equal(one, other)
        assert np.array_equal(one > 0, mask)


def test_a_model_does_not_see_them_either() -> None:
    mask, other = river(), photograph()
    other[~mask] = 255 - other[~mask]
    models = [dynseg.fit([image, photograph()[:9]], mask=[mask, None], **SMALL) for image in (photograph(), other)]
    for one, two in zip(*(model.network.parameters() for model in models), strict=True):
        assert np.array_equal(one.detach(), two.detach())
    labels = [dynseg.apply_model(models[0], image, mask=mask, device="cpu").labels for image in (photograph(), other)]
    assert np.array_equal(*labels)
    assert np.array_equal(labels[0] > 0, mask)


def test_a_label_of_a_model_means_the_same_with_a_mask_that_leaves_nothing_out() -> None:
    model = dynseg.fit([photograph()], **SMALL)
    without = dynseg.apply_model(model, photograph(), device="cpu").labels
    with_mask = dynseg.apply_model(model, photograph(), mask=np.ones((HEIGHT, WIDTH)) > 0, device="cpu").labels
    assert np.array_equal(with_mask, without + 1)


def test_regions_lie_inside_are_connected_and_never_span_a_gap() -> None:
    mask = river()
    result = segment_regions_with(REGIONS, photograph(), mask=mask, device="cpu")
    hierarchy = result.hierarchy
    assert hierarchy is not None
    assert result.facts["valid_pixels"] == np.count_nonzero(mask)
    for labels in (result.labels, hierarchy.cut_at(1.0), hierarchy.cut_into(1), hierarchy.cut_into(5)):
        assert np.array_equal(labels > 0, mask)
        assert set(np.unique(labels[:, :11])) & set(np.unique(labels[:, 14:])) <= {0}
        parts = connected_components(labels)
        assert len(np.unique(parts[mask])) == len(np.unique(labels[mask])) == labels.max()
    assert hierarchy.cut_at(1.0).max() == hierarchy.cut_into(1).max() == 2
    assert hierarchy.cut_into(5).max() == 5
    assert segment_regions_with(REGIONS, photograph(), device="cpu").labels.min() == 0


def test_a_gap_thinner_than_a_reduced_pixel_separates_all_the_same() -> None:
    mask = np.ones((60, 80), bool)
    mask[:, 40] = False
    image = np.zeros((60, 80, 3), np.uint8)
    image[30:] = 200
    hierarchy = segment_regions_with(REGIONS, image, mask=mask, max_size=20, device="cpu").hierarchy
    assert hierarchy is not None
    assert np.unique(hierarchy.cut_at(1.0)).tolist() == [0, 1, 2]


@settings(max_examples=40, deadline=None)
@given(arrays(bool, (8, 9)), st.integers(0, 99), st.sampled_from([0.0, 0.3, 0.6, 1.0]))
def test_an_enlarged_cut_is_the_parts_of_the_enlarged_cut(mask: NDArray[np.bool_], seed: int, threshold: float) -> None:
    mask[0, 0] = True
    altitudes = np.sort(np.random.default_rng(seed).random(3))
    hierarchy = Hierarchy(
        np.kron(np.arange(4).reshape(2, 2), np.ones((4, 5))).astype(np.int32)[:, :9],
        np.array([[0, 1], [2, 3], [4, 5]], np.int32),
        altitudes,
    )
    masked = enlarge_hierarchy(hierarchy, (8, 9), mask).cut_at(threshold)
    expected = connected_components(np.where(mask, hierarchy.cut_at(threshold) + 1, 0))
    # Where all count, regions are numbered from 0.
    assert np.array_equal(masked > 0, mask) or mask.all()
    assert np.array_equal(connected_components(masked), expected)


def test_files_keep_the_pixels_without_data_of_a_hierarchy(tmp_path: Path) -> None:
    result = segment_regions_with(REGIONS, photograph(), mask=river(), device="cpu")
    write_label_maps(tmp_path / "a.h5", [("a", result)], {})
    read = read_hierarchy(tmp_path / "a.h5", "a")
    assert read is not None
    assert result.hierarchy is not None
    assert np.array_equal(read.leaves, result.hierarchy.leaves)
    assert np.array_equal(read.altitudes, result.hierarchy.altitudes)
    assert np.isfinite(read.ucm()).all()
    assert np.array_equal(read.with_gaps_as_leaf().cut_at(1.0), number_with_gap(read))


def number_with_gap(hierarchy: Hierarchy) -> NDArray[np.int32]:
    """The regions of the coarsest cut and the gap, numbered from 0 in the order of their first pixels."""
    _, first, places = np.unique(hierarchy.cut_at(1.0), return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[places].reshape(hierarchy.leaves.shape).astype(np.int32)


@pytest.mark.parametrize("method", ["segment", "regions"])
def test_scribbles_beside_a_mask(method: str) -> None:
    marks = np.full((HEIGHT, WIDTH), 255, np.uint8)
    marks[8, 2:5], marks[8, 20:25], marks[8, 12] = 4, 9, 7

    def label(scribbles: NDArray[np.uint8]) -> Segmentation:
        if method == "segment":
            return dynseg.segment(photograph(), mask=river(), scribbles=scribbles, **SMALL)
        return segment_regions_with(REGIONS, photograph(), mask=river(), scribbles=scribbles, device="cpu")

    labels = label(marks).labels
    assert np.array_equal(labels > 0, river())
    # 7 was scribbled on pixels that don't count.
    assert {4, 9} <= set(np.unique(labels))
    assert 7 not in labels[marks == 7]
    for value, place, sentence in ((0, (8, 2), "label 0, which means no data"), (4, (8, 12), "on pixels without data")):
        other = np.full((HEIGHT, WIDTH), 255, np.uint8)
        other[place] = value
        with pytest.raises(UserError, match=sentence):
            label(other)


def test_nothing_that_counts_is_said(caplog: pytest.LogCaptureFixture) -> None:
    nothing = np.zeros((HEIGHT, WIDTH), bool)
    model = dynseg.fit([photograph()], **SMALL)
    for result in (
        dynseg.segment(photograph(), mask=nothing, **SMALL),
        dynseg.segment_regions(photograph(), mask=nothing, device="cpu"),
        dynseg.apply_model(model, photograph(), mask=nothing, device="cpu"),
    ):
        assert not result.labels.any()
        assert result.labels.shape == (HEIGHT, WIDTH)
    assert caplog.text.count("no pixel of the image has data inside of the mask") == 3
    with pytest.raises(UserError, match="no reference image has a pixel with data"):
        dynseg.fit([photograph()], mask=[nothing], **SMALL)


def test_of_a_picture_without_data_no_mask_is_spoken_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    nodata = (42113, "s", 0, "nan", True)
    tifffile.imwrite(tmp_path / "nothing.tif", np.full((HEIGHT, WIDTH), np.nan, np.float32), extratags=[nodata])
    assert not dynseg.segment_regions(tmp_path / "nothing.tif", device="cpu").labels.any()
    assert "no pixel of the image has data: its label map is 0 everywhere" in caplog.text
    arguments = ["segment", str(tmp_path / "nothing.tif"), "-o", str(tmp_path / "out"), "--threads", "1"]
    said = CliRunner().invoke(main_group, arguments)
    assert "nothing.tif: no pixel of the image has data: its label map is 0 everywhere" in said.output
    assert "mask" not in said.output
    Image.fromarray(np.zeros((HEIGHT, WIDTH), np.uint8)).save(tmp_path / "mask.png")
    said = CliRunner().invoke(main_group, [*arguments, "--mask", str(tmp_path / "mask.png")])
    assert "nothing.tif: no pixel of the image has data inside of the mask" in said.output


@pytest.mark.parametrize(
    ("mask", "sentence"),
    [
        (np.ones((3, 3), bool), "the mask is 3 × 3 pixels and the image 26 × 20: give a mask of the image's size"),
        (np.ones((HEIGHT, WIDTH)), "a mask must be bool or whole numbers"),
    ],
)
def test_a_mask_that_does_not_fit_is_a_sentence(mask: NDArray, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        dynseg.segment(photograph(), mask=mask)


@pytest.mark.parametrize(
    ("dtype", "tag", "missing"),
    [
        ("uint8", "0", 0),
        ("uint16", "7", 7),
        ("int16", "-9999", -9999),
        ("float32", "nan", np.nan),
        ("float32", "-3.4028234663852886e+38", np.finfo(np.float32).min),
        ("uint8", "-9999", None),
    ],
)
def test_what_gdal_says_of_no_data_is_read(tmp_path: Path, dtype: str, tag: str, missing: float | None) -> None:
    values = np.random.default_rng(0).integers(20, 100, (6, 9, 3)).astype(dtype)
    expected = np.ones((6, 9), bool)
    if missing is not None:
        values[2, 3:5] = missing
        expected[2, 3:5] = False
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="rgb", extratags=[(42113, "s", 0, tag, True)])
    picture = read_picture(tmp_path / "a.tif")
    assert picture.valid is not None
    assert np.array_equal(picture.valid, expected)
    tifffile.imwrite(tmp_path / "b.tif", values, photometric="rgb")
    if missing is not None:
        named = read_picture(tmp_path / "b.tif", no_data=missing).valid
        assert named is not None
        assert np.array_equal(named, expected)


def test_one_missing_band_is_enough_but_a_dark_colour_is_not(tmp_path: Path) -> None:
    bands = np.full((4, 5, 5), 9, np.uint16)
    bands[1, 1, 2] = 0
    tifffile.imwrite(tmp_path / "bands.tif", bands, photometric="minisblack", planarconfig="contig")
    colours = np.full((4, 5, 3), 9, np.uint8)
    colours[1, 1, 2] = 0
    Image.fromarray(colours).save(tmp_path / "colours.png")
    for name, count in (("bands.tif", 1), ("colours.png", 0)):
        valid = read_picture(tmp_path / name, no_data=0).valid
        assert valid is not None
        assert np.count_nonzero(~valid) == count


def segment(*arguments: str | Path) -> tuple[int, str]:
    result = CliRunner().invoke(main_group, ["segment", *map(str, arguments)])
    # The command itself prints the sentence of a `UserError`.
    return result.exit_code, f"{result.output}{result.exception or ''}"


def test_masks_of_a_folder_on_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_small_ensembles(monkeypatch)
    for folder in ("photos", "masks"):
        (tmp_path / folder).mkdir()
    for name in ("a", "b"):
        Image.fromarray(photograph()).save(tmp_path / f"photos/{name}.png")
    Image.fromarray(river().astype(np.uint8) * 255).save(tmp_path / "masks/a.png")
    out = tmp_path / "out"
    call = (tmp_path / "photos", "-o", out, "--mask", tmp_path / "masks", "--format", "npy", "--format", "h5")
    code, said = segment(*call, "--format", "json", "--format", "viewer", "--format", "ucm", "--format", "overlay")
    assert code == 0, said
    assert np.array_equal(np.load(out / "a.npy") > 0, river())
    assert "has no mask for 1 of 2 images, of which all is segmented: b is the first" in said
    # Where an image of the folder has no mask, all of it counts: 0 means the same in all outputs.
    assert np.load(out / "b.npy").min() == 1
    code, said = segment(*call, "--resume")
    assert "2 of 2 images are done already" in said
    Image.fromarray(river()[::-1].astype(np.uint8) * 255).save(tmp_path / "masks/a.png")
    code, said = segment(*call, "--resume")
    assert "1 of 2 images are done already" in said
    assert np.array_equal(np.load(out / "a.npy") > 0, river()[::-1])
    for name in ("a", "b"):
        cut = ["cut", str(out / f"{name}.h5"), "-o", str(tmp_path / "cut"), "--segments", "3", "--format", "npy"]
        assert CliRunner().invoke(main_group, cut).exit_code == 0
        assert np.unique(np.load(tmp_path / f"cut/{name}.npy")[river()[::-1]]).tolist() == [1, 2, 3]


def test_what_lies_outside_of_a_mask_decides_no_range(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_small_ensembles(monkeypatch)
    Image.fromarray(river().astype(np.uint8) * 255).save(tmp_path / "mask.png")
    bands = np.dstack([photograph(), photograph()[:, ::-1]]).astype(np.float32) * 10
    for name, outside in (("a", np.nan), ("b", 1e6)):
        scene = np.where(river()[:, :, np.newaxis], bands, np.float32(outside))
        tifffile.imwrite(tmp_path / f"{name}.tif", scene, photometric="minisblack", planarconfig="contig")
        code, said = segment(
            tmp_path / f"{name}.tif", "-o", tmp_path, "--mask", tmp_path / "mask.png", "--format", "npy"
        )
        assert code == 0, said
    assert np.array_equal(np.load(tmp_path / "a.npy"), np.load(tmp_path / "b.npy"))
    fitted = ["fit", str(tmp_path / "a.tif"), "-o", str(tmp_path / "a.pt"), "--mask", str(tmp_path / "mask.png")]
    result = CliRunner().invoke(main_group, [*fitted, "--iterations", "3", "--max-labels", "8"])
    assert result.exit_code == 0, f"{result.output}{result.exception}"


def test_mistakes_on_the_command_line_are_sentences(tmp_path: Path) -> None:
    photo, small = tmp_path / "photo.png", tmp_path / "small.png"
    Image.fromarray(photograph()).save(photo)
    Image.new("L", (4, 3), 255).save(small)
    (tmp_path / "none").mkdir()
    for arguments, sentence in (
        (("--mask", small), "give a mask of the image's size"),
        (("--mask", tmp_path / "none"), "has no masks for these images"),
        (("--nodata", "white"), "the value 'white' of no data isn't known: give a number, or nan"),
    ):
        code, said = segment(photo, "-o", tmp_path / "out", *arguments)
        assert code == 1, said
        assert sentence in said
        assert "Traceback" not in said
