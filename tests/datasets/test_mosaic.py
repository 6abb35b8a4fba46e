"""The embedded benchmark and the wheel's photographs."""

from pathlib import Path

import numpy as np
import pytest

from dynseg.datasets.mosaic import compose_mosaic, mosaic
from dynseg.datasets.photographs import PHOTOGRAPHS, export_photographs, picture_path
from dynseg.datasets.preparing import prepare
from dynseg.errors import UserError
from dynseg.io.ground_truth import read_segments
from dynseg.io.images import read_image


@pytest.fixture(scope="module")
def composed() -> tuple[np.ndarray, list[np.ndarray]]:
    return mosaic(np.random.default_rng([0, 0]), 60, 80)


def test_sizes_and_types(composed: tuple[np.ndarray, list[np.ndarray]]) -> None:
    image, annotations = composed
    assert image.shape == (60, 80, 3)
    assert image.dtype == np.uint8
    assert [labels.shape for labels in annotations] == [(60, 80)] * 3


def test_each_annotator_merges_segments_of_the_finer_one(composed: tuple[np.ndarray, list[np.ndarray]]) -> None:
    fine, middle, coarse = composed[1]
    assert fine.max() > middle.max() > coarse.max() >= 2
    for finer, coarser in ((fine, middle), (middle, coarse)):
        for segment in range(1, finer.max() + 1):
            assert len(np.unique(coarser[finer == segment])) == 1


def test_regions_differ_in_the_picture(composed: tuple[np.ndarray, list[np.ndarray]]) -> None:
    image, (fine, *_) = composed
    means = [image[fine == segment].mean(axis=0) for segment in range(1, fine.max() + 1)]
    differences = [np.abs(one - other).max() for i, one in enumerate(means) for other in means[:i]]
    assert min(differences) > 8


def test_same_seed_same_bytes(tmp_path: Path) -> None:
    for name, seed in (("one", 3), ("two", 3), ("three", 4)):
        compose_mosaic(tmp_path / f"{name}.tgz", images=1, size=(48, 40), seed=seed)
    assert (tmp_path / "one.tgz").read_bytes() == (tmp_path / "two.tgz").read_bytes()
    assert (tmp_path / "one.tgz").read_bytes() != (tmp_path / "three.tgz").read_bytes()


def test_takes_the_path_of_bsd500(tmp_path: Path) -> None:
    compose_mosaic(tmp_path / "mosaic.tgz", images=3, size=(48, 40))
    for kind in ("mosaic", "bsd500"):
        ids = prepare(kind, tmp_path / "mosaic.tgz", tmp_path / kind, "mosaic")
        assert ids == ["mosaic001", "mosaic002", "mosaic003"]
    for image_id, shape in (("mosaic001", (40, 48)), ("mosaic003", (48, 40))):
        image, annotations = mosaic(np.random.default_rng([0, int(image_id[-1]) - 1]), *shape)
        np.testing.assert_array_equal(read_image(tmp_path / "mosaic" / "images" / f"{image_id}.png"), image)
        np.testing.assert_array_equal(read_segments(tmp_path / "mosaic" / "ground_truth.h5", image_id), annotations)


def test_photographs_become_a_dataset_without_annotations(tmp_path: Path) -> None:
    assert export_photographs(tmp_path / "photographs") == list(PHOTOGRAPHS)
    ids = prepare("photographs", tmp_path / "photographs", tmp_path / "out", "photographs")
    assert ids == sorted(Path(name).stem for name in PHOTOGRAPHS)


def test_missing_picture_is_a_user_error() -> None:
    with pytest.raises(UserError, match=r"without its picture none\.png"):
        picture_path("none.png")
