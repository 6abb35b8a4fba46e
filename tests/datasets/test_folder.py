"""A user's own pictures: odd names, every kind of annotation."""

import io
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
import tifffile
from archive_builders import bsd_mat, folder, label_png, picture, tgz
from PIL import Image

from dynseg.datasets.preparing import prepare
from dynseg.errors import UserError
from dynseg.io.ground_truth import read_annotated_ids, read_attributes, read_segments

LABELS = np.array([[0, 0, 7, 7, 7, 9]] * 4, np.uint8)
NUMBERED = [[1, 1, 2, 2, 2, 3]] * 4
ODD_NAMES = [
    "two words.jpg",
    "quo\"te's.png",
    "semi;colon.bmp",
    "new\nline.jpg",
    "$(touch x).jpg",
    "-rf.png",
    "日本/é.JPG",
]


def png(image: np.ndarray) -> bytes:
    content = io.BytesIO()
    Image.fromarray(image).save(content, "PNG")
    return content.getvalue()


def tiff(labels: np.ndarray) -> bytes:
    content = io.BytesIO()
    tifffile.imwrite(content, labels)
    return content.getvalue()


def npy(labels: np.ndarray) -> bytes:
    content = io.BytesIO()
    np.save(content, labels)
    return content.getvalue()


def kind_of(name: str) -> str:
    return {"jpg": "JPEG", "png": "PNG", "bmp": "BMP"}[name.lower().rpartition(".")[2]]


def test_odd_names_and_what_is_no_picture(tmp_path: Path) -> None:
    source = folder(tmp_path / "in", {name: picture(kind=kind_of(name)) for name in ODD_NAMES})
    folder(source, {"notes.txt": b"", ".hidden.jpg": b"", "__MACOSX/._two words.jpg": b"", "Thumbs.db": b""})
    with pytest.warns(UserWarning, match=r"in: files of other types are left out: 1 \.db, 1 \.txt$"):
        ids = prepare("folder", source, tmp_path / "out", "mine")
    assert ids == sorted(ids)
    assert "日本_é" in ids
    assert "-rf" in ids
    assert "new%0Aline" in ids
    assert len(ids) == len(ODD_NAMES)
    assert {path.suffix for path in (tmp_path / "out" / "images").iterdir()} == {".jpg", ".png", ".bmp"}
    assert (tmp_path / "out" / "images.txt").read_text(encoding="utf-8").splitlines() == ids
    assert read_annotated_ids(tmp_path / "out" / "ground_truth.h5") == []


def test_names_that_are_not_utf8(tmp_path: Path) -> None:
    source = folder(tmp_path / "in", {os.fsdecode(b"caf\xe9.jpg"): picture()})
    assert prepare("folder", source, tmp_path / "out", "mine") == ["caf%E9"]


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "1", "I;16"])
def test_modes(tmp_path: Path, mode: str) -> None:
    source = folder(tmp_path / "in", {"a.png": picture(kind="PNG", mode=mode)})
    assert prepare("folder", source, tmp_path / "out", "mine") == ["a"]


def test_archive_is_read_below_the_folders_that_all_share(tmp_path: Path) -> None:
    files = {"set/images/cat one/1.jpg": picture(), "set/images/dog/2.bmp": picture(kind="BMP")}
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    assert prepare("folder", tmp_path / "set.zip", tmp_path / "out", "mine") == ["cat%20one_1", "dog_2"]
    assert prepare("folder", tgz(tmp_path / "set.tgz", files), tmp_path / "out", "mine") == ["cat%20one_1", "dog_2"]


@pytest.mark.parametrize(
    "annotation",
    [
        {"a.png": label_png(LABELS)},
        {"a.png": png(LABELS)},
        {"a.png": png(LABELS.astype(np.uint16) * 300)},
        {"a.png": png(np.dstack([LABELS, 0 * LABELS, LABELS]))},
        {"a.mat": bsd_mat(LABELS)},
        {"a.tif": tiff(LABELS.astype(np.uint16))},
        {"a.npy": npy(LABELS[np.newaxis].astype(np.float32))},
    ],
    ids=["palette", "grey", "16 bits", "colours", "mat", "tif", "npy"],
)
def test_kinds_of_annotation(tmp_path: Path, annotation: dict[str, bytes]) -> None:
    source = folder(tmp_path / "in", {"sub/a.jpg": picture()})
    annotations = folder(tmp_path / "labels", {f"sub/{name}": data for name, data in annotation.items()})
    prepare("folder", source, tmp_path / "out", "mine", annotations=annotations)
    assert read_segments(tmp_path / "out" / "ground_truth.h5", "sub_a").tolist() == [NUMBERED]


def test_void_is_label_0(tmp_path: Path) -> None:
    source = folder(tmp_path / "in", {"a.jpg": picture()})
    annotations = folder(tmp_path / "labels", {"a.png": label_png(LABELS)})
    prepare("folder", source, tmp_path / "out", "mine", annotations=annotations, void="ignore")
    assert read_segments(tmp_path / "out" / "ground_truth.h5", "a").tolist() == [[[0, 0, 1, 1, 1, 2]] * 4]
    assert read_attributes(tmp_path / "out" / "ground_truth.h5")["void"] == "ignore"


def test_annotators_come_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    source = folder(tmp_path / "in", {"a.jpg": picture(), "a.3.jpg": picture()})
    segments = {
        number: np.minimum(np.arange(24).reshape(4, 6), number - 1).astype(np.uint8) for number in (1, 2, 3, 10)
    }
    annotations = folder(tmp_path / "labels", {f"a.{number}.png": png(labels) for number, labels in segments.items()})
    prepare("folder", source, tmp_path / "out", "mine", annotations=annotations)
    path = tmp_path / "out" / "ground_truth.h5"
    assert read_segments(path, "a").max(axis=(1, 2)).tolist() == [1, 2, 10]
    assert read_segments(path, "a.3").max(axis=(1, 2)).tolist() == [3]


def test_annotations_may_lie_in_an_archive_or_among_the_pictures(tmp_path: Path) -> None:
    source = folder(tmp_path / "in", {"a.png": picture(kind="PNG"), "labels/a.png": label_png(LABELS)})
    packed = tgz(tmp_path / "labels.tgz", {"labels/a.png": label_png(LABELS)})
    for annotations in (source / "labels", packed):
        if annotations == packed:
            (source / "labels" / "a.png").unlink()
        assert prepare("folder", source, tmp_path / "out", "mine", annotations=annotations) == ["a"]
        assert read_segments(tmp_path / "out" / "ground_truth.h5", "a").tolist() == [NUMBERED]


@pytest.mark.parametrize(("void", "expected"), [("9", [1, 1, 2, 2, 2, 0]), ("0,9", [0, 0, 1, 1, 1, 0])])
def test_void_may_be_any_labels(tmp_path: Path, void: str, expected: list[int]) -> None:
    source = folder(tmp_path / "in", {"a.jpg": picture()})
    annotations = folder(tmp_path / "labels", {"a.png": label_png(LABELS)})
    prepare("folder", source, tmp_path / "out", "mine", annotations=annotations, void=void)
    assert read_segments(tmp_path / "out" / "ground_truth.h5", "a").tolist() == [[expected] * 4]


def test_void_may_be_negative(tmp_path: Path) -> None:
    source = folder(tmp_path / "in", {"a.jpg": picture()})
    content = io.BytesIO()
    np.save(content, np.where(LABELS == 9, -1, LABELS.astype(np.int16)))
    annotations = folder(tmp_path / "labels", {"a.npy": content.getvalue()})
    with pytest.raises(UserError, match="negative label -1"):
        prepare("folder", source, tmp_path / "out", "mine", annotations=annotations)
    prepare("folder", source, tmp_path / "out", "mine", annotations=annotations, void="-1")
    segments = read_segments(tmp_path / "out" / "ground_truth.h5", "a")[0]
    assert np.array_equal(segments == 0, LABELS == 9)


def test_the_usual_index_for_unlabelled_pixels_is_warned_of_unless_void_is_said(tmp_path: Path) -> None:
    source = folder(tmp_path / "in", {"a.jpg": picture()})
    labels = np.where(LABELS == 9, 255, LABELS).astype(np.uint8)
    annotations = folder(tmp_path / "labels", {"a.png": label_png(labels)})
    with pytest.warns(UserWarning, match="palette pictures of 1 images have index 255, which is scored as a segment"):
        prepare("folder", source, tmp_path / "out", "mine", annotations=annotations)
    assert read_segments(tmp_path / "out" / "ground_truth.h5", "a").tolist() == [NUMBERED]
    for void in ("segment", "ignore", "255"):
        prepare("folder", source, tmp_path / "out", "mine", annotations=annotations, void=void)
    grey = folder(tmp_path / "grey", {"a.png": png(labels)})
    prepare("folder", source, tmp_path / "out", "mine", annotations=grey)


def test_linked_folders_are_followed_and_loops_end(tmp_path: Path) -> None:
    folder(tmp_path / "far", {"b.jpg": picture(), "deep/c.jpg": picture()})
    source = folder(tmp_path / "in", {"a.jpg": picture()})
    (source / "linked").symlink_to("../far")
    (source / "self").symlink_to(".")
    (tmp_path / "far" / "back").symlink_to("../in")
    (source / "nowhere.jpg").symlink_to("../none.jpg")
    (source / "circle").symlink_to("circle")
    assert prepare("folder", source, tmp_path / "out", "mine") == ["a", "linked_b", "linked_deep_c"]


@pytest.mark.parametrize("suffix", ["jfif", "jpe", "JFIF"])
def test_other_suffixes_of_jpeg(tmp_path: Path, suffix: str) -> None:
    source = folder(tmp_path / "in", {f"a.{suffix}": picture()})
    assert prepare("folder", source, tmp_path / "out", "mine") == ["a"]


def test_where_nothing_is_a_picture_the_error_says_what_is_there(tmp_path: Path) -> None:
    source = folder(tmp_path / "in", {"IMG_0001.PSD": b"x", "b.psd": b"x", "README": b""})
    with pytest.raises(UserError, match=r"give one that has; there are 1 without a suffix, 2 \.psd$"):
        prepare("folder", source, tmp_path / "out", "mine")


@pytest.mark.parametrize(
    ("files", "annotation", "message"),
    [
        ({"a.txt": b""}, None, r"in has no file that ends in \.avif, \.bmp"),
        (
            {"a.jpg": picture(), "b.jpg": picture()},
            {"a.png": label_png(LABELS)},
            r"b\.jpg has no annotation in .*labels",
        ),
        ({"a.jpg": picture()}, {"a.png": label_png(LABELS[:2])}, r"a\.jpg has 6x4 pixels and its annotation 6x2"),
        ({"a.jpg": picture()}, {"a.png": b"text"}, r"labels: a\.png isn't an image"),
        ({"a.jpg": picture()[:300]}, None, r"in: a\.jpg can't be read as an image"),
        ({"a/b.jpg": picture(), "a_b.jpg": picture()}, None, "would both be the image 'a_b'"),
        ({"a.jpg": picture(), "a.png": picture()}, None, "would both be the image 'a'"),
    ],
)
def test_what_is_wrong_is_named(
    tmp_path: Path, files: dict[str, bytes], annotation: dict[str, bytes] | None, message: str
) -> None:
    source = folder(tmp_path / "in", files)
    annotations = folder(tmp_path / "labels", annotation) if annotation else None
    with pytest.raises(UserError, match=message):
        prepare("folder", source, tmp_path / "out", "mine", annotations=annotations)
    assert not (tmp_path / "out").exists()


def test_pictures_are_not_annotations(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (300, 300, 3), dtype=np.uint8)
    source = folder(tmp_path / "in", {"a.png": png(noise)})
    annotations = folder(tmp_path / "labels", {"a.png": png(noise)})
    with pytest.raises(UserError, match=r"labels: a\.png has .* different labels: give a label map, not a picture"):
        prepare("folder", source, tmp_path / "out", "mine", annotations=annotations)


def test_hostile_names_write_nothing_outside(tmp_path: Path) -> None:
    names = ["../../out.jpg", "/etc/out.jpg", "a/../../../b.jpg", "C:\\c.jpg"]
    archive = tgz(tmp_path / "in.tgz", {name: picture() for name in names})
    ids = prepare("folder", archive, tmp_path / "target" / "out", "mine")
    assert ids == ["C%3A%5Cc", "a_b", "etc_out", "out"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.tgz", "target"]


def test_member_that_comes_twice_is_a_user_error(tmp_path: Path) -> None:
    content = {"a/b.jpg": picture(), "./a/b.jpg": picture()}
    with pytest.raises(UserError, match="would both be the image"):
        prepare("folder", tgz(tmp_path / "in.tgz", content), tmp_path / "out", "mine")


@pytest.mark.archives
def test_the_real_sample_of_icoseg(tmp_path: Path, archives: Path) -> None:
    ids = prepare("folder", archives / "icoseg_sample.zip", tmp_path / "out", "icoseg")
    assert len(ids) == 26
    assert "009%20Stonehenge-Stongehenge-rjt208_1242542917_dc1ca04a06" in ids
    assert sum(path.suffix == ".bmp" for path in (tmp_path / "out" / "images").iterdir()) == 12
