"""What the list of measures says of each of them."""

import numpy as np
import pandas as pd
import pytest

from dynseg.scoring.measures import BY_NAME, MEASURES, table_measures
from dynseg.scoring.pooling import image_sums, pool_scales
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
