"""A results tree without a run: smooth random pictures, noisy label maps, real score tables."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from ground_truth_files import write_ground_truth
from PIL import Image
from random_hierarchies import hierarchy_over
from scipy.ndimage import gaussian_filter

from dynseg.io.label_maps import write_label_maps
from dynseg.result import Segmentation
from dynseg.scoring.measures import table_measures
from dynseg.scoring.pooling import pool
from dynseg.scoring.scores import score_run, write_scores

# Ids as dynseg.datasets makes them of the file names 'a <b> & "c".png', 'снимок.png', '漢字/ñ.png'.
AWKWARD_IDS = ("a%20%3Cb%3E%20%26%20%22c%22", "снимок", "漢字_ñ")

HISTORY = ("iteration", "label_count", "weight", "similarity_loss", "continuity_loss")


def report_config(
    datasets: Mapping[str, str], methods: Mapping[str, str], seed: int = 0, blank: Sequence[str] = ()
) -> dict[str, Any]:
    """The part of a resolved configuration that the report reads, from labels by id."""
    return {
        "datasets": {name: {"kind": "mosaic", "label": label} for name, label in datasets.items()},
        "methods": {
            name: {"method": "blank" if name in blank else "cnn", "label": label} for name, label in methods.items()
        },
        "figure_methods": {},
        "tuning": {"grids": {}, "dataset": {"kind": "mosaic"}},
        "training": {},
        "seeds": [seed],
        "images_per_job": 1,
    }


def regions(random: np.random.Generator, shape: tuple[int, int], count: int, roughness: float = 0.0) -> np.ndarray:
    """A map of `count` smooth regions, numbered from 0."""
    fields = gaussian_filter(random.normal(size=(count, *shape)), (0, shape[0] / 8, shape[0] / 8), mode="wrap")
    noise = gaussian_filter(random.normal(size=(count, *shape)), (0, 1, 1))
    return (fields / fields.std() + roughness * noise / noise.std()).argmax(axis=0)


def write_dataset(folder: Path, ids: Sequence[str], shape: tuple[int, int] = (48, 72), annotators: int = 3) -> None:
    """A prepared dataset; picture-only if there are no annotators."""
    folder.joinpath("images").mkdir(parents=True)
    random = np.random.default_rng(len(ids))
    annotations = []
    for image_id in ids:
        truth = regions(random, shape, 5)
        picture = random.integers(40, 215, size=(5, 3))[truth] + random.normal(0, 12, (*shape, 3))
        Image.fromarray(picture.clip(0, 255).astype(np.uint8)).save(folder / "images" / f"{image_id}.png")
        coarser = [truth, np.minimum(truth, 3), np.minimum(truth, 2)]
        annotations.append((image_id, np.array([coarser[n % 3] for n in range(annotators)], np.uint8) + 1))
    (folder / "images.txt").write_text("".join(f"{image_id}\n" for image_id in ids), encoding="utf-8")
    write_ground_truth(folder / "ground_truth.h5", annotations if annotators else [], {"dataset": folder.name})


def write_run(
    results: Path,
    dataset: str,
    method: str,
    quality: float,
    seed: int = 0,
    iterations: int = 40,
    hierarchical: bool = False,
) -> None:
    """Label maps, a file an image, and a score table of one method; a better one has smoother maps.

    A hierarchical method has the hierarchy of its label map's regions, too.
    """
    folder = results / "datasets" / dataset
    ids = (folder / "images.txt").read_text(encoding="utf-8").split()
    random = np.random.default_rng([seed, *method.encode()])
    segmentations = []
    for image_id in ids:
        with Image.open(folder / "images" / f"{image_id}.png") as picture:
            grey = np.asarray(picture.convert("L"), dtype=float)
        smooth = gaussian_filter(grey + random.normal(0, 60 * (1 - quality), grey.shape), 2 * quality)
        labels = np.digitize(smooth, np.quantile(smooth, np.linspace(0.1, 0.9, 6)))
        history = {
            "iteration": np.arange(iterations),
            "label_count": np.linspace(100, 8, iterations).astype(int),
            "weight": np.linspace(100, 8, iterations) / 15,
            "similarity_loss": 4 * np.exp(-np.arange(iterations) / 20),
            "continuity_loss": 1 / (1 + np.arange(iterations)),
        }
        hierarchy = hierarchy_over(random, labels) if hierarchical else None
        kept = history if iterations else {}
        segmentations.append((image_id, Segmentation(labels, kept, {"stopped_by": "limit"}, hierarchy)))
    directory = results / "label_maps" / dataset / method / f"seed{seed}"
    provenance = {"method": method, "parameters": {"weight": 15}, "seed": seed, "versions": {"dynseg": "0.1.0"}}
    for image_id, segmentation in segmentations:
        write_label_maps(directory / f"{image_id}.h5", [(image_id, segmentation)], provenance)
    files = sorted(directory.glob("*.h5"))
    write_scores(
        score_run(files, folder / "ground_truth.h5"), results / "scores" / dataset / method / f"seed{seed}.csv"
    )


def write_table(results: Path, scores: Mapping[tuple[str, str], pd.DataFrame], published: float = 0.3) -> None:
    """The long form of the results table, with intervals."""
    rows = []
    for (dataset, method), table in scores.items():
        pooled = pool(table)
        for measure in ("all", "fine", "coarse", "mean"):
            for ending in ("", "_raw"):
                score = pooled[f"{'raw_' if ending else ''}{measure}"]
                rows.append(
                    {
                        "dataset": dataset,
                        "method": method,
                        "measure": f"{dataset}_{measure}{ending}",
                        "score": score,
                        "published": published,
                        "difference": score - published,
                        "images": pooled["images"],
                        "seeds": 1,
                        "interval_low": score - 0.02,
                        "interval_high": score + 0.03,
                    }
                )
    (results / "tables").mkdir(parents=True, exist_ok=True)
    pd.DataFrame(rows).to_csv(results / "tables" / "table1.csv", index=False)


def write_wide_table(results: Path, datasets: Mapping[str, int], methods: Sequence[str]) -> None:
    """The long form of a results table of every measure, with random scores, from the numbers of images by dataset.

    A dataset whose name begins with "one" has one annotator. The last method has no score on the last dataset, and the
    first three have published ones.
    """
    random = np.random.default_rng(0)
    rows = []
    for dataset, images in datasets.items():
        for number, method in enumerate(methods):
            if (dataset, method) == (list(datasets)[-1], methods[-1]):
                continue
            for name, measure in table_measures(dataset).items():
                is_alone = name.removesuffix("_raw") == dataset
                if measure.is_miou and is_alone != dataset.startswith("one"):
                    continue
                score = random.uniform(0.2, 0.8)
                published = score + random.normal(0, 0.02) if number < 3 else np.nan
                rows.append(
                    {
                        "dataset": dataset,
                        "method": method,
                        "measure": name,
                        "score": score,
                        "published": published,
                        "difference": score - published,
                        "images": images,
                        "seeds": 3,
                        "standard_deviation": random.uniform(0, 0.01),
                        "interval_low": score - 0.02,
                        "interval_high": score + 0.03,
                    }
                )
    (results / "tables").mkdir(parents=True, exist_ok=True)
    pd.DataFrame(rows).to_csv(results / "tables" / "table1.csv", index=False)
