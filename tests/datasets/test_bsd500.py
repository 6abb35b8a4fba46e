"""BSD500 from its archive, its mirror, an unpacked folder and subsets."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from archive_builders import bsd_mat, folder, picture, tgz

from dynseg.datasets.bsd500 import check_complete
from dynseg.datasets.preparing import prepare
from dynseg.datasets.selection import all_images, listed, sampled
from dynseg.errors import UserError
from dynseg.io.ground_truth import iterate_segments, read_annotated_ids, read_attributes, read_segments

FINE = np.arange(1, 25, dtype=np.uint16).reshape(4, 6)
COARSE = np.array([[3] * 3 + [9] * 3] * 4, np.uint16)


def files(root: str = "BSR/BSDS500/data") -> dict[str, bytes]:
    return {
        f"{root}/images/test/Thumbs.db": b"\xd0\xcf",
        f"{root}/images/test/2.jpg": picture(),
        f"{root}/images/test/10.jpg": picture(),
        f"{root}/images/train/3.jpg": picture(),
        f"{root}/images/val/4.jpg": picture(),
        f"{root}/groundTruth/test/10.mat": bsd_mat(COARSE),
        f"{root}/groundTruth/test/2.mat": bsd_mat(FINE, COARSE),
        f"{root}/groundTruth/train/3.mat": bsd_mat(FINE),
        f"{root}/groundTruth/val/4.mat": bsd_mat(FINE),
        "BSR/bench/data/images/2.jpg": b"another of the same name",
    }


@pytest.mark.parametrize(
    "made",
    [
        lambda path: tgz(path, files()),
        lambda path: tgz(path, files("BSDS500-a04b7c/BSDS500/data")),
        lambda path: tgz(path, files("./BSDS500/data")),
        lambda path: tgz(path, dict(reversed(files().items()))),
        lambda path: folder(path, files()),
        lambda path: folder(path, files()) / "BSR" / "BSDS500",
        lambda path: folder(path, files()) / "BSR" / "BSDS500" / "data",
    ],
    ids=["official", "mirror", "dot", "images first", "folder", "folder BSDS500", "folder data"],
)
def test_layouts(tmp_path: Path, made: Callable[[Path], Path]) -> None:
    output = tmp_path / "out"
    assert prepare("bsd500", made(tmp_path / "bsd.tgz"), output, "bsd") == ["10", "2"]
    assert sorted(path.name for path in (output / "images").iterdir()) == ["10.jpg", "2.jpg"]
    segments = read_segments(output / "ground_truth.h5", "2")
    np.testing.assert_array_equal(segments, [FINE, np.where(COARSE == 3, 1, 2)])


def test_attributes_say_what_made_it(tmp_path: Path) -> None:
    prepare("bsd500", tgz(tmp_path / "bsd.tgz", files()), tmp_path / "out", "mine", split="val")
    attributes = read_attributes(tmp_path / "out" / "ground_truth.h5")
    assert attributes["dataset"] == "mine"
    assert attributes["split"] == "val"
    assert attributes["archive"] == "bsd.tgz"
    assert len(attributes["archive_sha256"]) == 64


@pytest.mark.parametrize(
    ("split", "ids"), [("train", ["3"]), ("val", ["4"]), ("test", ["10", "2"]), ("trainval", ["3", "4"])]
)
def test_splits(tmp_path: Path, split: str, ids: list[str]) -> None:
    assert prepare("bsd500", tgz(tmp_path / "bsd.tgz", files()), tmp_path / "out", "bsd", split=split) == ids


def test_selections(tmp_path: Path) -> None:
    archive = tgz(tmp_path / "bsd.tgz", files())
    (tmp_path / "ids.txt").write_text("2\n")
    assert prepare("bsd500", archive, tmp_path / "out", "bsd", listed(tmp_path / "ids.txt")) == ["2"]
    assert read_annotated_ids(tmp_path / "out" / "ground_truth.h5") == ["2"]
    assert len(prepare("bsd500", archive, tmp_path / "out", "bsd", sampled(1, 0, pytest.fail))) == 1


@pytest.mark.parametrize(
    ("left_out", "split", "message"),
    [
        ("none", "dev", "split 'dev' isn't one of BSD500: choose train, val, test, trainval"),
        ("/train/", "train", "no images of the split 'train': choose test or val"),
        ("/train/", "trainval", "no images of the split 'train': choose test or val"),
        ("/images/", "test", r"bsd\.tgz has no BSDS500/data/images/"),
        ("test/10.mat", "test", r"the image 'BSR/BSDS500/data/images/test/10\.jpg' has no groundTruth"),
    ],
)
def test_what_is_missing_is_named(tmp_path: Path, left_out: str, split: str, message: str) -> None:
    archive = tgz(tmp_path / "bsd.tgz", {name: data for name, data in files().items() if left_out not in name})
    with pytest.raises(UserError, match=message):
        prepare("bsd500", archive, tmp_path / "out", "bsd", all_images, split=split)
    assert [path.name for path in tmp_path.iterdir()] == ["bsd.tgz"]


@pytest.mark.parametrize("content", [bsd_mat(FINE[:2]), bsd_mat(FINE, COARSE[:2]), bsd_mat(FINE)[:200], b""])
def test_bad_annotation_is_named(tmp_path: Path, content: bytes) -> None:
    archive = tgz(tmp_path / "bsd.tgz", {**files(), "BSR/BSDS500/data/groundTruth/test/10.mat": content})
    with pytest.raises(UserError, match=r"bsd\.tgz: BSR/BSDS500/data/images/test/10\.jpg"):
        prepare("bsd500", archive, tmp_path / "out", "bsd")


def test_image_that_comes_twice_is_a_user_error(tmp_path: Path) -> None:
    twice = {**files(), "BSR/BSDS500/data/images/test/2.png": picture(kind="PNG")}
    with pytest.raises(UserError, match="would both be the image '2'"):
        prepare("bsd500", tgz(tmp_path / "bsd.tgz", twice), tmp_path / "out", "bsd")


def test_mirror_without_hash_is_checked_by_its_content(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"bsd\.tgz has 4 images of BSD500 and not 500"):
        check_complete(tgz(tmp_path / "bsd.tgz", files()))
    names = [f"{number:03}" for number in range(500)]
    whole = {f"BSDS500/data/images/test/{name}.jpg": b"" for name in names}
    with pytest.raises(UserError, match="has 0 annotation files"):
        check_complete(tgz(tmp_path / "bsd.tgz", whole))
    check_complete(
        tgz(tmp_path / "bsd.tgz", {**whole, **{f"BSDS500/data/groundTruth/test/{name}.mat": b"" for name in names}})
    )


@pytest.mark.archives
def test_the_real_one(tmp_path: Path, archives: Path) -> None:
    archive = archives / "BSR_bsds500.tgz"
    check_complete(archive)
    ids = prepare("bsd500", archive, tmp_path / "out", "bsd500")
    counts = [segments.max(axis=(1, 2)) for _, segments in iterate_segments(tmp_path / "out" / "ground_truth.h5", ids)]
    assert len(ids) == 200
    assert sum(len(segments) for segments in counts) == 1063
    assert sum(int(segments.sum()) for segments in counts) == 23192
    assert sum(int(segments.max()) for segments in counts) == 8022
    assert sum(int(segments.min()) for segments in counts) == 1999
