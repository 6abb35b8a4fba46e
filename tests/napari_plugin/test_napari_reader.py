"""Files of dynseg open as labels layers, with their hierarchy."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from dynseg.hierarchy import Hierarchy
from dynseg.io.label_maps import write_label_maps
from dynseg.napari_plugin.reader import find_reader
from dynseg.napari_plugin.results import Regions
from dynseg.result import Segmentation

LEAVES = np.array([[0, 0, 1, 2]], np.int32)
HIERARCHY = Hierarchy(LEAVES, np.array([[1, 2], [0, 3]], np.int32), np.array([0.25, 0.5]))


def read(path: Path) -> list[tuple[Any, dict[str, Any], str]]:
    function = find_reader(str(path))
    assert function is not None
    return function(str(path))


def test_regions_with_their_hierarchy(tmp_path: Path) -> None:
    path = tmp_path / "photo.h5"
    write_label_maps(path, [("photo", Segmentation(HIERARCHY.cut_into(2), hierarchy=HIERARCHY))], {})
    ((labels, settings, kind),) = read(path)
    assert (settings["name"], kind) == ("photo regions", "labels")
    (regions,) = settings["metadata"].values()
    assert isinstance(regions, Regions)
    assert regions.count == 2
    np.testing.assert_array_equal(labels, regions.cuts.into(2))
    assert np.unique(regions.cuts.into(3)).size == 3


def test_label_maps_of_a_network_have_none(tmp_path: Path) -> None:
    path = tmp_path / "maps.h5"
    labels = np.array([[0, 4]], np.uint8)
    write_label_maps(path, [("a", Segmentation(labels)), ("b", Segmentation(labels))], {})
    layers = read(path)
    assert [settings["name"] for _, settings, _ in layers] == ["a regions", "b regions"]
    assert layers[0][0].tolist() == [[1, 5]]
    assert "metadata" not in layers[0][1]


def test_other_files_are_left_to_others(tmp_path: Path) -> None:
    path = tmp_path / "other.h5"
    with h5py.File(path, "w") as file:
        file["values"] = [1, 2, 3]
    assert find_reader(str(path)) is None
    path.write_bytes(b"no HDF5")
    assert find_reader(str(path)) is None
    assert find_reader([str(path)]) is None


def test_a_layer_of_a_file_has_its_slider(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    pytest.importorskip("napari.components")
    pytest.importorskip("pytestqt")
    from napari.components import ViewerModel

    from dynseg.napari_plugin.widget import RegionsPanel

    qtbot = request.getfixturevalue("qtbot")
    path = tmp_path / "photo.h5"
    write_label_maps(path, [("photo", Segmentation(HIERARCHY.cut_into(2), hierarchy=HIERARCHY))], {})
    ((labels, settings, _),) = read(path)
    viewer = ViewerModel()
    layer = viewer.add_labels(labels, **settings)
    panel = RegionsPanel(viewer)
    qtbot.addWidget(panel.widget.native)
    assert panel.controls.layer.value is layer
    assert panel.controls.count.value == 2
    panel.controls.count.value = 3
    assert np.unique(layer.data).size == 3
