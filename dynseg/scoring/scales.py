"""Scores at several scales: of hierarchies, of ultrametric contour maps, and of label maps of one image."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dynseg.errors import UserError
from dynseg.hierarchy import Hierarchy
from dynseg.io.contour_maps import CONTOUR_THRESHOLDS
from dynseg.io.files import written_aside
from dynseg.io.ground_truth import iterate_segments
from dynseg.io.label_maps import read_hierarchy, read_series
from dynseg.metrics import (
    BoundarySums,
    best_overlaps_of_table,
    contingency_table,
    contour_boundaries,
    with_columns_joined,
)
from dynseg.result import LabelMapSeries
from dynseg.scoring.measures import RAW, Agreement
from dynseg.scoring.pooling import pool_scales
from dynseg.scoring.scores import (
    SCORE_COLUMNS,
    VOID,
    AnnotatedBoundaries,
    Connectivity,
    ScaleScores,
    locate_label_maps,
    read_score_columns,
    score_scales,
    score_table,
)

# Boundaries take longer than all else: they are matched at every third of the benchmark's thresholds.
BOUNDARY_THRESHOLDS = CONTOUR_THRESHOLDS[::3]

# What the column `scale` has where a row is of the best segments at any scale.
BEST = "best"


@dataclass(frozen=True)
class ScalesOfImage:
    """An image's score rows at several scales.

    Attributes
    ----------
    scales : ndarray, (S,), float64
        Values of the scale parameter, ascending.
    rows : list of list of dict
        For each scale the rows that `dynseg.scoring.scores.score_image` returns.
    best_rows : list of dict
        Those of the best segments at any scale, as `dynseg.scoring.scores.score_scales` returns them.
    """

    scales: NDArray[np.float64]
    rows: list[list[dict[str, Any]]]
    best_rows: list[dict[str, Any]]


def score_hierarchy(
    image_id: str,
    segments: NDArray[np.integer],
    hierarchy: Hierarchy,
    thresholds: Sequence[float] | NDArray[np.float64] = CONTOUR_THRESHOLDS,
    boundary_thresholds: Iterable[float] = BOUNDARY_THRESHOLDS,
) -> ScalesOfImage:
    """Score the cuts of a hierarchy.

    Its leaves are counted with each annotation once; a cut adds their counts up. Regions are connected with 4
    neighbours, so that relabelled and raw predictions are the same.

    Parameters
    ----------
    image_id : str
    segments : ndarray, (annotators, H, W), integer
        Annotated segments, 0 where void.
    hierarchy : Hierarchy
    thresholds : sequence of float
        Ascending. Cuts into the same regions are scored once.
    boundary_thresholds : iterable of float
        Those of them at which boundaries are matched: contours at least that strong, as the benchmark has it for
        contour maps (`dynseg.metrics.contour_boundaries`). The others have no boundaries (NaN).

    Raises
    ------
    ValueError
        If the shapes differ.
    """
    leaves = _LeafTables(segments, hierarchy)
    boundaries = _ContourBoundaries(segments, hierarchy, boundary_thresholds)
    scores = ScaleScores(image_id)
    agreements: dict[int, dict[str, Agreement]] = {}
    previous: tuple[int, list[BoundarySums] | None] | None = None
    for threshold in thresholds:
        merges, sums = hierarchy.merges_at(threshold), boundaries.match(threshold)
        if previous is None or previous[0] != merges:
            agreements = dict(leaves.joined(hierarchy.joined_at(threshold)))
        if previous is not None and previous[0] == merges and previous[1] is sums:
            scores.repeat()
        else:
            scores.add(agreements, sums)
        previous = merges, sums
    return ScalesOfImage(np.asarray(thresholds, np.float64), scores.rows, scores.best_rows())


def score_at_scales(
    image_id: str,
    segments: NDArray[np.integer],
    scales: Hierarchy | LabelMapSeries,
    connectivity: Connectivity | None = 4,
) -> ScalesOfImage:
    """Score what a method gives at several scales.

    Parameters
    ----------
    image_id : str
    segments : ndarray, (annotators, H, W), integer
        Annotated segments, 0 where void.
    scales : Hierarchy or LabelMapSeries
        A hierarchy is cut at `CONTOUR_THRESHOLDS`.
    connectivity : {4, 8} or None
        How label maps of a series are relabelled; None leaves them as they are.

    Raises
    ------
    ValueError
        As `dynseg.scoring.scores.score_image`.
    """
    if isinstance(scales, Hierarchy):
        return score_hierarchy(image_id, segments, scales)
    return ScalesOfImage(scales.scales, *score_scales(image_id, segments, scales.label_maps, connectivity))


class _LeafTables:
    """How the leaves of a hierarchy agree with the annotations of an image."""

    def __init__(self, segments: NDArray[np.integer], hierarchy: Hierarchy) -> None:
        self._tables = []
        for annotator, annotation in enumerate(segments):
            table = contingency_table(annotation, hierarchy.leaves, void=VOID)
            if table.pixels > 0:
                present = np.bincount(hierarchy.leaves[annotation != VOID], minlength=hierarchy.leaf_count)
                self._tables.append((annotator, table, np.flatnonzero(present)))

    def joined(self, region_of_leaf: NDArray[np.integer]) -> Iterator[tuple[int, dict[str, Agreement]]]:
        """Yield, for each annotator, how regions of leaves agree with it; relabelled and raw are the same."""
        _, numbered = np.unique(region_of_leaf, return_inverse=True)
        for annotator, table, present in self._tables:
            joined = with_columns_joined(table, numbered[present])
            agreement = Agreement(joined, best_overlaps_of_table(joined))
            yield annotator, {"": agreement, RAW: agreement}


class _ContourBoundaries:
    """The boundary pixels of a hierarchy's contours at some thresholds."""

    def __init__(self, segments: NDArray[np.integer], hierarchy: Hierarchy, thresholds: Iterable[float]) -> None:
        self._annotated = AnnotatedBoundaries(segments)
        self._thresholds = set(thresholds) if self._annotated.are_counted else set()
        # Thresholds are in double precision.
        self._strengths = hierarchy.ucm()[2::2, 2::2].astype(np.float64)
        self._pixels = -1
        self._sums: list[BoundarySums] | None = None

    def match(self, threshold: float) -> list[BoundarySums] | None:
        """Return each annotator's sums, the same object again for the same contours; None at other thresholds."""
        if threshold not in self._thresholds:
            return None
        pixels = int(np.count_nonzero(self._strengths >= threshold))
        if pixels != self._pixels:
            self._pixels = pixels
            self._sums = self._annotated.match(contour_boundaries(self._strengths, threshold))
        return self._sums


@dataclass(frozen=True)
class ScaleTables:
    """The score tables of a run at several scales.

    Attributes
    ----------
    tables : dict of float to DataFrame
        A score table, as `dynseg.scoring.scores.score_run` makes it, by the value of the scale parameter; none if the
        method gives one label map alone.
    best : DataFrame
        The same of the best segments at any scale.
    """

    tables: dict[float, pd.DataFrame]
    best: pd.DataFrame

    def pooled(self) -> dict[str, dict[str, float]]:
        """Return every measure at ODS, OIS and Best or AP: see `dynseg.scoring.pooling.pool_scales`."""
        return pool_scales(list(self.tables.values()), self.best)


def collect_scales(images: Iterable[tuple[str, ScalesOfImage]]) -> ScaleTables:
    """Collect the rows of the images of a run into a table a scale.

    Parameters
    ----------
    images : iterable of (str, ScalesOfImage)
        With what errors call each of them.

    Raises
    ------
    UserError
        If two images have other scales.
    """
    expected: list[float] | None = None
    rows: dict[float, list[dict[str, Any]]] = {}
    best_rows: list[dict[str, Any]] = []
    for name, of_image in images:
        scales = of_image.scales.tolist()
        expected = scales if expected is None else expected
        if scales != expected:
            raise UserError(f"{name} has other scales than the images before it: make all with the same ones")
        for scale, of_scale in zip(scales, of_image.rows, strict=True):
            rows.setdefault(scale, []).extend(of_scale)
        best_rows += of_image.best_rows
    return ScaleTables({scale: score_table(of_scale) for scale, of_scale in rows.items()}, score_table(best_rows))


def score_run_at_scales(
    label_map_files: Sequence[str | Path], ground_truth_file: str | Path, connectivity: Connectivity = 4
) -> ScaleTables:
    """Score what a run gives at several scales against every annotation of its dataset.

    Parameters
    ----------
    label_map_files : sequence of path
        The files of all jobs of the run, with a label map of every annotated image. The label maps of a series are
        scored where there is one, and otherwise the cuts of a hierarchy.
    ground_truth_file : path
    connectivity : {4, 8}
        How label maps are relabelled by their connected components.

    Raises
    ------
    UserError
        If some images have scales and others none or other ones, or they can't be scored.
    """
    file_of_image = locate_label_maps(label_map_files, ground_truth_file)

    def scored() -> Iterator[tuple[str, ScalesOfImage]]:
        for image_id, segments in iterate_segments(ground_truth_file, list(file_of_image)):
            file = file_of_image[image_id]
            scales = read_series(file, image_id) or read_hierarchy(file, image_id)
            try:
                yield f"{file}: image {image_id}", _scored_or_none(image_id, segments, scales, connectivity)
            except ValueError as error:
                raise UserError(f"{file} can't be scored: image {image_id}: {error}") from error

    return collect_scales(scored())


def _scored_or_none(
    image_id: str,
    segments: NDArray[np.integer],
    scales: Hierarchy | LabelMapSeries | None,
    connectivity: Connectivity,
) -> ScalesOfImage:
    if scales is None:
        return ScalesOfImage(np.zeros(0), [], [])
    return score_at_scales(image_id, segments, scales, connectivity)


def write_scale_scores(scores: ScaleTables, path: str | Path) -> None:
    """Write score tables at several scales as one CSV: a column `scale`, and the columns of a score table.

    The rows of the best segments at any scale have "best" as their scale.

    Raises
    ------
    UserError
        If the file can't be written.
    """
    parts = {**{repr(scale): table for scale, table in scores.tables.items()}, BEST: scores.best}
    frames = [table.assign(scale=scale) for scale, table in parts.items() if len(table)]
    joined = pd.concat(frames, ignore_index=True) if frames else score_table([]).assign(scale=[])
    with written_aside(path) as aside:
        joined[["scale", *SCORE_COLUMNS]].to_csv(aside, index=False)


def read_scale_scores(path: str | Path) -> ScaleTables:
    """Read score tables at several scales.

    Raises
    ------
    UserError
        If the file isn't such a table.
    """
    rows = read_score_columns(path, ("scale",))
    tables = {str(scale): of_scale.drop(columns="scale") for scale, of_scale in rows.groupby("scale", sort=False)}
    best = tables.pop(BEST, score_table([]))
    try:
        numbered = {float(scale): table.reset_index(drop=True) for scale, table in tables.items()}
    except ValueError as error:
        raise UserError(f"{path} has a scale that is no number ({error}): score the run again") from error
    return ScaleTables(numbered, best.reset_index(drop=True))
