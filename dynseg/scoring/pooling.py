"""Measures of a whole dataset, from the score tables of its images."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from dynseg.errors import UserError
from dynseg.scoring.measures import BOUNDARY_QUANTITIES, MEASURES, QUANTITIES, RAW


def image_sums(scores: pd.DataFrame) -> pd.DataFrame:
    """Add up a score table by image, to the sums that every measure is a ratio of.

    Returns
    -------
    DataFrame
        Indexed by image. Best IoUs and segments of all annotations, of the finest (most segments) and of the coarsest
        (fewest segments, the first on a tie); pixels and covered pixels of all annotations; Rand index and variation
        of information as the mean over annotations; pixels of boundaries, NaN for images with void pixels; `images` and
        `annotations`, to be summed up to their numbers.
    """
    # The first annotation decides a tie, in whatever order the rows are.
    scores = scores.sort_values(["image", "annotator"], ignore_index=True)
    by_image = scores.groupby("image", sort=False)
    totals, means = by_image.sum(min_count=1), by_image.mean()
    chosen = {
        "all": totals,
        "fine": scores.loc[by_image["segments"].idxmax()].set_index("image"),
        "coarse": scores.loc[by_image["segments"].idxmin()].set_index("image"),
    }
    columns: dict[str, pd.Series] = {"pixels": totals["pixels"], "annotations": by_image.size()}
    for name, selected in chosen.items():
        columns[f"{name}_segments"] = selected["segments"]
        for ending in ("", RAW):
            for quantity in QUANTITIES:
                if quantity.by_image == "selections":
                    columns[f"{name}_{quantity.name}{ending}"] = selected[f"{quantity.name}{ending}"]
    for ending in ("", RAW):
        for quantity in QUANTITIES:
            column = f"{quantity.name}{ending}"
            if quantity.by_image in ("sum", "mean"):
                columns[column] = (totals if quantity.by_image == "sum" else means)[column]
    columns |= {name: totals[name] for name in BOUNDARY_QUANTITIES}
    return pd.DataFrame(columns).assign(images=1)


def measures_of_sums(sums: Mapping[str, Any]) -> dict[str, Any]:
    """Return every measure from the totals of `image_sums`: numbers, or arrays of equal shape; NaN without an image."""
    return {measure.name: measure.value(sums) for measure in MEASURES}


def pool(scores: pd.DataFrame) -> dict[str, float]:
    """Pool a score table over its images.

    Returns
    -------
    dict of str to float
        `all`, `fine`, `coarse`, `mean` (mIOU), `covering`, `pri`, `voi`, the same with `raw_` for predictions that
        aren't relabelled; `boundary`, NaN if an image has void pixels; and the numbers of `images`, `annotations`,
        `segments`, `fine_segments` and `coarse_segments` that they rest on. The measures of an empty table are NaN.
    """
    sums = _totals(scores)
    numbers = {
        "images": sums["images"],
        "annotations": sums["annotations"],
        "segments": sums["all_segments"],
        "fine_segments": sums["fine_segments"],
        "coarse_segments": sums["coarse_segments"],
    }
    measures = {name: float(value) for name, value in measures_of_sums(sums).items()}
    return {**measures, **{name: int(value) for name, value in numbers.items()}}


def pool_scales(scales: Sequence[pd.DataFrame], best: pd.DataFrame | None = None) -> dict[str, dict[str, float]]:
    """Pool the score tables of a method at several values of its scale parameter.

    Parameters
    ----------
    scales : sequence of DataFrame
        One score table per value, all of the same images.
    best : DataFrame, optional
        A score table whose best IoUs are the largest over all scales, segment by segment.

    Returns
    -------
    dict of str to dict of str to float
        Each measure's `ods` (one scale for all images), `ois` (the best scale of each image) and, if `best` is given
        and the measure rests on best IoUs, `best`; of `boundary` also `ap`. ODS and OIS choose the scale for each
        measure by itself.

    Raises
    ------
    UserError
        If the tables aren't of the same images and annotators.
    """
    return pool_scales_and_optima(dict(enumerate(scales)), best)[0]


def pool_scales_and_optima(
    scales: Mapping[float, pd.DataFrame], best: pd.DataFrame | None = None
) -> tuple[dict[str, dict[str, float]], dict[str, float]]:
    """Do as `pool_scales`, and return beside it the scale that the ODS of each measure is of.

    Parameters
    ----------
    scales : mapping from float to DataFrame
        The score table of each value of the scale parameter, ascending.
    best
        As for `pool_scales`.

    Raises
    ------
    UserError
        If the tables aren't of the same images and annotators.
    """
    tables = list(scales.values())
    first = tables[0][["image", "annotator"]]
    if not all(first.equals(scores[["image", "annotator"]]) for scores in tables):
        raise UserError("the score tables of the scales aren't of the same images: score every scale on the same ones")
    sums = [image_sums(scores) for scores in tables]
    best_sums = None if best is None else _totals(best)
    pooled = {measure.name: measure.at_scales(sums, best_sums) for measure in MEASURES}
    return pooled, {measure.name: measure.optimal_scale(sums, list(scales)) for measure in MEASURES}


def _totals(scores: pd.DataFrame) -> dict[str, float]:
    # A dataset of which some images have no boundaries has no measure of them.
    return {str(column): float(total) for column, total in image_sums(scores).sum(skipna=False).items()}
