"""Scores of a run: a table of sums per image and annotator, and the measures that are pooled from it.

The table has one row per image and annotator. It keeps sums, not means, so that pooling, bootstraps and subsets of
images are arithmetic on it. Its columns:

=========================== ==========================================================================================
image                       image id
annotator                   0-based number of the annotation
segments                    annotated segments
pixels                      scored pixels (all but void)
predicted_segments          predicted segments that have a scored pixel
best_iou_sum                sum over annotated segments of the largest IoU with a predicted segment
covered_pixels              sum over annotated segments of area × largest IoU
rand_index                  share of pixel pairs that prediction and annotation agree on
variation_of_information    in bits
=========================== ==========================================================================================

The last five are of the prediction relabelled by its connected components; five more columns, with the ending
`_raw`, are of its labels as they are. Annotations that are all void have no row.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dynseg.errors import UserError
from dynseg.io.files import written_aside
from dynseg.io.ground_truth import iterate_segments, read_annotated_ids
from dynseg.io.label_maps import read_image_ids, read_labels
from dynseg.metrics import (
    ContingencyTable,
    best_overlaps_of_table,
    connected_components,
    contingency_table,
    optimal_dataset_scale,
    optimal_image_scale,
    rand_index_of_table,
    variation_of_information_of_table,
)
from dynseg.metrics.contingency import count_labels

Connectivity = Literal[4, 8]

# Label of the annotated pixels that aren't scored, in every ground_truth.h5.
VOID = 0

AGREEMENT_COLUMNS = (
    "predicted_segments",
    "best_iou_sum",
    "covered_pixels",
    "rand_index",
    "variation_of_information",
)
SCORE_COLUMNS = (
    "image",
    "annotator",
    "segments",
    "pixels",
    *AGREEMENT_COLUMNS,
    *(f"{column}_raw" for column in AGREEMENT_COLUMNS),
)


def _measures(prefix: str, ending: str) -> dict[str, tuple[tuple[str, str], ...]]:
    selections = {name: (f"{name}_best_iou_sum{ending}", f"{name}_segments") for name in ("all", "fine", "coarse")}
    measures: dict[str, tuple[tuple[str, str], ...]] = {name: (term,) for name, term in selections.items()}
    measures["mean"] = tuple(selections.values())
    measures["covering"] = ((f"covered_pixels{ending}", "pixels"),)
    measures["pri"] = ((f"rand_index{ending}", "images"),)
    measures["voi"] = ((f"variation_of_information{ending}", "images"),)
    return {f"{prefix}{name}": terms for name, terms in measures.items()}


# Every measure is the mean of one or more ratios of sums over images; the terms name columns of `image_sums`.
MEASURES: Mapping[str, tuple[tuple[str, str], ...]] = {**_measures("", ""), **_measures("raw_", "_raw")}


def score_run(
    label_map_files: Sequence[str | Path], ground_truth_file: str | Path, connectivity: Connectivity = 4
) -> pd.DataFrame:
    """Score the label maps of a run against every annotation of its dataset.

    Parameters
    ----------
    label_map_files : sequence of path
        The files of all jobs of the run. Images without annotation are passed over.
    ground_truth_file : path
    connectivity : {4, 8}
        How predictions are relabelled by their connected components.

    Returns
    -------
    DataFrame
        One row per image and annotator, as described at the top of this module; none if nothing is annotated.

    Raises
    ------
    UserError
        If an annotated image has no label map or two, or one of another size.
    """
    annotated = read_annotated_ids(ground_truth_file)
    file_of_image = _files_by_image(label_map_files)
    missing = [image_id for image_id in annotated if image_id not in file_of_image]
    if missing:
        raise UserError(
            f"{ground_truth_file} has annotations of image {missing[0]}, but no label map file of the run has it"
            f" ({len(missing)} of {len(annotated)} images are missing): segment it first"
        )
    rows: list[dict[str, Any]] = []
    for image_id, segments in iterate_segments(ground_truth_file, annotated):
        file = file_of_image[image_id]
        try:
            rows += score_image(image_id, segments, read_labels(file, image_id), connectivity)
        except ValueError as error:
            raise UserError(f"{file} can't be scored: image {image_id}: {error}") from error
    return score_table(rows)


def score_image(
    image_id: str, segments: NDArray[np.integer], labels: NDArray[np.integer], connectivity: Connectivity | None = 4
) -> list[dict[str, Any]]:
    """Return one row of the score table per annotator.

    Parameters
    ----------
    image_id : str
    segments : ndarray, (annotators, H, W), integer
        Annotated segments, 0 where void.
    labels : ndarray, (H, W), integer
        The prediction.
    connectivity : {4, 8} or None
        How the prediction is relabelled; None leaves it as it is.

    Raises
    ------
    ValueError
        If the shapes differ or the labels aren't non-negative whole numbers.
    """
    return [
        score_row(image_id, annotator, tables, {ending: best_overlaps_of_table(tables[ending]) for ending in tables})
        for annotator, tables in tables_of_image(segments, labels, connectivity)
    ]


def score_scales(
    image_id: str,
    segments: NDArray[np.integer],
    label_maps: Iterable[NDArray[np.integer]],
    connectivity: Connectivity | None = 4,
) -> tuple[list[list[dict[str, Any]]], list[dict[str, Any]]]:
    """Score an image's label maps at several values of a scale parameter.

    Parameters
    ----------
    image_id : str
    segments : ndarray, (annotators, H, W), integer
        Annotated segments, 0 where void.
    label_maps : iterable of ndarray, (H, W), integer
        One per scale. A scale that yields the same object as the scale before isn't computed again.
    connectivity : {4, 8} or None
        How predictions are relabelled; None leaves them as they are.

    Returns
    -------
    rows : list of list of dict
        For each scale the rows that `score_image` returns.
    best_rows : list of dict
        One row per annotator, of the largest IoU of each segment at any scale; measures that don't rest on best IoUs
        are NaN in them.

    Raises
    ------
    ValueError
        As `score_image`.
    """
    rows: list[list[dict[str, Any]]] = []
    best: dict[tuple[int, str], NDArray[np.float64]] = {}
    previous = None
    for labels in label_maps:
        if labels is not previous:
            tables_of_annotators = tables_of_image(segments, labels, connectivity)
            rows_of_scale = []
            for annotator, tables in tables_of_annotators:
                overlaps = {ending: best_overlaps_of_table(table) for ending, table in tables.items()}
                rows_of_scale.append(score_row(image_id, annotator, tables, overlaps))
                for ending in tables:
                    key = annotator, ending
                    best[key] = np.maximum(best.get(key, 0.0), overlaps[ending])
        rows.append(rows_of_scale)
        previous = labels
    return rows, [
        _best_row(score_row(image_id, annotator, tables, {ending: best[annotator, ending] for ending in tables}))
        for annotator, tables in tables_of_annotators
    ]


def _best_row(row: dict[str, Any]) -> dict[str, Any]:
    resting_on_overlaps = ("image", "annotator", "segments", "pixels", "best_iou_sum", "covered_pixels")
    return {name: value if name.removesuffix("_raw") in resting_on_overlaps else np.nan for name, value in row.items()}


def tables_of_image(
    segments: NDArray[np.integer], labels: NDArray[np.integer], connectivity: Connectivity | None
) -> list[tuple[int, dict[str, ContingencyTable]]]:
    """Return, for each annotator with a scored pixel, the contingency tables of the relabelled and the raw prediction.

    They stand under the endings of their columns, "" and "_raw".
    """
    relabelled = labels if connectivity is None else connected_components(labels, connectivity)
    # As many components as labels: the same partition under other numbers, so that one table does for both.
    connected = relabelled is labels or relabelled.max() == count_labels(labels)
    annotators = []
    for annotator, annotation in enumerate(segments):
        raw = contingency_table(annotation, labels, void=VOID)
        if raw.pixels > 0:
            table = raw if connected else contingency_table(annotation, relabelled, void=VOID)
            annotators.append((annotator, {"": table, "_raw": raw}))
    return annotators


def score_row(
    image_id: str, annotator: int, tables: Mapping[str, ContingencyTable], overlaps: Mapping[str, NDArray[np.float64]]
) -> dict[str, Any]:
    """Return a row of the score table, from contingency tables and best overlaps under the endings "" and "_raw"."""
    row: dict[str, Any] = {
        "image": image_id,
        "annotator": annotator,
        "segments": tables[""].row_areas.size,
        "pixels": tables[""].pixels,
    }
    for ending, table in tables.items():
        row[f"predicted_segments{ending}"] = table.column_areas.size
        row[f"best_iou_sum{ending}"] = float(overlaps[ending].sum())
        row[f"covered_pixels{ending}"] = float(table.row_areas @ overlaps[ending])
        row[f"rand_index{ending}"] = rand_index_of_table(table)
        row[f"variation_of_information{ending}"] = variation_of_information_of_table(table)
    return row


def score_table(rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Return rows as a score table; with all its columns also if there is no row."""
    return pd.DataFrame(list(rows), columns=list(SCORE_COLUMNS))


def write_scores(scores: pd.DataFrame, path: str | Path) -> None:
    """Write a score table as CSV.

    Raises
    ------
    UserError
        If the file can't be written.
    """
    with written_aside(path) as aside:
        scores.to_csv(aside, index=False)


def read_scores(path: str | Path) -> pd.DataFrame:
    """Read a score table.

    Raises
    ------
    UserError
        If the file isn't a score table.
    """
    try:
        scores = pd.read_csv(path, dtype={"image": str}, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise UserError(f"{path} can't be read as a table of scores: score the run again") from error
    missing = [column for column in SCORE_COLUMNS if column not in scores]
    if missing:
        raise UserError(f"{path} has no column {missing[0]}: score the run again")
    return scores


def image_sums(scores: pd.DataFrame) -> pd.DataFrame:
    """Add up a score table by image, to the sums that every measure is a ratio of.

    Returns
    -------
    DataFrame
        Indexed by image. Best IoUs and segments of all annotations, of the finest (most segments) and of the coarsest
        (fewest segments, the first on a tie); pixels and covered pixels of all annotations; Rand index and variation
        of information as the mean over annotations; `images` and `annotations`, to be summed up to their numbers.
    """
    # The first annotation decides a tie, in whatever order the rows are.
    scores = scores.sort_values(["image", "annotator"], ignore_index=True)
    by_image = scores.groupby("image", sort=False)
    totals, means = by_image.sum(), by_image.mean()
    chosen = {
        "all": totals,
        "fine": scores.loc[by_image["segments"].idxmax()].set_index("image"),
        "coarse": scores.loc[by_image["segments"].idxmin()].set_index("image"),
    }
    columns: dict[str, pd.Series] = {"pixels": totals["pixels"], "annotations": by_image.size()}
    for name, selected in chosen.items():
        columns[f"{name}_segments"] = selected["segments"]
        for ending in ("", "_raw"):
            columns[f"{name}_best_iou_sum{ending}"] = selected[f"best_iou_sum{ending}"]
    for ending in ("", "_raw"):
        columns[f"covered_pixels{ending}"] = totals[f"covered_pixels{ending}"]
        columns[f"rand_index{ending}"] = means[f"rand_index{ending}"]
        columns[f"variation_of_information{ending}"] = means[f"variation_of_information{ending}"]
    return pd.DataFrame(columns).assign(images=1)


def measures_of_sums(sums: Mapping[str, Any]) -> dict[str, Any]:
    """Return every measure from the totals of `image_sums`: numbers, or arrays of equal shape; NaN without an image."""
    with np.errstate(invalid="ignore"):
        return {
            name: np.mean([np.divide(sums[numerator], sums[denominator]) for numerator, denominator in terms], axis=0)
            for name, terms in MEASURES.items()
        }


def pool(scores: pd.DataFrame) -> dict[str, float]:
    """Pool a score table over its images.

    Returns
    -------
    dict of str to float
        `all`, `fine`, `coarse`, `mean` (mIOU), `covering`, `pri`, `voi`, the same with `raw_` for predictions that
        aren't relabelled; and the numbers of `images`, `annotations`, `segments`, `fine_segments` and
        `coarse_segments` that they rest on. The measures of an empty table are NaN.
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
        and the measure rests on best IoUs, `best`. ODS and OIS choose the scale for each measure by itself.

    Raises
    ------
    UserError
        If the tables aren't of the same images and annotators.
    """
    first = scales[0][["image", "annotator"]]
    if not all(first.equals(scores[["image", "annotator"]]) for scores in scales):
        raise UserError("the score tables of the scales aren't of the same images: score every scale on the same ones")
    sums = [image_sums(scores) for scores in scales]
    best_measures = {} if best is None else measures_of_sums(_totals(best))
    pooled = {}
    for name, terms in MEASURES.items():
        numerators = np.array([[each[numerator] for each in sums] for numerator, _ in terms], dtype=float)
        denominators = np.array([[each[denominator] for each in sums] for _, denominator in terms], dtype=float)
        smaller = name.endswith("voi")
        pooled[name] = {
            "ods": optimal_dataset_scale(numerators, denominators, smaller_is_better=smaller)[0],
            "ois": optimal_image_scale(numerators, denominators, smaller_is_better=smaller)[0],
        }
        if best_measures and not name.endswith(("pri", "voi")):
            pooled[name]["best"] = float(best_measures[name])
    return pooled


def _totals(scores: pd.DataFrame) -> dict[str, float]:
    return {str(column): float(total) for column, total in image_sums(scores).sum().items()}


def _files_by_image(label_map_files: Sequence[str | Path]) -> dict[str, str | Path]:
    file_of_image: dict[str, str | Path] = {}
    for file in label_map_files:
        for image_id in read_image_ids(file):
            if image_id in file_of_image:
                raise UserError(
                    f"{file} and {file_of_image[image_id]} both have a label map of image {image_id}:"
                    " give each image once"
                )
            file_of_image[image_id] = file
    return file_of_image
