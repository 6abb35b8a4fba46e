"""`dynseg score`: the scores of any label maps against any annotations."""

import json
import logging
import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, cast

import click

from dynseg.cli._options import PATH, Verbosity, connectivity_option, verbosity_options
from dynseg.errors import UserError, warnings_said

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from dynseg.io.predictions import Pair, Prediction
    from dynseg.scoring.scales import ScalesOfImage

_logger = logging.getLogger("dynseg")


class _Scales(NamedTuple):
    """Scores over scales: how many scales there are, and of which of them the ODS of each measure is."""

    number: int
    optimal: dict[str, float]


@click.command(name="score")
@click.option(
    "--prediction",
    required=True,
    type=PATH,
    help="A label map (.png, .tif, .mat with Segmentation, .npy, .h5) or a folder of them, named by image; or, of "
    "several scales, .mat of the BSDS with ucm2 or segs, or .h5 with hierarchies.",
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
    type=int,
    metavar="LABEL",
    help="Label of the ground truth whose pixels aren't scored, 255 for masks like those of PASCAL VOC, or -1; "
    "repeatable.",
)
@connectivity_option
@click.option("--no-relabel", is_flag=True, help="Leave predictions as they are, also where a label isn't connected.")
@click.option("--json", "json_file", type=PATH, help="File to write the scores to.")
@verbosity_options
def command(
    prediction: Path,
    ground_truth: Path,
    ucm_threshold: float | None,
    void: tuple[int, ...],
    connectivity: str,
    no_relabel: bool,
    json_file: Path | None,
    verbosity: Verbosity | None,
) -> None:
    """Score label maps against annotations: mIOU, covering, Rand index, variation of information, boundary F-measure.

    Unconnected parts of a label are separate segments unless --no-relabel is given; mIOU of the labels as they are
    stands beside it in any case. Over scales, `ODS at` says which scale ODS is of. --verbose has the covering
    of every image, on standard error.
    """
    is_quiet = verbosity == "quiet"
    if is_quiet and json_file is None:
        raise click.UsageError("--quiet leaves nothing of the scores but a file: add --json FILE, or leave it out")
    from dynseg.io.files import written_aside
    from dynseg.io.predictions import pair_up

    pairs = pair_up(prediction, ground_truth, void)
    neighbours = None if no_relabel else cast(Literal[4, 8], int(connectivity))
    scales = None
    with warnings_said(_warn, verbosity == "verbose"):
        if ucm_threshold is None and _has_scales(pairs[0]):
            scores, scales = _score_at_scales(pairs, neighbours, shows_bar=verbosity is None)
        else:
            scores = _score_label_maps(pairs, neighbours, ucm_threshold, shows_bar=verbosity is None)
    if scores["images"] == 0:
        raise UserError(f"{ground_truth} has no pixel to score: all of it is void")
    if not is_quiet:
        click.echo(_readable(scores, neighbours, scales))
    if json_file is not None:
        with written_aside(json_file) as aside:
            aside.write_text(json.dumps(_as_object(scores, scales), indent=2) + "\n")


def _warn(warning: str) -> None:
    # Names of files may be no valid text.
    click.echo(warning.encode(errors="replace"), err=True)


def _has_scales(pair: "Pair") -> bool:
    from dynseg.io.predictions import read_prediction_scales

    return read_prediction_scales(pair.prediction, pair.read_segments().shape[1:]) is not None


def _score_label_maps(
    pairs: "list[Pair]", connectivity: Literal[4, 8] | None, contour_threshold: float | None, shows_bar: bool
) -> dict[str, Any]:
    from dynseg.io.predictions import read_prediction
    from dynseg.scoring.pooling import pool
    from dynseg.scoring.scores import score_image, score_table

    rows = []
    for image_id, prediction, segments in _annotated(pairs, shows_bar):
        labels = read_prediction(prediction, segments.shape[1:], contour_threshold)
        of_image = score_image(image_id, segments, labels, connectivity)
        _logger.info("%s: covering %.4f", image_id, _covering(of_image))
        rows += of_image
    return pool(score_table(rows))


def _covering(rows: list[dict[str, Any]]) -> float:
    """Return the covering of an image from its score rows, one an annotator."""
    pixels = sum(row["pixels"] for row in rows)
    return float(sum(row["covered_pixels"] for row in rows) / pixels) if pixels else math.nan


def _score_at_scales(
    pairs: "list[Pair]", connectivity: Literal[4, 8] | None, shows_bar: bool
) -> tuple[dict[str, Any], _Scales]:
    """Return each measure at ODS, OIS and Best, and of a label map beside them as `own`; and the scales."""
    from dynseg.io.predictions import has_own_label_map
    from dynseg.scoring.pooling import pool, pool_scales_and_optima
    from dynseg.scoring.scales import collect_scales

    scores = collect_scales(_scored_at_scales(pairs, connectivity, shows_bar))
    at_scales, optimal = pool_scales_and_optima(scores.tables, scores.best)
    pooled = pool(next(iter(scores.tables.values()))) | at_scales
    if has_own_label_map(pairs[0].prediction):
        own = _score_label_maps(pairs, connectivity, None, shows_bar)
        pooled = {
            name: {**value, "own": own[name]} if isinstance(value, dict) else value for name, value in pooled.items()
        }
    return pooled, _Scales(len(scores.tables), optimal)


def _scored_at_scales(
    pairs: "list[Pair]", connectivity: Literal[4, 8] | None, shows_bar: bool
) -> "Iterator[tuple[str, ScalesOfImage]]":
    from dynseg.io.predictions import read_prediction_scales
    from dynseg.scoring.scales import score_at_scales

    for image_id, prediction, segments in _annotated(pairs, shows_bar):
        scales = read_prediction_scales(prediction, segments.shape[1:])
        if scales is None:
            raise UserError(f"{prediction} has one label map, but others several scales: give the same of all images")
        of_image = score_at_scales(image_id, segments, scales, connectivity)
        _logger.info("%s: covering %.4f at its best scale", image_id, max(map(_covering, of_image.rows)))
        yield str(prediction), of_image


def _annotated(pairs: "list[Pair]", shows_bar: bool) -> "Iterator[tuple[str, Prediction, NDArray[np.unsignedinteger]]]":
    from tqdm import tqdm

    # Shown only where somebody watches.
    for pair in tqdm(pairs, unit="image", disable=None if shows_bar else True, leave=False):
        yield pair.image_id, pair.prediction, pair.read_segments()


def _readable(scores: dict[str, Any], connectivity: Literal[4, 8] | None, scales: _Scales | None) -> str:
    import pandas as pd

    from dynseg.scoring.measures import MEASURES, SCALES

    segments = "labels as they are" if connectivity is None else f"{connectivity}-connected segments"
    shown = [measure for measure in MEASURES if not measure.raw]
    headings = {each.name: f"{each.title}, {each.unit}" if each.unit else each.title for each in shown}
    if scales is not None:
        title = f"{scales.number} scales, {segments}"
        columns = {**SCALES, **({"own": "own label map"} if "own" in scores["all"] else {})}
        table = {
            text: {columns[key]: scores[name].get(key) for key in columns} | {"ODS at": scales.optimal[name]}
            for name, text in headings.items()
        }
    else:
        title = segments
        table = {text: {segments: scores[name]} for name, text in headings.items()}
        if connectivity is not None:
            for name, text in headings.items():
                # Boundaries are the same.
                table[text]["labels as they are"] = scores.get(f"raw_{name}", scores[name])
    values = pd.DataFrame.from_dict(table, orient="index").to_string(float_format="{:.4f}".format, na_rep="")
    return (
        f"{_counted(scores['images'], 'image')}, {_counted(scores['annotations'], 'annotation')},"
        f" {_counted(scores['segments'], 'segment')}"
        f" (finest annotations {scores['fine_segments']:,}, coarsest {scores['coarse_segments']:,}); {title}\n{values}"
    )


def _counted(number: int, name: str) -> str:
    return f"{number:,} {name}{'s' * (number != 1)}"


def _as_object(scores: dict[str, Any], scales: _Scales | None) -> dict[str, Any]:
    from dynseg.scoring.measures import BY_NAME, MEASURES

    optimal = {} if scales is None else {name: at for name, at in scales.optimal.items() if not BY_NAME[name].raw}
    values = {
        name: _without_nan({**dict.fromkeys(BY_NAME[name].scales), **value} if isinstance(value, dict) else value)
        for name, value in scores.items()
    }
    return {
        "images": values["images"],
        "annotations": values["annotations"],
        "miou": {each.name: values[each.name] for each in MEASURES if each.is_miou},
        **{each.name: values[each.name] for each in MEASURES if not each.is_miou and not each.raw},
        **({"ods_scales": _without_nan(optimal)} if optimal else {}),
    }


def _without_nan(value: Any) -> Any:
    """Return a score as JSON has it: None where there is none."""
    if isinstance(value, dict):
        return {key: _without_nan(each) for key, each in value.items()}
    return None if isinstance(value, float) and math.isnan(value) else value
