"""`dynseg score`: the scores of any label maps against any annotations."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import click

from dynseg.cli._options import PATH, connectivity_option
from dynseg.cli._training_options import warnings_said
from dynseg.errors import UserError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from dynseg.io.predictions import Pair, Prediction


@click.command(name="score")
@click.option(
    "--prediction",
    required=True,
    type=PATH,
    help="A label map (.png, .tif, .mat with Segmentation, .npy, .h5) or a folder of them, named by image; or BSDS "
    "contour maps (.mat with ucm2).",
)
@click.option(
    "--ground-truth",
    required=True,
    type=PATH,
    help="A ground_truth.h5, or a BSD500 .mat, a label .png, .tif or .npy, an .h5 of label maps, or a folder of them; "
    "several annotators are name.1.png, name.2.png.",
)
@click.option(
    "--ucm-threshold",
    type=click.FloatRange(0, 1),
    help="Where to cut contour maps. Without it they are scored at 99 thresholds: ODS, OIS and Best.",
)
@click.option(
    "--void",
    multiple=True,
    type=click.IntRange(0),
    metavar="LABEL",
    help="Label of the ground truth whose pixels aren't scored, 255 for masks like those of PASCAL VOC; repeatable.",
)
@connectivity_option
@click.option("--no-relabel", is_flag=True, help="Leave predictions as they are, also where a label isn't connected.")
@click.option("--json", "json_file", type=PATH, help="File to write the scores to.")
def command(
    prediction: Path,
    ground_truth: Path,
    ucm_threshold: float | None,
    void: tuple[int, ...],
    connectivity: str,
    no_relabel: bool,
    json_file: Path | None,
) -> None:
    """Score label maps against annotations: mIOU, covering, Rand index and variation of information.

    Unconnected parts of a label are separate segments unless --no-relabel is given; mIOU of the labels as they are
    stands beside it in any case.
    """
    from dynseg.io.files import written_aside
    from dynseg.io.predictions import is_contour_map, pair_up

    pairs = pair_up(prediction, ground_truth, void)
    neighbours = None if no_relabel else cast(Literal[4, 8], int(connectivity))
    with warnings_said(_warn):
        if ucm_threshold is None and is_contour_map(pairs[0].prediction):
            scores = _score_contour_maps(pairs, neighbours)
        else:
            scores = _score_label_maps(pairs, neighbours, ucm_threshold)
    if scores["images"] == 0:
        raise UserError(f"{ground_truth} has no pixel to score: all of it is void")
    click.echo(_readable(scores, neighbours))
    if json_file is not None:
        with written_aside(json_file) as aside:
            aside.write_text(json.dumps(_as_object(scores), indent=2) + "\n")


def _warn(warning: str) -> None:
    # Names of files may be no valid text.
    click.echo(warning.encode(errors="replace"), err=True)


def _score_label_maps(
    pairs: "list[Pair]", connectivity: Literal[4, 8] | None, contour_threshold: float | None
) -> dict[str, Any]:
    from dynseg.io.predictions import read_prediction
    from dynseg.scoring.pooling import pool
    from dynseg.scoring.scores import score_image, score_table

    rows = []
    for image_id, prediction, segments in _annotated(pairs):
        labels = read_prediction(prediction, segments.shape[1:], contour_threshold)
        rows += score_image(image_id, segments, labels, connectivity)
    return pool(score_table(rows))


def _score_contour_maps(pairs: "list[Pair]", connectivity: Literal[4, 8] | None) -> dict[str, Any]:
    from dynseg.io.contour_maps import CONTOUR_THRESHOLDS, cut_at_thresholds
    from dynseg.io.predictions import read_contour_map
    from dynseg.scoring.pooling import pool, pool_scales
    from dynseg.scoring.scores import score_scales, score_table

    rows_of_scales: list[list[dict[str, Any]]] = [[] for _ in CONTOUR_THRESHOLDS]
    best_rows = []
    for image_id, prediction, segments in _annotated(pairs):
        label_maps = cut_at_thresholds(read_contour_map(prediction, segments.shape[1:]), CONTOUR_THRESHOLDS)
        scales, best = score_scales(image_id, segments, label_maps, connectivity)
        for rows, of_image in zip(rows_of_scales, scales, strict=True):
            rows += of_image
        best_rows += best
    tables = [score_table(rows) for rows in rows_of_scales]
    return pool(tables[0]) | pool_scales(tables, score_table(best_rows))


def _annotated(pairs: "list[Pair]") -> "Iterator[tuple[str, Prediction, NDArray[np.unsignedinteger]]]":
    from tqdm import tqdm

    # Shown only where somebody watches.
    for pair in tqdm(pairs, unit="image", disable=None, leave=False):
        yield pair.image_id, pair.prediction, pair.read_segments()


def _readable(scores: dict[str, Any], connectivity: Literal[4, 8] | None) -> str:
    import pandas as pd

    from dynseg.scoring.measures import MEASURES, SCALES

    segments = "labels as they are" if connectivity is None else f"{connectivity}-connected segments"
    shown = [measure for measure in MEASURES if not measure.raw]
    headings = {each.name: f"{each.title}, {each.unit}" if each.unit else each.title for each in shown}
    if isinstance(scores["all"], dict):
        title = f"contour maps at 99 thresholds, {segments}"
        table = {text: {SCALES[key]: scores[name].get(key) for key in SCALES} for name, text in headings.items()}
    else:
        title = segments
        table = {text: {segments: scores[name]} for name, text in headings.items()}
        if connectivity is not None:
            for name, text in headings.items():
                table[text]["labels as they are"] = scores[f"raw_{name}"]
    values = pd.DataFrame.from_dict(table, orient="index").to_string(float_format="{:.4f}".format, na_rep="")
    return (
        f"{_counted(scores['images'], 'image')}, {_counted(scores['annotations'], 'annotation')},"
        f" {_counted(scores['segments'], 'segment')}"
        f" (finest annotations {scores['fine_segments']:,}, coarsest {scores['coarse_segments']:,}); {title}\n{values}"
    )


def _counted(number: int, name: str) -> str:
    return f"{number:,} {name}{'s' * (number != 1)}"


def _as_object(scores: dict[str, Any]) -> dict[str, Any]:
    from dynseg.scoring.measures import MEASURES, SCALES

    values = {
        name: dict.fromkeys(SCALES) | value if isinstance(value, dict) else value for name, value in scores.items()
    }
    return {
        "images": values["images"],
        "annotations": values["annotations"],
        "miou": {each.name: values[each.name] for each in MEASURES if each.is_miou},
        **{each.name: values[each.name] for each in MEASURES if not each.is_miou and not each.raw},
    }
