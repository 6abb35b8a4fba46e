"""The store of annotations, also as MATLAB and others see it."""

from pathlib import Path

import h5py
import numpy as np
import pytest
from ground_truth_files import write_ground_truth
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from dynseg.errors import UserError
from dynseg.io.ground_truth import (
    iterate_segments,
    read_annotated_ids,
    read_attributes,
    read_segments,
)

ATTRIBUTES = {"dataset": "mine", "split": "test", "archive": "a.tgz", "archive_sha256": "00", "void": ""}
SEGMENTS = np.array([[[1, 1, 2], [1, 2, 2]], [[1, 1, 1], [2, 3, 3]]])


@settings(max_examples=30, deadline=None)
@given(arrays(np.int64, array_shapes(min_dims=3, max_dims=3, max_side=5), elements=st.integers(0, 70_000)))
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, segments: np.ndarray) -> None:
    path = tmp_path_factory.mktemp("store") / "ground_truth.h5"
    write_ground_truth(path, [("ü%20b", segments)], ATTRIBUTES)
    read = read_segments(path, "ü%20b")
    np.testing.assert_array_equal(read, segments)
    assert read.dtype == np.min_scalar_type(int(segments.max()))


def test_ids_attributes_and_order(tmp_path: Path) -> None:
    path = tmp_path / "ground_truth.h5"
    write_ground_truth(path, [("b", SEGMENTS), ("a", SEGMENTS + 1)], ATTRIBUTES)
    assert read_annotated_ids(path) == ["a", "b"]
    assert read_attributes(path) == ATTRIBUTES
    assert [(image_id, int(segments.max())) for image_id, segments in iterate_segments(path, ["b", "a"])] == [
        ("b", 3),
        ("a", 4),
    ]


def test_layout_is_the_documented_one(tmp_path: Path) -> None:
    path = tmp_path / "ground_truth.h5"
    write_ground_truth(path, [("b", SEGMENTS)], ATTRIBUTES)
    with h5py.File(path) as file:
        segments = file["b/segments"]
        assert segments.chunks == (1, 2, 3)
        assert segments.compression == "gzip"
        assert segments.dtype == np.uint8
        assert file.attrs["archive"] == "a.tgz"


def test_same_annotations_make_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one.h5", "two.h5"):
        write_ground_truth(tmp_path / name, [("b", SEGMENTS)], ATTRIBUTES)
    assert (tmp_path / "one.h5").read_bytes() == (tmp_path / "two.h5").read_bytes()


def test_pictures_only(tmp_path: Path) -> None:
    write_ground_truth(tmp_path / "ground_truth.h5", [], ATTRIBUTES)
    assert read_annotated_ids(tmp_path / "ground_truth.h5") == []


def test_failure_keeps_the_earlier_file(tmp_path: Path) -> None:
    path = tmp_path / "ground_truth.h5"
    write_ground_truth(path, [("b", SEGMENTS)], ATTRIBUTES)

    def failing():
        yield "c", SEGMENTS
        raise UserError("no")

    with pytest.raises(UserError, match="no"):
        write_ground_truth(path, failing(), ATTRIBUTES)
    assert read_annotated_ids(path) == ["b"]
    assert list(tmp_path.iterdir()) == [path]


def test_unknown_image_missing_and_broken_file_are_user_errors(tmp_path: Path) -> None:
    path = tmp_path / "ground_truth.h5"
    with pytest.raises(UserError, match=r"ground_truth\.h5 doesn't exist"):
        read_annotated_ids(path)
    write_ground_truth(path, [("b", SEGMENTS)], ATTRIBUTES)
    with pytest.raises(UserError, match="no annotation of the image 'c'"):
        read_segments(path, "c")
    path.write_bytes(path.read_bytes()[:700])
    with pytest.raises(UserError, match="isn't a whole HDF5 file"):
        read_annotated_ids(path)


def test_links_out_of_the_file_are_not_followed(tmp_path: Path) -> None:
    write_ground_truth(tmp_path / "other.h5", [("b", SEGMENTS)], ATTRIBUTES)
    with h5py.File(tmp_path / "ground_truth.h5", "w") as file:
        file["b"] = h5py.ExternalLink("other.h5", "b")
        file.create_group("c")["segments"] = h5py.ExternalLink("other.h5", "b/segments")
    for image_id in ("b", "c"):
        with pytest.raises(UserError, match="has no annotation"):
            read_segments(tmp_path / "ground_truth.h5", image_id)


@pytest.mark.parametrize(
    "dataset",
    [
        {"data": np.zeros((2, 2), np.uint8)},
        {"data": np.zeros((1, 2, 2))},
        {"shape": (1, 10**6, 10**6), "dtype": "u1"},
        {"shape": (10**9, 100, 100), "dtype": "u1"},
        {"shape": (1, 2, 2), "dtype": "u1", "external": [("/etc/passwd", 0, 4)]},
    ],
)
def test_other_arrays_are_user_errors(tmp_path: Path, dataset: dict) -> None:
    with h5py.File(tmp_path / "ground_truth.h5", "w") as file:
        file.create_dataset("b/segments", **dataset)
    with pytest.raises(UserError, match=r"ground_truth\.h5 .*/b/segments"):
        read_segments(tmp_path / "ground_truth.h5", "b")
