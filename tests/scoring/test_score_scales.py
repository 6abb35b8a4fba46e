"""Scores at several scales."""

import tarfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from ground_truth_files import write_ground_truth
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from random_hierarchies import hierarchies

from dynseg.errors import UserError
from dynseg.hierarchy import Hierarchy
from dynseg.io.contour_hierarchy import hierarchy_of_contour_map
from dynseg.io.contour_maps import CONTOUR_THRESHOLDS
from dynseg.io.label_maps import write_label_maps
from dynseg.io.mat_files import read_mat_annotations, read_mat_contour_map
from dynseg.metrics import boundary_scores, contour_boundary_sums, label_boundaries
from dynseg.result import LabelMapSeries, Segmentation
from dynseg.scoring.measures import BOUNDARY_QUANTITIES, BY_NAME
from dynseg.scoring.pooling import pool_scales
from dynseg.scoring.scales import (
    BOUNDARY_THRESHOLDS,
    ScalesOfImage,
    collect_scales,
    read_scale_scores,
    score_at_scales,
    score_hierarchy,
    score_run_at_scales,
    write_scale_scores,
)
from dynseg.scoring.scores import SCORE_COLUMNS, score_image, score_scales, score_table

REGION_COLUMNS = [column for column in SCORE_COLUMNS if column not in BOUNDARY_QUANTITIES]
# A right half and a left one of two parts, that merge at .2 and .6.
TREE = Hierarchy(
    np.repeat([[0, 0, 1, 2, 2, 2]], 4, axis=0).astype(np.int32),
    np.array([[0, 1], [3, 2]], np.int32),
    np.array([0.2, 0.6], np.float32),
)
HALVES = np.repeat([[1, 1, 1, 2, 2, 2]], 4, axis=0)[np.newaxis].astype(np.uint8)


def segments_for(hierarchy: Hierarchy, seed: int, least: int = 1) -> NDArray[np.integer]:
    random = np.random.default_rng(seed)
    return random.integers(least, 4, (3, *hierarchy.leaves.shape))


def table_of(rows: Sequence[Sequence[dict]]) -> pd.DataFrame:
    return score_table([row for of_scale in rows for row in of_scale])


@settings(max_examples=30, deadline=None)
@given(hierarchies(), st.integers(0, 1000), st.integers(0, 1))
def test_a_cut_has_the_scores_of_its_label_map(hierarchy: Hierarchy, seed: int, least: int) -> None:
    segments = segments_for(hierarchy, seed, least)
    thresholds = CONTOUR_THRESHOLDS[::9]
    scores = score_hierarchy("a", segments, hierarchy, thresholds)
    label_maps = [hierarchy.cut_at(threshold) for threshold in thresholds]
    rows, best_rows = score_scales("a", segments, label_maps)
    pd.testing.assert_frame_equal(table_of(scores.rows)[REGION_COLUMNS], table_of(rows)[REGION_COLUMNS])
    pd.testing.assert_frame_equal(score_table(scores.best_rows), score_table(best_rows))
    alone = [score_image("a", segments, labels) for labels in label_maps]
    pd.testing.assert_frame_equal(table_of(rows), table_of(alone))


@settings(max_examples=20, deadline=None)
@given(hierarchies(), st.integers(0, 1000))
def test_boundaries_are_those_of_the_contour_map(hierarchy: Hierarchy, seed: int) -> None:
    segments = segments_for(hierarchy, seed)
    scores = score_hierarchy("a", segments, hierarchy)
    annotated = [label_boundaries(each) for each in segments]
    expected = contour_boundary_sums(annotated, hierarchy.ucm()[2::2, 2::2], BOUNDARY_THRESHOLDS)
    found = [
        score_table(rows)[list(BOUNDARY_QUANTITIES)].sum(min_count=3)
        for rows, threshold in zip(scores.rows, CONTOUR_THRESHOLDS, strict=True)
        if threshold in BOUNDARY_THRESHOLDS
    ]
    np.testing.assert_array_equal(found, expected)
    elsewhere = table_of([scores.rows[1], scores.rows[2]])
    assert elsewhere[list(BOUNDARY_QUANTITIES)].isna().all(axis=None)


def test_boundaries_pool_as_the_benchmark_collects_them() -> None:
    scores = collect_scales(
        (str(seed), score_hierarchy(str(seed), segments_for(TREE, seed), TREE)) for seed in range(3)
    )
    sums = [
        contour_boundary_sums(
            [label_boundaries(each) for each in segments_for(TREE, seed)], TREE.ucm()[2::2, 2::2], BOUNDARY_THRESHOLDS
        )
        for seed in range(3)
    ]
    expected = boundary_scores(sums, BOUNDARY_THRESHOLDS)
    assert scores.pooled()["boundary"] == {
        "ods": expected.dataset_f_measure,
        "ois": expected.image_f_measure,
        "ap": expected.average_precision,
    }


def test_void_pixels_leave_boundaries_out_and_nothing_else() -> None:
    segments = HALVES.copy()
    segments[0, 0, 0] = 0
    scores = collect_scales([("a", score_hierarchy("a", segments, TREE)), ("b", score_hierarchy("b", HALVES, TREE))])
    pooled = scores.pooled()
    assert np.isnan(list(pooled["boundary"].values())).all()
    assert pooled["covering"]["ois"] == 1


@pytest.fixture
def ground_truth(tmp_path: Path) -> Path:
    write_ground_truth(tmp_path / "ground_truth.h5", [("NA", HALVES), ("b", HALVES)], {})
    return tmp_path / "ground_truth.h5"


def write_run(folder: Path, **segmentations: Segmentation) -> list[Path]:
    write_label_maps(folder / "run.h5", segmentations.items(), {})
    return [folder / "run.h5"]


def test_a_run_of_hierarchies_comes_back_from_its_file(ground_truth: Path, tmp_path: Path) -> None:
    tree = Segmentation(TREE.leaves, hierarchy=TREE)
    scores = score_run_at_scales(write_run(tmp_path, NA=tree, b=tree), ground_truth)
    assert list(scores.tables) == CONTOUR_THRESHOLDS.tolist()
    assert scores.pooled()["covering"] == {"ods": 1, "ois": 1, "best": 1}
    write_scale_scores(scores, tmp_path / "scales.csv")
    read = read_scale_scores(tmp_path / "scales.csv")
    assert list(read.tables) == list(scores.tables)
    for scale, table in scores.tables.items():
        pd.testing.assert_frame_equal(read.tables[scale], table, check_dtype=False)
    assert read.pooled() == scores.pooled()


def test_a_series_is_scored_before_a_hierarchy(ground_truth: Path, tmp_path: Path) -> None:
    series = LabelMapSeries(np.array([50.0, 300.0]), np.stack([TREE.leaves, HALVES[0]]))
    both = Segmentation(TREE.leaves, hierarchy=TREE, series=series)
    scores = score_run_at_scales(write_run(tmp_path, NA=both, b=both), ground_truth)
    assert list(scores.tables) == [50, 300]
    assert scores.pooled() == pool_scales(list(scores.tables.values()), scores.best)
    assert scores.pooled()["boundary"]["ods"] == 1


def test_a_run_without_scales_has_only_a_header(ground_truth: Path, tmp_path: Path) -> None:
    alone = Segmentation(TREE.leaves)
    write_scale_scores(score_run_at_scales(write_run(tmp_path, NA=alone, b=alone), ground_truth), tmp_path / "s.csv")
    assert (tmp_path / "s.csv").read_text() == ",".join(["scale", *SCORE_COLUMNS]) + "\n"
    assert read_scale_scores(tmp_path / "s.csv").tables == {}


def test_an_image_of_other_scales_is_named(ground_truth: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="image b has other scales"):
        score_run_at_scales(
            write_run(tmp_path, NA=Segmentation(TREE.leaves, hierarchy=TREE), b=Segmentation(TREE.leaves)), ground_truth
        )


def test_a_scale_that_is_no_number_is_one_sentence(tmp_path: Path) -> None:
    row = score_table(score_image("a", HALVES, TREE.leaves)).assign(scale="much")
    row[["scale", *SCORE_COLUMNS]].to_csv(tmp_path / "s.csv", index=False)
    with pytest.raises(UserError, match=r"s\.csv has a scale that is no number"):
        read_scale_scores(tmp_path / "s.csv")


def test_a_series_is_relabelled_as_asked() -> None:
    diagonal = np.array([[1, 2], [2, 1]])
    series = LabelMapSeries(np.array([1.0]), diagonal[np.newaxis])
    segments = diagonal[np.newaxis]
    covered = [score_at_scales("a", segments, series, each).rows[0][0]["covered_pixels"] for each in (4, 8, None)]
    assert covered == [2, 4, 4]
    assert isinstance(score_at_scales("a", segments, series), ScalesOfImage)


# What the benchmark's own code prints for its five images at five thresholds (REGIONS, region measures ODS, OIS, Best).
PRINTED = {
    "covering": {"ods": 0.654023, "ois": 0.725074, "best": 0.749811},
    "pri": {"ods": 0.826926, "ois": 0.898299},
    "voi": {"ods": 1.36877, "ois": 1.11563},
}


def content_of(archive: tarfile.TarFile, name: str) -> bytes:
    file = archive.extractfile(name)
    assert file is not None
    return file.read()


@pytest.mark.archives
def test_the_benchmark_prints_the_same_of_contour_maps(archives: Path) -> None:
    thresholds = np.linspace(1 / 6, 1 - 1 / 6, 5)
    images = []
    with tarfile.open(archives / "bsds_bench_sample.tgz") as archive:
        for member in (member for member in archive if "/ucm2/" in member.name and member.isfile()):
            contour_map = read_mat_contour_map(content_of(archive, member.name), member.name)
            assert contour_map is not None
            hierarchy = hierarchy_of_contour_map(contour_map.astype(np.float64))
            assert hierarchy is not None
            truth = member.name.replace("ucm2", "groundTruth")
            segments = np.stack(read_mat_annotations(content_of(archive, truth), truth))
            images.append((member.name, score_hierarchy(member.name, segments, hierarchy, thresholds, thresholds)))
    assert len(images) == 5
    pooled = collect_scales(images).pooled()
    for measure, printed in PRINTED.items():
        assert pooled[measure] == pytest.approx(printed, abs=1e-5)
    boundary = {"ods": 0.704632, "ois": 0.708608, "ap": 0.307593}
    assert pooled["boundary"] == pytest.approx(boundary, abs=0.001)
    assert set(pooled) == set(BY_NAME)
