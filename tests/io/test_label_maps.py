"""The HDF5 store of results."""

from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from dynseg.errors import UserError
from dynseg.hierarchy import Hierarchy
from dynseg.io.hdf5 import smallest_unsigned
from dynseg.io.label_maps import (
    read_attributes,
    read_hierarchy,
    read_history,
    read_image_ids,
    read_labels,
    read_segmentation,
    read_series,
    write_label_maps,
)
from dynseg.result import LabelMapSeries, Segmentation

PROVENANCE = {"method": "cnn", "seed": 3, "parameters": {"mu": 15.0}}


def write(path: Path) -> None:
    history = {"iteration": np.arange(1, 4), "weight": np.array([1.0, 0.5, 0.25])}
    segmentations = [
        ("größe", Segmentation(np.array([[0, 1], [2, 300]]), history, {"seconds": 1.5, "stopped_by": "labels"})),
        ("a", Segmentation(np.zeros((1, 3), dtype=np.int64))),
    ]
    write_label_maps(path, segmentations, PROVENANCE)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "maps.h5"
    write(path)
    assert read_image_ids(path) == ["a", "größe"]
    labels = read_labels(path, "größe")
    assert labels.tolist() == [[0, 1], [2, 300]]
    assert labels.dtype == np.uint16
    assert read_history(path, "größe")["weight"].tolist() == [1.0, 0.5, 0.25]
    assert read_history(path, "a") == {}
    attributes = read_attributes(path, "größe")
    assert attributes["parameters"] == '{"mu": 15.0}'
    assert (attributes["seed"], attributes["seconds"], attributes["stopped_by"]) == (3, 1.5, "labels")


def test_the_same_results_give_the_same_bytes(tmp_path: Path) -> None:
    write(tmp_path / "1.h5")
    write(tmp_path / "2.h5")
    assert (tmp_path / "1.h5").read_bytes() == (tmp_path / "2.h5").read_bytes()


def test_a_failure_leaves_the_earlier_file(tmp_path: Path) -> None:
    path = tmp_path / "maps.h5"
    write(path)
    before = path.read_bytes()

    def segmentations():
        yield "a", Segmentation(np.zeros((2, 2), dtype=np.uint8))
        raise UserError("image b: the loss is no longer finite")

    with pytest.raises(UserError, match="image b"):
        write_label_maps(path, segmentations(), PROVENANCE)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_unreadable_files_and_missing_images_are_named(tmp_path: Path) -> None:
    path = tmp_path / "maps.h5"
    write(path)
    with pytest.raises(UserError, match=r"maps\.h5 has no label map of image b"):
        read_labels(path, "b")
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(UserError, match=r"maps\.h5"):
        read_labels(path, "a")


@given(arrays(np.int64, (3, 4), elements=st.integers(0, 70_000)))
def test_the_smallest_type_keeps_every_label(labels: np.ndarray) -> None:
    small = smallest_unsigned(labels)
    assert (small == labels).all()
    assert small.dtype.kind == "u"
    assert small.dtype.itemsize == 1 or labels.max() > np.iinfo(f"u{small.dtype.itemsize // 2}").max


def test_the_file_is_plain_hdf5(tmp_path: Path) -> None:
    write(tmp_path / "maps.h5")
    with h5py.File(tmp_path / "maps.h5") as file:
        assert file["a/labels"].shape == (1, 3)
        assert file.attrs["method"] == "cnn"


LEAVES = np.array([[0, 0, 1], [2, 2, 1]], dtype=np.int32)


def hierarchy(children: list[list[int]], altitudes: list[float]) -> Hierarchy:
    return Hierarchy(LEAVES, np.array(children, dtype=np.int32), np.array(altitudes, dtype=np.float32))


def test_a_hierarchy_and_a_series_are_read_as_they_were_written(tmp_path: Path) -> None:
    path = tmp_path / "maps.h5"
    tree = hierarchy([[0, 2], [3, 1]], [0.25, 0.5])
    series = LabelMapSeries(np.array([50.0, 300.0]), np.stack([LEAVES, LEAVES * 200]))
    write_label_maps(
        path, [("a", Segmentation(LEAVES, hierarchy=tree, series=series)), ("b", Segmentation(LEAVES))], {}
    )
    read = read_segmentation(path, "a")
    for of_file in (read.hierarchy, read_hierarchy(path, "a")):
        assert of_file is not None
        for name in ("leaves", "children", "altitudes"):
            expected = getattr(tree, name)
            np.testing.assert_array_equal(getattr(of_file, name), expected)
            assert getattr(of_file, name).dtype == expected.dtype
    for of_file in (read.series, read_series(path, "a")):
        assert of_file is not None
        np.testing.assert_array_equal(of_file.scales, series.scales)
        np.testing.assert_array_equal(of_file.label_maps, series.label_maps)
        assert of_file.label_maps.dtype == np.uint16
    assert read_hierarchy(path, "b") is None
    assert read_series(path, "b") is None


def test_a_hierarchy_of_one_leaf_is_read(tmp_path: Path) -> None:
    path = tmp_path / "maps.h5"
    alone = Hierarchy(np.zeros((2, 2), np.int32), np.zeros((0, 2), np.int32), np.zeros(0, np.float32))
    write_label_maps(path, [("a", Segmentation(alone.leaves, hierarchy=alone))], {})
    read = read_hierarchy(path, "a")
    assert read is not None
    assert read.leaf_count == 1
    assert read.cut_at(0).tolist() == [[0, 0], [0, 0]]


@pytest.mark.parametrize(
    ("children", "altitudes"),
    [
        ([[0, 4], [3, 1]], [0.25, 0.5]),
        ([[0, 2], [2, 1]], [0.25, 0.5]),
        ([[0, 2], [3, 1]], [0.5, 0.25]),
        ([[0, 2], [3, 1]], [0.5, np.nan]),
        ([[0, 2]], [0.5]),
    ],
    ids=["a later node", "a node twice", "descending", "no number", "a leaf too many"],
)
def test_what_is_no_tree_is_refused(tmp_path: Path, children: list[list[int]], altitudes: list[float]) -> None:
    path = tmp_path / "maps.h5"
    write_label_maps(path, [("a", Segmentation(LEAVES, hierarchy=hierarchy(children, altitudes)))], {})
    with pytest.raises(UserError, match=r"maps\.h5 .*isn't a tree of merges"):
        read_hierarchy(path, "a")


def test_a_series_without_a_scale_a_map_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "maps.h5"
    series = LabelMapSeries(np.array([50.0]), np.stack([LEAVES, LEAVES]))
    write_label_maps(path, [("a", Segmentation(LEAVES, series=series))], {})
    with pytest.raises(UserError, match="2 label maps at 1 scales"):
        read_series(path, "a")
