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
`_raw`, are of its labels as they are. Annotations that are all void have no row. The columns of boundaries (see
`dynseg.metrics.BoundarySums`; relabelling changes none) are empty for images with void pixels:

=========================== ==========================================================================================
boundary_matched_annotated  pixels of this annotator's boundaries that are matched
boundary_annotated          pixels of this annotator's boundaries
boundary_matched_predicted  pixels of predicted boundaries that match any annotator's, on the image's first row; else 0
boundary_predicted          pixels of predicted boundaries, on the image's first row; else 0
=========================== ==========================================================================================
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
from dynseg.metrics import (
    BoundarySums,
    best_overlaps_of_table,
    boundary_sums_by_annotator,
    connected_components,
    contingency_table,
    label_boundaries,
)
from dynseg.metrics.contingency import count_labels
from dynseg.scoring.measures import BOUNDARY_QUANTITIES, QUANTITIES, RAW, Agreement

Connectivity = Literal[4, 8]

# Label of the annotated pixels that aren't scored, in every ground_truth.h5.
VOID = 0

SCORE_COLUMNS = (
    "image",
    "annotator",
    "segments",
    "pixels",
    *(f"{quantity.name}{ending}" for ending in ("", RAW) for quantity in QUANTITIES),
    *BOUNDARY_QUANTITIES,
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
    file_of_image = locate_label_maps(label_map_files, ground_truth_file)
    rows: list[dict[str, Any]] = []
    for image_id, segments in iterate_segments(ground_truth_file, list(file_of_image)):
        file = file_of_image[image_id]
        try:
            rows += score_image(image_id, segments, read_labels(file, image_id), connectivity)
        except ValueError as error:
            raise UserError(f"{file} can't be scored: image {image_id}: {error}") from error
    return score_table(rows)


def locate_label_maps(label_map_files: Sequence[str | Path], ground_truth_file: str | Path) -> dict[str, Path]:
    """Return the label map file of every annotated image, in the order of the annotations.

    Raises
    ------
    UserError
        If an annotated image has no label map or two.
    """
    annotated = read_annotated_ids(ground_truth_file)
    file_of_image = files_by_image(label_map_files)
    missing = [image_id for image_id in annotated if image_id not in file_of_image]
    if missing:
        raise UserError(
            f"{ground_truth_file} has annotations of image {missing[0]}, but no label map file of the run has it"
            f" ({len(missing)} of {len(annotated)} images are missing): segment it first"
        )
    return {image_id: file_of_image[image_id] for image_id in annotated}


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
    agreements = list(_agreements(segments, labels, connectivity))
    return _rows(image_id, agreements, AnnotatedBoundaries(segments).match(label_boundaries(labels)))


class AnnotatedBoundaries:
    """The boundaries of an image's annotations, thinned once for all predictions that are matched with them.

    Parameters
    ----------
    segments : ndarray, (annotators, H, W), integer
        Annotated segments, 0 where void: then there are none, since what isn't scored has boundaries too.
    """

    def __init__(self, segments: NDArray[np.integer]) -> None:
        self._annotated = [] if (segments == VOID).any() else [label_boundaries(each) for each in segments]

    @property
    def are_counted(self) -> bool:
        """Whether there are no void pixels."""
        return bool(self._annotated)

    def match(self, predicted: NDArray[np.bool_]) -> list[BoundarySums] | None:
        """Return each annotator's sums, as `boundary_sums_by_annotator`; None where there are void pixels."""
        return boundary_sums_by_annotator(self._annotated, predicted) if self._annotated else None


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
    boundaries = AnnotatedBoundaries(segments)
    scores = ScaleScores(image_id)
    previous = None
    for labels in label_maps:
        if labels is previous:
            scores.repeat()
        else:
            agreements = dict(_agreements(segments, labels, connectivity))
            scores.add(agreements, boundaries.match(label_boundaries(labels)))
        previous = labels
    return scores.rows, scores.best_rows()


class ScaleScores:
    """The rows of an image's score tables, scale by scale, and the best segments of all scales so far.

    Parameters
    ----------
    image_id : str

    Attributes
    ----------
    rows : list of list of dict
        For each scale the rows that `score_image` returns.
    """

    def __init__(self, image_id: str) -> None:
        self.rows: list[list[dict[str, Any]]] = []
        self._image_id = image_id
        self._best: dict[int, dict[str, Agreement]] = {}

    def add(self, agreements: Mapping[int, dict[str, Agreement]], boundaries: list[BoundarySums] | None) -> None:
        """Add a scale: its agreements with each annotator, and its boundary pixels, if they were counted."""
        self.rows.append(_rows(self._image_id, agreements.items(), boundaries))
        for annotator, of_annotator in agreements.items():
            self._best[annotator] = {
                ending: _with_best_ious(agreement, self._best.get(annotator, {}).get(ending))
                for ending, agreement in of_annotator.items()
            }

    def repeat(self) -> None:
        """Add a scale that has the same segments as the one before."""
        self.rows.append(self.rows[-1])

    def best_rows(self) -> list[dict[str, Any]]:
        """Return one row per annotator, as `score_scales` describes them."""
        return [_best_row(row) for row in _rows(self._image_id, self._best.items(), None)]


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


def _rows(
    image_id: str, agreements: Iterable[tuple[int, Mapping[str, Agreement]]], boundaries: list[BoundarySums] | None
) -> list[dict[str, Any]]:
    """Return a row of the score table per annotator; NaN for the boundaries where they weren't counted."""
    unknown = dict.fromkeys(BOUNDARY_QUANTITIES, np.nan)
    return [
        _row(image_id, annotator, of_annotator)
        | (unknown if boundaries is None else dict(zip(BOUNDARY_QUANTITIES, boundaries[annotator], strict=True)))
        for annotator, of_annotator in agreements
    ]


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
    return read_score_columns(path)


def read_score_columns(path: str | Path, texts: Sequence[str] = ()) -> pd.DataFrame:
    """Read a table that has the columns of a score table, and before them others that hold text.

    Raises
    ------
    UserError
        If the file isn't such a table.
    """
    # An image may be called "NA".
    empty = {column: [""] for column in SCORE_COLUMNS if column != "image"}
    text = dict.fromkeys(("image", *texts), str)
    try:
        scores = pd.read_csv(path, dtype=text, keep_default_na=False, na_values=empty)
    except (OSError, ValueError) as error:
        raise UserError(f"{path} can't be read as a table of scores: score the run again") from error
    missing = [column for column in (*texts, *SCORE_COLUMNS) if column not in scores]
    if missing:
        raise UserError(f"{path} has no column {missing[0]}: score the run again")
    return scores
