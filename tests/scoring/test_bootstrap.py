import numpy as np
import pandas as pd
import pytest

from dynseg.errors import UserError
from dynseg.scoring.bootstrap import bootstrap_intervals, deviations_over_seeds, paired_differences
from dynseg.scoring.measures import BY_NAME
from dynseg.scoring.pooling import pool
from dynseg.scoring.scores import score_image, score_table


def random_scores(seed=0, images=12, labels=4):
    """Scores of random label maps of the same annotations, whatever the seed."""
    fixed, random = np.random.default_rng(99), np.random.default_rng(seed)
    rows = []
    for number in range(images):
        segments = fixed.integers(1, 3 + number % 4, (3, 8, 8))
        rows += score_image(f"image{number}", segments, random.integers(0, labels, (8, 8)))
    return score_table(rows)


def test_resampling_draws_images_and_pools_their_segments():
    scores = random_scores(images=3)
    by_image = [each for _, each in scores.groupby("image")]
    # With three images there are only 27 equally likely draws: the interval is that of all of them.
    draws = [
        pd.concat([by_image[i].assign(image=str(n)) for n, i in enumerate(np.unravel_index(k, (3, 3, 3)))])
        for k in range(27)
    ]
    exact = pd.DataFrame([pool(draw) for draw in draws])
    table = bootstrap_intervals([scores])
    for measure in ("all", "coarse", "covering", "voi", "raw_fine"):
        assert table.loc[measure, "low"] == pytest.approx(exact[measure].min())
        assert table.loc[measure, "high"] == pytest.approx(exact[measure].max())


def test_scores_lie_in_their_intervals():
    scores = random_scores()
    table = bootstrap_intervals([scores])
    assert list(table.index) == list(BY_NAME)
    assert table["score"].to_dict() == pytest.approx({name: pool(scores)[name] for name in BY_NAME})
    assert ((table["low"] <= table["score"]) & (table["score"] <= table["high"])).all()


def test_intervals_are_the_same_for_the_same_seed():
    scores = random_scores()
    pd.testing.assert_frame_equal(bootstrap_intervals([scores], seed=1), bootstrap_intervals([scores], seed=1))
    assert not bootstrap_intervals([scores], seed=1).equals(bootstrap_intervals([scores], seed=2))


def test_more_images_narrow_the_interval():
    def width(images):
        table = bootstrap_intervals([random_scores(images=images)])
        return (table["high"] - table["low"])["all"]

    assert width(80) < width(8)


def test_a_method_of_several_seeds_is_their_mean():
    runs = [random_scores(seed) for seed in range(3)]
    table = bootstrap_intervals(runs)
    assert table.loc["all", "score"] == pytest.approx(np.mean([pool(run)["all"] for run in runs]))


def test_a_run_does_not_differ_from_itself():
    scores = random_scores()
    table = paired_differences([scores], [scores])
    assert (table[["difference", "low", "high"]] == 0).all(axis=None)
    assert not table["distinguishable"].any()


def test_a_clear_difference_is_distinguishable_and_changes_its_sign_with_the_order():
    fine, coarse = random_scores(labels=4), random_scores(labels=1)
    there, back = paired_differences([fine], [coarse]), paired_differences([coarse], [fine])
    assert there.loc["raw_pri", "difference"] == pytest.approx(pool(fine)["raw_pri"] - pool(coarse)["raw_pri"])
    assert there.loc["raw_pri", "low"] > 0
    assert there.loc["raw_pri", "distinguishable"]
    np.testing.assert_allclose(there["low"], -back["high"], atol=1e-12)


def test_pairing_narrows_the_interval_of_a_difference():
    scores = random_scores()
    better = scores.assign(best_iou_sum=scores["best_iou_sum"] * 1.01)
    paired = paired_differences([better], [scores]).loc["all"]
    unpaired = bootstrap_intervals([scores]).loc["all"]
    assert paired["distinguishable"]
    assert paired["high"] - paired["low"] < (unpaired["high"] - unpaired["low"]) / 10


def test_the_order_of_images_does_not_matter():
    one, other = random_scores(0), random_scores(1)
    shuffled = other.iloc[::-1]
    pd.testing.assert_series_equal(
        paired_differences([one], [shuffled]).loc["mean"], paired_differences([one], [other]).loc["mean"]
    )


def test_runs_of_other_images_are_refused():
    with pytest.raises(UserError, match="same images"):
        paired_differences([random_scores(images=3)], [random_scores(images=4)])


def test_deviations_over_seeds():
    runs = [random_scores(seed) for seed in range(3)]
    values = [pool(run)["all"] for run in runs]
    assert deviations_over_seeds(runs)["all"] == pytest.approx(np.std(values, ddof=1))


def test_a_single_seed_has_no_standard_deviation():
    assert np.isnan(deviations_over_seeds([random_scores()])["all"])


def test_an_empty_table_has_no_interval():
    table = bootstrap_intervals([score_table([])])
    assert table.isna().all(axis=None)
