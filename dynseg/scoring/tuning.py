"""Choosing parameters: the scores of a grid of them on one dataset, and the best value."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from dynseg.errors import UserError
from dynseg.io.ground_truth import read_annotated_ids, read_attributes, read_segments
from dynseg.io.label_maps import files_by_image, read_labels
from dynseg.scoring.bootstrap import FEWEST_IMAGES, TOO_FEW_IMAGES, bootstrap_intervals
from dynseg.scoring.measures import BY_NAME, MEASURES, SCALES
from dynseg.scoring.pooling import pool, pool_scales
from dynseg.scoring.scores import Connectivity, score_scales, score_table

Point = tuple[tuple[str, float], ...]


def score_grid(
    label_map_files: Mapping[Point, Sequence[str | Path]], ground_truth_file: str | Path, connectivity: Connectivity
) -> tuple[dict[Point, pd.DataFrame], pd.DataFrame]:
    """Score the label maps of every point of a grid on the same images.

    Parameters
    ----------
    label_map_files : mapping from points to sequence of path
        A point is a tuple of (parameter, value).
    ground_truth_file : path
    connectivity : {4, 8}

    Returns
    -------
    scores : dict from points to DataFrame
        Score tables, as `dynseg.scoring.scores.score_run` makes them.
    best : DataFrame
        The same with the largest IoU of each annotated segment at any point.

    Raises
    ------
    UserError
        If an annotated image has no label map at a point or two, or one of another size.
    """
    located = {point: files_by_image(files) for point, files in label_map_files.items()}
    rows: dict[Point, list[dict[str, Any]]] = {point: [] for point in located}
    best_rows: list[dict[str, Any]] = []
    for image_id in read_annotated_ids(ground_truth_file):
        missing = [point for point, files in located.items() if image_id not in files]
        if missing:
            raise UserError(f"image {image_id} has no label map at {_text(missing[0])}: segment it first")
        maps = [read_labels(files[image_id], image_id) for files in located.values()]
        try:
            of_points, best = score_scales(image_id, read_segments(ground_truth_file, image_id), maps, connectivity)
        except ValueError as error:
            raise UserError(f"image {image_id} can't be scored: {error}") from error
        for point, of_point in zip(rows, of_points, strict=True):
            rows[point] += of_point
        best_rows += best
    return {point: score_table(of_point) for point, of_point in rows.items()}, score_table(best_rows)


def tuning_images(ground_truth_file: str | Path) -> str:
    """Return what a dataset's images are, to be named beside what is chosen on them: its kind and split, or archive.

    Raises
    ------
    UserError
        If the file can't be read.
    """
    attributes = read_attributes(ground_truth_file)
    return f"{attributes.get('kind', '')} {attributes.get('split') or Path(attributes.get('archive', '')).name}".strip()


def grid_table(scores: Mapping[Point, pd.DataFrame], measure: str, chosen_on: str) -> pd.DataFrame:
    """Return the scores of a grid, one line a point, with the chosen one marked.

    Parameters
    ----------
    scores : mapping from points to DataFrame
        As `score_grid` returns them.
    measure : str
        What the best point is chosen by, as `dynseg.scoring.pooling.pool` names it; the first one wins a tie.
    chosen_on : str
        What the images are, as `tuning_images` names them.

    Returns
    -------
    DataFrame
        The parameters; every measure of relabelled predictions; `interval_low` and `interval_high`, the 95 %
        interval of the measure by a bootstrap over images; `images`; `chosen_on`; `chosen` (bool).

    Raises
    ------
    UserError
        If the measure isn't known, or nothing is annotated.
    """
    if measure not in BY_NAME:
        raise UserError(f"there is no measure {measure!r}: use one of {', '.join(BY_NAME)}")
    lines = []
    for point, of_point in scores.items():
        pooled = pool(of_point)
        interval = bootstrap_intervals([of_point]).loc[measure]
        shown = {each.name: pooled[each.name] for each in MEASURES if not each.raw}
        bounds = {"interval_low": interval["low"], "interval_high": interval["high"]}
        lines.append({**dict(point), **shown, **bounds, "images": pooled["images"], measure: pooled[measure]})
    table = pd.DataFrame(lines)
    if table[measure].isna().all():
        raise UserError("no pixel of the images is annotated: choose the point on a dataset that has annotations")
    return table.assign(chosen_on=chosen_on, chosen=table.index == BY_NAME[measure].best_of(table[measure]))


def chosen_sentence(table: pd.DataFrame, parameters: Sequence[str], measure: str) -> str:
    """Return the chosen point of a table as `grid_table` makes it, for people."""
    (line,) = table[table["chosen"]].to_dict("records")
    point = _text(tuple((name, float(line[name])) for name in parameters))
    is_enough = line["images"] >= FEWEST_IMAGES
    interval = f"{line['interval_low']:.3f} to {line['interval_high']:.3f}" if is_enough else TOO_FEW_IMAGES
    score = f"{measure} {line[measure]:.3f} ({interval})"
    return f"{point}: {score}, chosen on {line['chosen_on']}, {line['images']} images"


def scale_table(scores: Mapping[Point, pd.DataFrame], best: pd.DataFrame) -> pd.DataFrame:
    """Return every measure at the optimal dataset scale, the optimal image scale, and Best (Arbeláez et al. 2011).

    The points of the grid are the scales.

    Parameters
    ----------
    scores, best
        As `score_grid` returns them.

    Returns
    -------
    DataFrame
        `measure, ods, ois, best`; Best is NaN where it isn't defined.
    """
    pooled = pool_scales(list(scores.values()), best)
    table = pd.DataFrame.from_dict(pooled, orient="index").rename_axis("measure").reset_index()
    return table[["measure", *SCALES]]


def _text(point: Point) -> str:
    return ", ".join(f"{name} = {value:g}" for name, value in point)
