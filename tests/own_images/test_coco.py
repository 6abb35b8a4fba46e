"""COCO annotations, decoded again."""

import json
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from dynseg.metrics import connected_components
from dynseg.own_images.coco import coco_annotations
from dynseg.own_images.outputs import Labelled, write_outputs
from dynseg.result import Segmentation


def decoded(segmentation: dict) -> NDArray[np.bool_]:
    """COCO's uncompressed run-length code: lengths of runs of 0 and 1 in turn, column by column."""
    counts = segmentation["counts"]
    values = np.repeat(np.arange(len(counts)) % 2, counts)
    return values.reshape(segmentation["size"], order="F").astype(bool)


@given(arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=st.integers(0, 3)))
def test_masks_are_the_connected_regions(labels: NDArray[np.uint8]) -> None:
    content = coco_annotations(labels, "a.jpg")
    assert content["images"] == [{"id": 1, "file_name": "a.jpg", "width": labels.shape[1], "height": labels.shape[0]}]
    shift = int(0 in labels)
    assert [category["id"] for category in content["categories"]] == (np.unique(labels) + shift).tolist()
    assert [category["name"] for category in content["categories"]] == [f"label {label}" for label in np.unique(labels)]
    regions = connected_components(labels)
    assert len(content["annotations"]) == regions.max()
    for annotation in content["annotations"]:
        counts = annotation["segmentation"]["counts"]
        assert min(counts[1:]) > 0
        mask = decoded(annotation["segmentation"])
        assert np.array_equal(mask, regions == annotation["id"])
        assert annotation["area"] == mask.sum()
        assert set(labels[mask] + shift) == {annotation["category_id"]}
        rows, columns = np.nonzero(mask)
        x, y, width, height = annotation["bbox"]
        assert (x, y) == (columns.min(), rows.min())
        assert (x + width - 1, y + height - 1) == (columns.max(), rows.max())


def test_ids_are_shifted_alike_where_images_share_labels() -> None:
    content = coco_annotations(np.full((2, 3), 4), "a.jpg", shift=1)
    assert content["categories"] == [{"id": 5, "name": "label 4"}]
    assert content["annotations"][0]["category_id"] == 5


def test_a_file_is_named_with_its_folders(tmp_path: Path) -> None:
    labelled = Labelled(None, Segmentation(np.zeros((2, 3), np.uint8)), "day 2/left/a.jpg", {})
    write_outputs({"json": tmp_path / "a.json"}, labelled)
    assert json.loads((tmp_path / "a.json").read_text())["images"][0]["file_name"] == "day 2/left/a.jpg"
