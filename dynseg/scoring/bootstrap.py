"""How far scores can be trusted: bootstrap over images, paired differences, spread over seeds.

The image is the unit: images are drawn with replacement, then their segments are pooled (Efron and Tibshirani 1993,
chapters 6 and 13: percentile intervals).
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dynseg.errors import UserError
from dynseg.scoring.measures import BY_NAME
from dynseg.scoring.pooling import image_sums, measures_of_sums, pool

RESAMPLES = 4000
CONFIDENCE = 0.95
# Fewer images can be drawn in so few ways (35 for four of them) that an interval would say nothing.
FEWEST_IMAGES = 5
# What is said in the place of the interval then.
TOO_FEW_IMAGES = "too few for intervals"


def bootstrap_intervals(runs: Sequence[pd.DataFrame], *, resamples: int = RESAMPLES, seed: int = 0) -> pd.DataFrame:
    """Return the 95 % interval of every measure of a method.

    Parameters
    ----------
    runs : sequence of DataFrame
        The score tables of a method, one per seed, of the same images. A measure is the mean over seeds.
    resamples : int
        How often images are drawn.
    seed : int
        Seed of the drawing.

    Returns
    -------
    DataFrame
        Indexed by measure (as `dynseg.scoring.pooling.pool` names them): `score`, `low`, `high`.

    Raises
    ------
    UserError
        If the runs aren't of the same images.
    """
    (sums,) = _aligned([runs])
    return _with_interval("score", _measures(sums, _everything(sums)), _measures(sums, _draws(sums, resamples, seed)))


def paired_differences(
    runs: Sequence[pd.DataFrame], others: Sequence[pd.DataFrame], *, resamples: int = RESAMPLES, seed: int = 0
) -> pd.DataFrame:
    """Return the 95 % interval of the difference between two methods on the same images.

    Both are pooled over the same draws, so that what makes an image hard for both cancels out.

    Parameters
    ----------
    runs, others : sequence of DataFrame
        The score tables of each method, one per seed, all of the same images.
    resamples : int
        How often images are drawn.
    seed : int
        Seed of the drawing.

    Returns
    -------
    DataFrame
        Indexed by measure: `difference` (`runs` less `others`), `low`, `high`, and whether it is `distinguishable`
        from zero, which then isn't inside the interval.

    Raises
    ------
    UserError
        If the runs aren't of the same images.
    """
    ours, theirs = _aligned([runs, others])
    draws = _draws(ours, resamples, seed)
    table = _with_interval(
        "difference",
        _measures(ours, _everything(ours)) - _measures(theirs, _everything(theirs)),
        _measures(ours, draws) - _measures(theirs, draws),
    )
    return table.assign(distinguishable=(table["low"] > 0) | (table["high"] < 0))


def deviations_over_seeds(runs: Sequence[pd.DataFrame]) -> dict[str, float]:
    """Return the standard deviation of every measure over seeds.

    Parameters
    ----------
    runs : sequence of DataFrame
        The score tables of a method, one per seed.

    Returns
    -------
    dict of str to float
        By measure; the standard deviation of a sample, so NaN for a single seed.
    """
    scores = pd.DataFrame([pool(run) for run in runs])[list(BY_NAME)]
    return {str(measure): float(deviation) for measure, deviation in scores.std(ddof=1).items()}


def _aligned(methods: Sequence[Sequence[pd.DataFrame]]) -> list[list[pd.DataFrame]]:
    """Return the sums by image of every run, their rows in the order of the first run's images."""
    sums = [[image_sums(run) for run in runs] for runs in methods]
    images = sums[0][0].index
    for of_method in sums:
        for of_run in of_method:
            if set(of_run.index) != set(images):
                raise UserError("the score tables aren't of the same images: score both runs on the same dataset")
    return [[of_run.loc[images] for of_run in of_method] for of_method in sums]


def _everything(sums: Sequence[pd.DataFrame]) -> NDArray[np.float64]:
    """Return the weights that take each image once, (1, images)."""
    return np.ones((1, len(sums[0])))


def _draws(sums: Sequence[pd.DataFrame], resamples: int, seed: int) -> NDArray[np.float64]:
    """Return how often each image is drawn in each resample, (resamples, images)."""
    images = len(sums[0])
    if images == 0:
        return np.ones((resamples, 0))
    draws = np.random.default_rng(seed).multinomial(images, np.full(images, 1 / images), size=resamples)
    return draws.astype(np.float64)


def _measures(sums: Sequence[pd.DataFrame], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return every measure of the weighted images, mean over runs: (measures, resamples)."""
    of_runs = []
    for of_run in sums:
        totals = weights @ of_run.to_numpy(dtype=np.float64)
        measures = measures_of_sums(dict(zip(of_run.columns, totals.T, strict=True)))
        of_runs.append([measures[name] for name in BY_NAME])
    means: NDArray[np.float64] = np.mean(of_runs, axis=0)
    return means


def _with_interval(name: str, estimate: NDArray[np.float64], resampled: NDArray[np.float64]) -> pd.DataFrame:
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(resampled, [tail, 1 - tail], axis=1)
    index = pd.Index(list(BY_NAME), name="measure")
    return pd.DataFrame({name: estimate[:, 0], "low": low, "high": high}, index=index)
