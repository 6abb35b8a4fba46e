"""What the default for people's own images may cost: candidates on the same images, scores beside CPU seconds.

Give a prepared dataset of train and val images. Every candidate labels each image as `dynseg segment` would, in one
thread, at its own fixed threshold; differences are paired with the first candidate over images, with bootstrap
intervals. `--keep` notes what is scored, so that a run that was stopped goes on.
"""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import numpy as np
import pandas as pd
import torch
from _machine import RESULTS, print_table, write_results
from tqdm import tqdm

import dynseg
from dynseg.api import segment_regions_with
from dynseg.datasets.layout import PreparedDataset
from dynseg.datasets.reading import find_image, read_image_list
from dynseg.io.ground_truth import iterate_segments
from dynseg.io.images import read_image
from dynseg.methods.regions import RegionsParameters
from dynseg.result import Segmentation
from dynseg.scoring.bootstrap import paired_differences
from dynseg.scoring.pooling import pool
from dynseg.scoring.scores import score_image, score_table

Pixels = Any
MEASURES = ("mean", "covering", "pri", "voi", "boundary")


def _regions(**parameters: Any) -> Callable[[Pixels], Segmentation]:
    chosen = RegionsParameters(**parameters)
    return lambda image: segment_regions_with(chosen, image, device="cpu")


CANDIDATES: dict[str, Callable[[Pixels], Segmentation]] = {
    "regions, two networks of 32 channels (default)": _regions(),
    "regions, six networks of 100 channels, at .45": _regions(networks=6, channels=100, threshold=0.45),
    "regions, no network": _regions(networks=0),
    "network, fast preset": lambda image: dynseg.segment(image, device="cpu"),
}
REFERENCE = next(iter(CANDIDATES))


@click.command()
@click.argument("dataset", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--images", default=100, show_default=True, help="Number of images, spread over the list.")
@click.option("--keep", type=click.Path(path_type=Path), default=RESULTS / "defaults.jsonl", show_default=True)
@click.option("--output", type=click.Path(path_type=Path), default=RESULTS / "defaults.json", show_default=True)
def main(dataset: Path, images: int, keep: Path, output: Path) -> None:
    """Score every candidate on images of a prepared dataset, and print the table."""
    torch.set_num_threads(1)
    listed = read_image_list(dataset)
    chosen = listed[:: max(1, len(listed) // images)][:images]
    done = _read(keep)
    waiting = [image_id for image_id in chosen if any((name, image_id) not in done for name in CANDIDATES)]
    keep.parent.mkdir(parents=True, exist_ok=True)
    with keep.open("a") as file:
        for image_id, segments in tqdm(
            iterate_segments(PreparedDataset(dataset).ground_truth, waiting), total=len(waiting)
        ):
            image = read_image(find_image(dataset, image_id))
            for name, candidate in CANDIDATES.items():
                start = time.process_time()
                labels = candidate(image).labels
                seconds = time.process_time() - start
                rows = score_image(image_id, segments, labels)
                done[name, image_id] = {"name": name, "image": image_id, "seconds": seconds, "rows": rows}
                file.write(json.dumps(done[name, image_id], default=float) + "\n")
                file.flush()
    rows = _rows(done, chosen)
    print_table(rows)
    write_results(output, rows, images=len(chosen))


def _read(keep: Path) -> dict[tuple[str, str], dict[str, Any]]:
    lines = keep.read_text().splitlines() if keep.exists() else []
    return {(each["name"], each["image"]): each for each in map(json.loads, lines)}


def _rows(done: dict[tuple[str, str], dict[str, Any]], chosen: list[str]) -> list[dict[str, Any]]:
    tables = {
        name: score_table([row for image_id in chosen for row in done[name, image_id]["rows"]]) for name in CANDIDATES
    }
    return [_row(name, tables, [done[name, image_id]["seconds"] for image_id in chosen]) for name in CANDIDATES]


def _row(name: str, tables: dict[str, pd.DataFrame], seconds: list[float]) -> dict[str, Any]:
    pooled = pool(tables[name])
    differences = paired_differences([tables[name]], [tables[REFERENCE]])
    row: dict[str, Any] = {"candidate": name, **{measure: f"{pooled[measure]:.3f}" for measure in MEASURES}}
    for measure in ("mean", "covering"):
        low, high = differences.loc[measure, ["low", "high"]]
        row[f"Δ {measure}"] = f"{differences.loc[measure, 'difference']:+.3f} ({low:+.3f} to {high:+.3f})"
    return {**row, "CPU s": f"{np.mean(seconds):.2f}"}


if __name__ == "__main__":
    main()
