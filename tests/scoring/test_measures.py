"""What the list of measures says of each of them."""

import numpy as np
import pandas as pd
import pytest

from dynseg.metrics import boundary_sums, label_boundaries
from dynseg.scoring.measures import BY_NAME, MEASURES, table_measures
from dynseg.scoring.pooling import image_sums, pool, pool_scales
from dynseg.scoring.scores import score_image, score_scales, score_table

STRIPES = np.tile(np.repeat([1, 2, 3], 4), (1, 8, 1))


def scores_of(labels: np.ndarray) -> pd.DataFrame:
    return score_table(score_image("a", STRIPES, labels))


@pytest.mark.parametrize("measure", MEASURES, ids=lambda measure: measure.name)
def test_the_annotation_itself_is_better_than_anything_else(measure) -> None:
    right, wrong = (image_sums(scores_of(labels)).sum() for labels in (STRIPES[0], np.minimum(STRIPES[0], 2)))
    scores = pd.Series({"wrong": measure.value(wrong), "right": measure.value(right), "nothing": np.nan})
    assert measure.best_of(scores) == "right"
    assert measure.value(right) == (0 if measure.unit else 1)


@pytest.mark.parametrize("measure", MEASURES, ids=lambda measure: measure.name)
def test_the_best_segments_of_all_scales_count_where_best_ious_do(measure) -> None:
    scales, best = score_scales("a", STRIPES, [STRIPES[0] % 2, STRIPES[0] // 2])
    pooled = pool_scales([score_table(rows) for rows in scales], score_table(best))[measure.name]
    assert ("best" in pooled) == measure.of_best_ious
    assert not np.isnan(list(pooled.values())).any()


def test_every_measure_has_a_name_of_its_own() -> None:
    assert list(BY_NAME) == [measure.name for measure in MEASURES]
    assert len(BY_NAME) == len(MEASURES)


def test_the_table_names_a_measure_by_its_dataset() -> None:
    named = table_measures("d")
    assert named["d"] is named["d_all"] is BY_NAME["all"]
    assert named["d_raw"] is BY_NAME["raw_all"]
    assert named["d_voi_raw"] is BY_NAME["raw_voi"]
    assert {measure.name for measure in named.values()} == set(BY_NAME)


def test_the_f_measure_is_of_recall_and_precision_over_all_images() -> None:
    random = np.random.default_rng(0)
    images = {name: (random.integers(1, 4, (3, 9, 12)), random.integers(0, 3, (9, 12))) for name in "abc"}
    scores = score_table([row for name, pair in images.items() for row in score_image(name, *pair)])
    each = [boundary_sums(map(label_boundaries, pair[0]), label_boundaries(pair[1])) for pair in images.values()]
    sums = np.sum(each, axis=0)
    recall, precision = sums[0] / sums[1], sums[2] / sums[3]
    assert pool(scores)["boundary"] == pytest.approx(2 * recall * precision / (recall + precision))


def test_a_prediction_without_boundaries_has_none_right() -> None:
    assert pool(scores_of(np.zeros_like(STRIPES[0])))["boundary"] == 0


def test_one_void_pixel_leaves_no_measure_of_boundaries() -> None:
    segments = STRIPES.copy()
    segments[0, 0, 0] = 0
    rows = score_image("void", segments, STRIPES[0]) + score_image("whole", STRIPES, STRIPES[0])
    pooled = pool(score_table(rows))
    assert np.isnan(pooled["boundary"])
    assert pooled["covering"] == 1


def test_relabelling_changes_no_boundaries() -> None:
    assert "raw_boundary" not in BY_NAME
    assert "d_boundary_raw" not in table_measures("d")
    labels = np.random.default_rng(0).integers(0, 2, STRIPES[0].shape)
    each = [score_table(score_image("a", STRIPES, labels, connectivity)) for connectivity in (4, 8, None)]
    assert len({pool(scores)["boundary"] for scores in each}) == 1
