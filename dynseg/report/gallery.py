"""What the report's gallery shows of each image."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
from PIL import Image

from dynseg.datasets.reading import find_image
from dynseg.figures.inputs import annotations
from dynseg.figures.palette import assign_colours
from dynseg.io.images import read_image, shown_as_rgb
from dynseg.io.label_maps import read_history, read_labels
from dynseg.report.pictures import fit, label_map_data, photograph_data
from dynseg.report.results import Results, Run
from dynseg.workflow.layout import ResultsTree

LONGEST_SIDE = 360
SHORTEST_LONGEST_SIDE = 96
# Characters of all pictures and histories together; the page has to stay below 60 MB.
GALLERY_BUDGET = 50_000_000
_SAMPLE = 12
_HISTORY_POINTS = 80
_CURVES = ("iteration", "label_count", "weight", "similarity_loss", "continuity_loss", "mutual_information_loss")


def gallery_index(results: Results) -> dict[str, Any]:
    """Return what sorting and filtering need: names, and scores per annotator.

    Returns
    -------
    dict
        `datasets` and `methods`, lists of {id, label}; `first_method`, the place of the first one that isn't the blank
        image; `images`, a list of {id, title, dataset (index), segments (per annotator), scores}. `scores` has an entry
        a method: None, or the score of the image (its best IoUs pooled over all annotators' segments), the score per
        annotator and the number of predicted segments.
    """
    images = []
    for number, (dataset, ids) in enumerate(results.images.items()):
        by_method = [_scores_by_image(results.runs.get((dataset, method))) for method in results.methods]
        for image_id in ids:
            scores = [found.get(image_id) for found in by_method]
            segments: list[int] = next((score["segments"] for score in scores if score), [])
            images.append(
                {
                    "id": image_id,
                    "title": unquote(image_id),
                    "dataset": number,
                    "segments": segments,
                    "scores": [
                        score and {key: value for key, value in score.items() if key != "segments"} for score in scores
                    ],
                }
            )
    return {
        "datasets": [{"id": name, "label": label} for name, label in results.datasets.items()],
        "methods": [{"id": name, "label": label} for name, label in results.methods.items()],
        "first_method": next((place for place, name in enumerate(results.methods) if name not in results.blank), 0),
        "images": images,
    }


def gallery_pictures(results: Results) -> Iterator[dict[str, Any]]:
    """Yield the pictures and histories of each image, in the order of the index.

    Yields
    ------
    dict
        `size` (width, height of the small pictures), `photograph` (WebP), `annotations` and `label_maps` (indexed PNG;
        None where a method has none), `histories` (per method None or {iteration, label_count, ...}). Pictures are
        base64. Their longest side is 360 pixels, or less where so many would make the page too large.
    """
    places = [(dataset, image_id) for dataset, ids in results.images.items() for image_id in ids]
    longest_side = _affordable_side(results, places)
    for dataset, image_id in places:
        yield _image_pictures(results, dataset, image_id, longest_side)


def _affordable_side(results: Results, places: list[tuple[str, str]]) -> int:
    sample = places[:: max(1, -(-len(places) // _SAMPLE))]
    used = [_characters(_image_pictures(results, *place, LONGEST_SIDE)) for place in sample]
    pictures, histories = (sum(counts) / max(1, len(used)) * len(places) for counts in zip(*used, strict=True))
    if pictures + histories <= GALLERY_BUDGET:
        return LONGEST_SIDE
    # The size of a compressed label map grows more slowly than its area; the area's root errs on the safe side.
    return max(SHORTEST_LONGEST_SIDE, int(LONGEST_SIDE * (GALLERY_BUDGET - histories) / pictures))


def _characters(entry: dict[str, Any]) -> tuple[int, int]:
    """Count the characters of an image's pictures, which shrink with their side, and of its histories."""
    texts = [entry["photograph"], *entry["annotations"], *filter(None, entry["label_maps"])]
    return sum(map(len, texts)), len(json.dumps(entry["histories"], separators=(",", ":")))


def _image_pictures(results: Results, dataset: str, image_id: str, longest_side: int) -> dict[str, Any]:
    folder = Path(ResultsTree(results.folder).dataset(dataset).folder)
    photograph = fit(shown_as_rgb(read_image(find_image(folder, image_id))), longest_side, Image.Resampling.LANCZOS)
    truths = [fit(segments, longest_side, Image.Resampling.NEAREST) for segments in annotations(folder, image_id)]
    painted: list[np.ndarray] = []
    # The finest annotation says most about which areas there are, so it colours the others.
    order = sorted(range(len(truths)), key=lambda n: -len(np.unique(truths[n])))
    truth_data = [""] * len(truths)
    for number in order:
        painted.append(assign_colours(truths[number], painted, void=0))
        truth_data[number] = label_map_data(painted[-1])
    label_maps: list[str | None] = []
    histories: list[dict[str, list[float]] | None] = []
    for method in results.methods:
        file = _file(results.runs.get((dataset, method)), image_id)
        if file is None:
            label_maps.append(None)
            histories.append(None)
            continue
        labels = fit(read_labels(file, image_id), longest_side, Image.Resampling.NEAREST)
        painted.append(assign_colours(labels, painted))
        label_maps.append(label_map_data(painted[-1]))
        histories.append(_thinned(read_history(file, image_id)))
    return {
        "size": [photograph.shape[1], photograph.shape[0]],
        "photograph": photograph_data(photograph),
        "annotations": truth_data,
        "label_maps": label_maps,
        "histories": histories,
    }


def _file(run: Run | None, image_id: str) -> Path | None:
    return None if run is None else run.label_maps.get(image_id)


def _thinned(history: dict[str, np.ndarray]) -> dict[str, list[float]] | None:
    """At most 80 evenly spaced iterations, the first and the last among them."""
    count = len(history.get("iteration", []))
    if count == 0:
        return None
    kept = np.unique(np.linspace(0, count - 1, min(count, _HISTORY_POINTS)).round().astype(int))
    return {name: [float(f"{value:.4g}") for value in history[name][kept]] for name in _CURVES if name in history}


def _scores_by_image(run: Run | None) -> dict[str, dict[str, Any]]:
    if run is None or run.scores.empty:
        return {}
    found = {}
    for image_id, rows in run.scores.groupby("image", sort=False):
        annotators = int(rows["annotator"].max()) + 1
        segments, each = [0] * annotators, [None] * annotators
        for annotator, count, best in zip(rows["annotator"], rows["segments"], rows["best_iou_sum"], strict=True):
            segments[annotator] = int(count)
            each[annotator] = round(best / count, 4)
        found[str(image_id)] = {
            "score": round(float(rows["best_iou_sum"].sum() / rows["segments"].sum()), 4),
            "annotators": each,
            "predicted": int(rows["predicted_segments"].max()),
            "segments": segments,
        }
    return found
