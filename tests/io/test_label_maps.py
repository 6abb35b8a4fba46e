"""The HDF5 store of results."""

from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from dynseg.errors import UserError
from dynseg.io.hdf5 import smallest_unsigned
from dynseg.io.label_maps import (
    read_attributes,
    read_history,
    read_image_ids,
    read_labels,
    write_label_maps,
)
from dynseg.result import Segmentation

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
