"""VOC2012: masks by object and class, the border, and cut-down archives."""

from pathlib import Path

import numpy as np
import pytest
from archive_builders import folder, label_png, picture, tgz

from dynseg.datasets.preparing import prepare
from dynseg.errors import UserError
from dynseg.io.ground_truth import iterate_segments, read_segments

CLASSES = np.array([[0, 0, 15, 15], [255, 0, 15, 15], [255, 255, 20, 0]], np.uint8)
OBJECTS = np.array([[0, 0, 1, 2], [255, 0, 1, 2], [255, 255, 3, 0]], np.uint8)


def files() -> dict[str, bytes]:
    root = "VOCdevkit/VOC2012"
    return {
        f"{root}/ImageSets/Segmentation/train.txt": b"2007_000001\n",
        f"{root}/ImageSets/Segmentation/val.txt": b"2007_000002\n",
        f"{root}/ImageSets/Segmentation/trainval.txt": b"2007_000001\n2007_000002\n",
        f"{root}/ImageSets/Main/val.txt": b"2007_000003\n",
        **{f"{root}/JPEGImages/2007_00000{n}.jpg": picture(3, 4) for n in (1, 2, 3)},
        **{f"{root}/SegmentationClass/2007_00000{n}.png": label_png(CLASSES) for n in (1, 2)},
        **{f"{root}/SegmentationObject/2007_00000{n}.png": label_png(OBJECTS) for n in (1, 2)},
    }


@pytest.mark.parametrize(
    ("masks", "void", "expected"),
    [
        ("object", "background", [[1, 1, 2, 3], [1, 1, 2, 3], [1, 1, 4, 1]]),
        ("class", "background", [[1, 1, 2, 2], [1, 1, 2, 2], [1, 1, 3, 1]]),
        ("object", "ignore", [[1, 1, 2, 3], [0, 1, 2, 3], [0, 0, 4, 1]]),
        ("class", "segment", [[1, 1, 2, 2], [4, 1, 2, 2], [4, 4, 3, 1]]),
    ],
)
def test_masks_and_void(tmp_path: Path, masks: str, void: str, expected: list) -> None:
    archive = tgz(tmp_path / "voc.tar", files())
    assert prepare("voc2012", archive, tmp_path / "out", "voc", masks=masks, void=void) == ["2007_000002"]
    assert read_segments(tmp_path / "out" / "ground_truth.h5", "2007_000002").tolist() == [expected]


@pytest.mark.parametrize("split", ["train", "val", "trainval"])
def test_defaults_and_splits_of_an_unpacked_folder(tmp_path: Path, split: str) -> None:
    unpacked = folder(tmp_path / "voc", files()) / "VOCdevkit" / "VOC2012"
    ids = prepare("voc2012", unpacked, tmp_path / "out", "voc", split=split)
    assert (
        ids
        == {
            "train": ["2007_000001"],
            "val": ["2007_000002"],
            "trainval": ["2007_000001", "2007_000002"],
        }[split]
    )
    assert read_segments(tmp_path / "out" / "ground_truth.h5", ids[0]).max() == 4


@pytest.mark.parametrize(
    ("left_out", "options", "message"),
    [
        ("SegmentationObject", {}, "has no SegmentationObject/ but SegmentationClass/: set masks: class"),
        ("SegmentationClass", {"masks": "class"}, "set masks: object"),
        ("Segmentation", {}, "has no list of the split 'val'"),
        ("/val.txt", {}, "has no list of the split 'val': choose train or trainval"),
        ("JPEGImages/2007_000002", {}, r"lists '2007_000002' in val\.txt and has no image of it \(1 missing\)"),
        ("Object/2007_000002", {}, r"lists '2007_000002' in val\.txt and has no mask of it \(1 missing\)"),
        ("none", {"masks": "thing"}, "masks 'thing' isn't one of VOC2012: choose object, class"),
        ("none", {"void": "no"}, "void 'no' isn't one of VOC2012: choose background, ignore, segment"),
        ("none", {"split": "test"}, "split 'test' isn't one of VOC2012"),
    ],
)
def test_what_is_missing_is_named(tmp_path: Path, left_out: str, options: dict, message: str) -> None:
    archive = tgz(tmp_path / "voc.tar", {name: data for name, data in files().items() if left_out not in name})
    with pytest.raises(UserError, match=message):
        prepare("voc2012", archive, tmp_path / "out", "voc", **options)


@pytest.mark.archives
def test_the_real_sample(tmp_path: Path, archives: Path) -> None:
    archive = archives / "VOCtrainval_11-May-2012.tar"
    with pytest.raises(UserError, match="set masks: class"):
        prepare("voc2012", archive, tmp_path / "out", "voc")
    ids = prepare("voc2012", archive, tmp_path / "out", "voc", split="trainval", masks="class")
    assert len(ids) == 60
    for _, segments in iterate_segments(tmp_path / "out" / "ground_truth.h5", ids):
        assert segments.min() == 1
        assert 2 <= segments.max() <= 21
