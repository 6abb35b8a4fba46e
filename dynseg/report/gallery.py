"""What the report's gallery shows of each image."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dynseg.datasets.reading import read_stored_picture
from dynseg.figures.inputs import annotations
from dynseg.figures.palette import assign_colours
from dynseg.io.images import shown_as_rgb
from dynseg.io.label_maps import read_hierarchy, read_history, read_labels
from dynseg.report.pictures import fit, label_map_data, photograph_data
from dynseg.report.results import Results, Run
from dynseg.viewer.data import HierarchyData, data_of_segmentation
from dynseg.workflow.layout import ResultsTree

LONGEST_SIDE = 360
SHORTEST_LONGEST_SIDE = 96
# The sliders' previews, which are looked at alone; smaller ones would show no boundaries any more.
HIERARCHY_SIDE = 500
SHORTEST_HIERARCHY_SIDE = 250
# Characters of all pictures, hierarchies and histories together; the page has to stay below 60 MB.
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


class GalleryEntry(NamedTuple):
    """What the gallery shows of an image.

    Attributes
    ----------
    pictures : dict
        `size` (width, height of the small pictures), `photograph` (WebP), `annotations` and `label_maps` (indexed PNG;
        None where a method has none), `histories` (per method None or {iteration, label_count, ...}). Pictures are
        base64.
    hierarchies : dict of int to HierarchyData
        By the place of the method in the index, where its label map file holds a hierarchy.
    """

    pictures: dict[str, Any]
    hierarchies: dict[int, HierarchyData]


def gallery_entries(results: Results) -> Iterator[GalleryEntry]:
    """Yield what the gallery shows of each image, in the order of the index.

    The longest side of pictures is 360 pixels and that of hierarchies 500, or less where so many would make the page
    too large; hierarchies for which that leaves less than 250 are left out.
    """
    places = [(dataset, image_id) for dataset, ids in results.images.items() for image_id in ids]
    sides = _affordable_sides(results, places)
    for dataset, image_id in places:
        yield _entry(results, dataset, image_id, sides)


class _Sides(NamedTuple):
    """Longest sides in pixels; 0 for no hierarchies."""

    pictures: int
    hierarchies: int


class _Characters(NamedTuple):
    """Characters of an image's pictures and previews, which shrink with their sides, and of all else."""

    pictures: int
    histories: int
    previews: int
    trees: int


def _affordable_sides(results: Results, places: list[tuple[str, str]]) -> _Sides:
    sample = places[:: max(1, -(-len(places) // _SAMPLE))]
    used = [_count(_entry(results, *place, _Sides(LONGEST_SIDE, HIERARCHY_SIDE))) for place in sample]
    means = (sum(counts) / max(1, len(used)) * len(places) for counts in zip(*used, strict=True))
    pictures, histories, previews, trees = means
    factor = _factor(pictures + previews, histories + trees)
    if factor * HIERARCHY_SIDE >= SHORTEST_HIERARCHY_SIDE:
        return _Sides(max(SHORTEST_LONGEST_SIDE, int(factor * LONGEST_SIDE)), int(factor * HIERARCHY_SIDE))
    return _Sides(max(SHORTEST_LONGEST_SIDE, int(_factor(pictures, histories) * LONGEST_SIDE)), 0)


def _factor(shrinking: float, constant: float) -> float:
    """Return by how much sides must shrink."""
    # The size of a compressed label map grows more slowly than its area; the area's root errs on the safe side.
    return min(1.0, (GALLERY_BUDGET - constant) / shrinking) if shrinking else 1.0


def _count(entry: GalleryEntry) -> _Characters:
    texts = [entry.pictures["photograph"], *entry.pictures["annotations"], *filter(None, entry.pictures["label_maps"])]
    hierarchies = entry.hierarchies.values()
    return _Characters(
        sum(map(len, texts)),
        _json_length(entry.pictures["histories"]),
        sum(len(data["picture"]) + len(data["leaves"]) for data in hierarchies),
        sum(_json_length({**data, "picture": "", "leaves": ""}) for data in hierarchies),
    )


def _json_length(value: Any) -> int:
    return len(json.dumps(value, separators=(",", ":")))


def _entry(results: Results, dataset: str, image_id: str, sides: _Sides) -> GalleryEntry:
    folder = Path(ResultsTree(results.folder).dataset(dataset).folder)
    image = shown_as_rgb(read_stored_picture(folder, image_id).pixels)
    photograph = fit(image, sides.pictures, Image.Resampling.LANCZOS)
    painted: list[NDArray[np.uint8]] = []
    truth_data = _annotations(folder, image_id, sides.pictures, painted)
    label_maps: list[str | None] = []
    histories: list[dict[str, list[float]] | None] = []
    hierarchies: dict[int, HierarchyData] = {}
    for number, method in enumerate(results.methods):
        file = _file(results.runs.get((dataset, method)), image_id)
        if file is None:
            label_maps.append(None)
            histories.append(None)
            continue
        labels = read_labels(file, image_id)
        painted.append(assign_colours(fit(labels, sides.pictures, Image.Resampling.NEAREST), painted))
        label_maps.append(label_map_data(painted[-1]))
        histories.append(_thinned(read_history(file, image_id)))
        hierarchy = read_hierarchy(file, image_id) if sides.hierarchies else None
        # Hierarchies that were made elsewhere may have another size.
        if hierarchy is not None and hierarchy.leaves.shape == image.shape[:2]:
            hierarchies[number] = data_of_segmentation(image, labels, hierarchy, unquote(image_id), sides.hierarchies)
    pictures = {
        "size": [photograph.shape[1], photograph.shape[0]],
        "photograph": photograph_data(photograph),
        "annotations": truth_data,
        "label_maps": label_maps,
        "histories": histories,
    }
    return GalleryEntry(pictures, hierarchies)


def _annotations(folder: Path, image_id: str, longest_side: int, painted: list[NDArray[np.uint8]]) -> list[str]:
    """Return each annotation's picture; their colours are added to `painted`."""
    truths = [fit(segments, longest_side, Image.Resampling.NEAREST) for segments in annotations(folder, image_id)]
    # The finest annotation says most about which areas there are, so it colours the others.
    order = sorted(range(len(truths)), key=lambda n: -len(np.unique(truths[n])))
    data = [""] * len(truths)
    for number in order:
        painted.append(assign_colours(truths[number], painted, void=0))
        data[number] = label_map_data(painted[-1])
    return data


def _file(run: Run | None, image_id: str) -> Path | None:
    return None if run is None else run.label_maps.get(image_id)


def _thinned(history: dict[str, NDArray[Any]]) -> dict[str, list[float]] | None:
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
