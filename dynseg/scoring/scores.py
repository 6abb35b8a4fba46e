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

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dynseg.errors import UserError
from dynseg.io.files import written_aside
from dynseg.io.ground_truth import iterate_segments, read_annotated_ids
from dynseg.io.label_maps import files_by_image, read_labels
from dynseg.metrics import best_overlaps_of_table, connected_components, contingency_table
from dynseg.metrics.contingency import count_labels
from dynseg.scoring.measures import QUANTITIES, RAW, Agreement

Connectivity = Literal[4, 8]

# Label of the annotated pixels that aren't scored, in every ground_truth.h5.
VOID = 0

SCORE_COLUMNS = (
    "image",
    "annotator",
    "segments",
    "pixels",
    *(f"{quantity.name}{ending}" for ending in ("", RAW) for quantity in QUANTITIES),
)


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
    file_of_image = files_by_image(label_map_files)
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
        _row(image_id, annotator, agreements) for annotator, agreements in _agreements(segments, labels, connectivity)
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
    best: dict[int, dict[str, Agreement]] = {}
    previous = None
    for labels in label_maps:
        if labels is not previous:
            rows_of_scale = []
            for annotator, agreements in _agreements(segments, labels, connectivity):
                rows_of_scale.append(_row(image_id, annotator, agreements))
                best[annotator] = {
                    ending: _with_best_ious(agreement, best.get(annotator, {}).get(ending))
                    for ending, agreement in agreements.items()
                }
        rows.append(rows_of_scale)
        previous = labels
    return rows, [_best_row(_row(image_id, annotator, agreements)) for annotator, agreements in best.items()]


def _with_best_ious(agreement: Agreement, earlier: Agreement | None) -> Agreement:
    """Return an agreement with the larger of its and an earlier one's best IoU of every segment."""
    if earlier is None:
        return agreement
    return agreement._replace(best_ious=np.maximum(earlier.best_ious, agreement.best_ious))


def _best_row(row: dict[str, Any]) -> dict[str, Any]:
    undefined = {quantity.name for quantity in QUANTITIES if not quantity.of_best_ious}
    return {name: np.nan if name.removesuffix(RAW) in undefined else value for name, value in row.items()}


def _agreements(
    segments: NDArray[np.integer], labels: NDArray[np.integer], connectivity: Connectivity | None
) -> Iterator[tuple[int, dict[str, Agreement]]]:
    """Yield, for each annotator with a scored pixel, how the relabelled and the raw prediction agree with it.

    They stand under the endings of their columns, "" and `RAW`.
    """
    relabelled = labels if connectivity is None else connected_components(labels, connectivity)
    # As many components as labels: the same partition under other numbers, so that one table does for both.
    connected = relabelled is labels or relabelled.max() == count_labels(labels)
    for annotator, annotation in enumerate(segments):
        raw = _agreement(annotation, labels)
        if raw.table.pixels > 0:
            yield annotator, {"": raw if connected else _agreement(annotation, relabelled), RAW: raw}


def _agreement(annotation: NDArray[np.integer], labels: NDArray[np.integer]) -> Agreement:
    table = contingency_table(annotation, labels, void=VOID)
    return Agreement(table, best_overlaps_of_table(table))


def _row(image_id: str, annotator: int, agreements: Mapping[str, Agreement]) -> dict[str, Any]:
    """Return a row of the score table, from the agreements under the endings of their columns."""
    table = agreements[""].table
    row: dict[str, Any] = {
        "image": image_id,
        "annotator": annotator,
        "segments": table.row_areas.size,
        "pixels": table.pixels,
    }
    for ending, agreement in agreements.items():
        row |= {f"{quantity.name}{ending}": quantity.value(agreement) for quantity in QUANTITIES}
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
