"""What each part of the method `regions` buys: the scores with every part off, and the seconds that it takes.

Give a prepared dataset of train and val images. Networks are trained once an image; each variant has evidence and tree
of its own. Differences are of the covering, each variant at its own best threshold, with paired bootstrap intervals.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from _machine import RESULTS, print_table, write_results
from numpy.typing import NDArray
from tqdm import tqdm

from dynseg.datasets.layout import PreparedDataset
from dynseg.datasets.reading import find_image, read_image_list
from dynseg.io.ground_truth import iterate_segments
from dynseg.io.images import read_image
from dynseg.methods.regions import RegionsParameters, make_ensemble
from dynseg.regions.boundaries import SIGMAS, BoundaryEvidence, boundary_evidence
from dynseg.regions.ensemble import texton_maps
from dynseg.regions.merging import DETAILS, REGIONS, MergingParameters, build_hierarchy
from dynseg.scoring.bootstrap import paired_differences
from dynseg.scoring.pooling import pool, pool_scales
from dynseg.scoring.scales import ScalesOfImage, ScaleTables, collect_scales, score_hierarchy

Maps = Sequence[NDArray[np.integer]]


@dataclass(frozen=True)
class Variant:
    """What a variant takes of the networks' label maps, at which scales, and how it merges."""

    choose: Callable[[Maps], Maps] = field(default=lambda maps: maps)
    sigmas: tuple[float, ...] = SIGMAS
    merging: MergingParameters = REGIONS


# What the thresholds and the weights of merging were chosen for.
FULL = RegionsParameters(networks=6, channels=100)
AS_IT_IS = "as it is"
VARIANTS = {
    AS_IT_IS: Variant(),
    "colour alone, no networks": Variant(choose=lambda maps: []),
    "one network": Variant(choose=lambda maps: maps[:1]),
    "three networks": Variant(choose=lambda maps: maps[:3]),
    "σ = 4 alone": Variant(sigmas=(4.0,)),
    "no contrast along arcs": Variant(merging=replace(REGIONS, contrast_weight=0.0)),
    "no colour of regions": Variant(merging=replace(REGIONS, colour_weight=0.0)),
    "no rarity of pairs": Variant(merging=replace(REGIONS, rarity_weight=0.0)),
    "no global term": Variant(merging=replace(REGIONS, global_weight=0.0)),
    "no area factor": Variant(merging=replace(REGIONS, area_power=0.0)),
    "setting for mIOU": Variant(merging=DETAILS),
}


@click.command()
@click.argument("dataset", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--images", default=40, show_default=True, help="Number of images, spread over the list.")
@click.option("--output", type=click.Path(path_type=Path), default=RESULTS / "regions.json", show_default=True)
def main(dataset: Path, images: int, output: Path) -> None:
    """Score every variant on images of a prepared dataset, and print the table."""
    torch.set_num_threads(1)
    listed = read_image_list(dataset)
    chosen = [listed[place] for place in np.unique(np.linspace(0, len(listed) - 1, images).astype(int))]
    scored: dict[str, list[tuple[str, ScalesOfImage]]] = {name: [] for name in VARIANTS}
    seconds: dict[str, float] = dict.fromkeys(["networks", *VARIANTS], 0.0)
    ground_truth = PreparedDataset(dataset).ground_truth
    for image_id, segments in tqdm(iterate_segments(ground_truth, chosen), total=len(chosen)):
        image = read_image(find_image(dataset, image_id))
        start = time.process_time()
        maps = texton_maps(image, make_ensemble(FULL), seed=0)
        seconds["networks"] += time.process_time() - start
        evidence: dict[Any, BoundaryEvidence] = {}
        for name, variant in VARIANTS.items():
            start = time.process_time()
            taken = variant.choose(maps)
            key = (len(taken), variant.sigmas)
            if key not in evidence:
                evidence[key] = boundary_evidence(image, taken, variant.sigmas)
            hierarchy = build_hierarchy(image, evidence[key], variant.merging)
            seconds[name] += time.process_time() - start
            scored[name].append((image_id, score_hierarchy(image_id, segments, hierarchy, boundary_thresholds=())))
    rows = _rows({name: collect_scales(each) for name, each in scored.items()}, seconds, len(chosen))
    print(f"networks: {seconds['networks'] / len(chosen):.2f} CPU s an image")
    print_table(rows)
    write_results(output, rows, images=len(chosen), network_seconds=seconds["networks"] / len(chosen))


def _rows(tables: dict[str, ScaleTables], seconds: dict[str, float], images: int) -> list[dict[str, Any]]:
    best = {name: max(each.tables.values(), key=lambda table: pool(table)["covering"]) for name, each in tables.items()}
    rows = []
    for name, each in tables.items():
        pooled = pool_scales(list(each.tables.values()), each.best)
        row: dict[str, Any] = {"variant": name}
        for measure in ("covering", "pri", "voi"):
            row[measure] = f"{pooled[measure]['ods']:.3f} / {pooled[measure]['ois']:.3f}"
        row["Mean mIOU"] = f"{pooled['mean']['ods']:.3f}"
        difference = paired_differences([best[name]], [best[AS_IT_IS]]).loc["covering"]
        row["Δ covering"] = f"{difference['difference']:+.3f} ({difference['low']:+.3f} to {difference['high']:+.3f})"
        row["CPU s"] = f"{seconds[name] / images:.2f}"
        rows.append(row)
    return rows


if __name__ == "__main__":
    main()
