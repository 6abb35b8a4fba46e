"""`dynseg.read_hierarchy`: one image's hierarchy from a file of results."""

from pathlib import Path

import numpy as np
import pytest

import dynseg
from dynseg.io.label_maps import write_label_maps


def columns(altitude: float) -> dynseg.Segmentation:
    """Two columns that merge at an altitude."""
    leaves = np.array([[0, 1], [0, 1]], np.int32)
    hierarchy = dynseg.Hierarchy(leaves, np.array([[0, 1]], np.int32), np.array([altitude], np.float32))
    return dynseg.Segmentation(leaves, hierarchy=hierarchy)


def test_the_only_image_needs_no_name_and_several_do(tmp_path: Path) -> None:
    write_label_maps(tmp_path / "one.h5", [("a", columns(0.25))], {})
    assert dynseg.read_hierarchy(tmp_path / "one.h5").altitudes.tolist() == [0.25]
    assert dynseg.read_hierarchy(str(tmp_path / "one.h5"), "a").cut_into(1).tolist() == [[0, 0], [0, 0]]
    write_label_maps(tmp_path / "two.h5", [("a", columns(0.25)), ("b", columns(0.5))], {})
    assert dynseg.read_hierarchy(tmp_path / "two.h5", "b").altitudes.tolist() == [0.5]
    with pytest.raises(dynseg.UserError, match=r"two\.h5 has 2 images: name the one whose hierarchy you want"):
        dynseg.read_hierarchy(tmp_path / "two.h5")
    with pytest.raises(dynseg.UserError, match=r"two\.h5 has no label map of image c"):
        dynseg.read_hierarchy(tmp_path / "two.h5", "c")


def test_a_label_map_alone_is_no_hierarchy(tmp_path: Path) -> None:
    write_label_maps(tmp_path / "flat.h5", [("a", dynseg.Segmentation(np.zeros((2, 2), np.uint8)))], {})
    with pytest.raises(dynseg.UserError, match=r"flat\.h5 has no hierarchy"):
        dynseg.read_hierarchy(tmp_path / "flat.h5")
