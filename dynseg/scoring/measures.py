"""The measures: what each is called, what it is computed from, and which way is better. All others ask here.

A score table has the `QUANTITIES` of every prediction against every annotation. They are summed up by image, and a
measure is the mean of one or more ratios of such sums over images. A new measure is a function in `dynseg.metrics`, a
quantity here if it needs one, and an entry of `_MEASURES`. Boundaries have `BOUNDARY_QUANTITIES` of their own: they are
matched with all annotations of an image at once, and don't depend on how a prediction is relabelled.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dynseg.metrics import (
    BoundaryScores,
    BoundarySums,
    ContingencyTable,
    boundary_scores,
    optimal_dataset_scale,
    optimal_image_scale,
    rand_index_of_table,
    variation_of_information_of_table,
)

# The planner asks here too, and has no need of pandas.
if TYPE_CHECKING:
    import pandas as pd

# Ending of the columns of predictions as they are, beside those of predictions relabelled by connected components.
RAW = "_raw"

# Annotations of an image that a quantity is summed over: all, the finest or the coarsest.
SELECTIONS = ("all", "fine", "coarse")

# How the measures of a method with several scales are called, by the key that they have in files.
SCALES = {"ods": "ODS", "ois": "OIS", "best": "Best", "ap": "AP"}


class Agreement(NamedTuple):
    """A prediction compared with one annotation.

    Attributes
    ----------
    table : ContingencyTable
    best_ious : ndarray, (annotated segments,), float64
        The largest IoU of each annotated segment with a predicted one.
    """

    table: ContingencyTable
    best_ious: NDArray[np.float64]


@dataclass(frozen=True)
class Quantity:
    """A column of the score table: a number of a prediction and an annotation.

    Attributes
    ----------
    name : str
        Name of the column; with `RAW` after it for the prediction as it is.
    value : callable
        The number, from an `Agreement`.
    by_image : {"selections", "sum", "mean"}, optional
        How it is put together over the annotations of an image: summed over each of the `SELECTIONS`, summed over all,
        or their mean. Left out of the sums if None.
    of_best_ious : bool
        Whether it is computed from best IoUs alone, so that it exists for the best segments of several label maps.
    """

    name: str
    value: Callable[[Agreement], float]
    by_image: Literal["selections", "sum", "mean"] | None = None
    of_best_ious: bool = False


QUANTITIES = (
    Quantity("predicted_segments", lambda agreement: agreement.table.column_areas.size),
    Quantity("best_iou_sum", lambda agreement: float(agreement.best_ious.sum()), "selections", of_best_ious=True),
    Quantity(
        "covered_pixels",
        lambda agreement: float(agreement.table.row_areas @ agreement.best_ious),
        "sum",
        of_best_ious=True,
    ),
    Quantity("rand_index", lambda agreement: rand_index_of_table(agreement.table), "mean"),
    Quantity("variation_of_information", lambda agreement: variation_of_information_of_table(agreement.table), "mean"),
)

# Columns of boundary pixels, as `BoundarySums` has them: recall's on each annotator's row, precision's on the first.
BOUNDARY_QUANTITIES = tuple(f"boundary_{name}" for name in BoundarySums._fields)


@dataclass(frozen=True)
class Measure:
    """What a method is scored by.

    Attributes
    ----------
    name : str
        Key of its scores.
    label : str
        Heading of its column in the table, below or after the dataset.
    title : str
        Its full name.
    terms : tuple of (str, str)
        Numerators and denominators of its ratios: columns of `dynseg.scoring.scores.image_sums`.
    is_miou : bool
        Whether it is a mean IoU over a selection of annotations; the others are region measures.
    smaller_is_better : bool
    of_best_ious : bool
        Whether it is computed from best IoUs alone, so that Best is defined (Arbeláez et al. 2011).
    unit : str
        Empty for a share.
    raw : bool
        Whether it is of predictions as they are, not relabelled by connected components.
    is_f_measure : bool
        Whether it is the harmonic mean of its two ratios, recall and precision of boundaries, and not their mean.
    """

    name: str
    label: str
    title: str
    terms: tuple[tuple[str, str], ...]
    is_miou: bool = False
    smaller_is_better: bool = False
    of_best_ious: bool = False
    unit: str = ""
    raw: bool = False
    is_f_measure: bool = False

    @property
    def scales(self) -> tuple[str, ...]:
        """What is told of it at several scales: keys of `SCALES`, Best also where it isn't defined."""
        return ("ods", "ois", "ap") if self.is_f_measure else ("ods", "ois", "best")

    def value(self, sums: Mapping[str, Any]) -> Any:
        """Return the measure from sums over images: numbers, or arrays of equal shape; NaN without an image."""
        if self.is_f_measure:
            return self._f_measure(sums)
        with np.errstate(invalid="ignore"):
            return np.mean([np.divide(sums[above], sums[below]) for above, below in self.terms], axis=0)

    def _f_measure(self, sums: Mapping[str, Any]) -> Any:
        """Return the harmonic mean of the two ratios, each 0 where there is nothing to divide by."""
        recall, precision = (np.asarray(sums[above]) / np.maximum(sums[below], 1) for above, below in self.terms)
        both = recall + precision
        return np.where(np.asarray(sums["images"]) > 0, 2 * recall * precision / np.where(both == 0, 1, both), np.nan)

    def at_scales(self, sums: "Sequence[pd.DataFrame]", best: Mapping[str, float] | None) -> dict[str, float]:
        """Return the measure of a method with several scales.

        Parameters
        ----------
        sums : sequence of DataFrame
            The sums by image of each scale, all of the same images.
        best : mapping from str to float, optional
            The sums over images of the best segments at any scale.

        Returns
        -------
        dict of str to float
            `ods` (one scale for all images), `ois` (the best scale of each image) and, if there is one, `best`; of
            boundaries `ods`, `ois` and `ap` of the scales that they were matched at, NaN if there are none.
        """
        if self.is_f_measure:
            return self._boundaries_at_scales(sums)
        above, below = self._ratios_at_scales(sums)
        values = {
            "ods": optimal_dataset_scale(above, below, smaller_is_better=self.smaller_is_better)[0],
            "ois": optimal_image_scale(above, below, smaller_is_better=self.smaller_is_better)[0],
        }
        if best is not None and self.of_best_ious:
            values["best"] = float(self.value(best))
        return values

    def optimal_scale(self, sums: "Sequence[pd.DataFrame]", scales: Sequence[float]) -> float:
        """Return the one scale that is best for all images, which ODS is of.

        Parameters
        ----------
        sums : sequence of DataFrame
            The sums by image of each scale, all of the same images.
        scales : sequence of float
            The value of each scale, ascending.

        Returns
        -------
        float
            Of boundaries it may lie between two scales; NaN where they weren't matched.
        """
        if self.is_f_measure:
            found = self._boundary_scores(sums, scales)
            return np.nan if found is None else found.dataset_scale
        above, below = self._ratios_at_scales(sums)
        return float(scales[optimal_dataset_scale(above, below, smaller_is_better=self.smaller_is_better)[1]])

    def _ratios_at_scales(self, sums: "Sequence[pd.DataFrame]") -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return numerators and denominators, each (terms, scales, images)."""
        above = np.array([[each[name] for each in sums] for name, _ in self.terms], dtype=float)
        below = np.array([[each[name] for each in sums] for _, name in self.terms], dtype=float)
        return above, below

    def _boundaries_at_scales(self, sums: "Sequence[pd.DataFrame]") -> dict[str, float]:
        scores = self._boundary_scores(sums, range(len(sums)))
        if scores is None:
            return dict.fromkeys(self.scales, np.nan)
        return {
            "ods": scores.dataset_f_measure,
            "ois": scores.image_f_measure,
            "ap": scores.average_precision,
        }

    def _boundary_scores(self, sums: "Sequence[pd.DataFrame]", scales: Sequence[float]) -> BoundaryScores | None:
        """Return the scores of the scales at which boundaries were matched; None if there are none."""
        counted = np.array([each[list(BOUNDARY_QUANTITIES)].to_numpy(dtype=float) for each in sums])
        matched = ~np.isnan(counted).any(axis=(1, 2))
        if not counted[matched].size:
            return None
        return boundary_scores(np.moveaxis(counted[matched], 0, 1), np.asarray(scales, dtype=float)[matched])

    def best_of(self, scores: "pd.Series[float]") -> Any:
        """Return the index of the best score, the first one on a tie; None if all are NaN."""
        scores = scores.dropna()
        if scores.empty:
            return None
        return scores.idxmin() if self.smaller_is_better else scores.idxmax()


def _miou(name: str, label: str, title: str, selections: Sequence[str]) -> Measure:
    terms = tuple((f"{selection}_best_iou_sum", f"{selection}_segments") for selection in selections)
    return Measure(name, label, f"mIOU, {title}", terms, is_miou=True, of_best_ious=True)


_MEASURES = (
    _miou("all", "All", "all annotations", ["all"]),
    _miou("fine", "Fine", "finest annotation", ["fine"]),
    _miou("coarse", "Coarse", "coarsest annotation", ["coarse"]),
    _miou("mean", "Mean", "mean of the three", SELECTIONS),
    Measure("covering", "covering", "covering", (("covered_pixels", "pixels"),), of_best_ious=True),
    Measure("pri", "PRI", "probabilistic Rand index", (("rand_index", "images"),)),
    Measure(
        "voi",
        "VoI",
        "variation of information",
        (("variation_of_information", "images"),),
        smaller_is_better=True,
        unit="bits",
    ),
    Measure(
        "boundary",
        "F",
        "F-measure of boundaries",
        (
            ("boundary_matched_annotated", "boundary_annotated"),
            ("boundary_matched_predicted", "boundary_predicted"),
        ),
        is_f_measure=True,
    ),
)


def _raw(measure: Measure) -> Measure:
    """Return a measure of predictions as they are."""
    quantities = tuple(quantity.name for quantity in QUANTITIES)

    def of_raw(column: str) -> str:
        return f"{column}{RAW}" if column.endswith(quantities) else column

    terms = tuple((of_raw(above), of_raw(below)) for above, below in measure.terms)
    return replace(measure, name=f"raw_{measure.name}", terms=terms, raw=True)


MEASURES = (*_MEASURES, *(_raw(measure) for measure in _MEASURES if not measure.is_f_measure))
BY_NAME = {measure.name: measure for measure in MEASURES}


def table_measures(dataset: str) -> dict[str, Measure]:
    """Return the measures of a dataset by the names that they have in the table and in the configuration.

    These are `{dataset}_{name}`, and `{dataset}` for the mean IoU of a dataset with a single annotator; with `_raw`
    at the end for predictions as they are.
    """
    named = {dataset: BY_NAME["all"]} | {f"{dataset}_{measure.name}": measure for measure in _MEASURES}
    raw = {f"{name}{RAW}": BY_NAME.get(f"raw_{measure.name}") for name, measure in named.items()}
    return named | {name: measure for name, measure in raw.items() if measure is not None}
