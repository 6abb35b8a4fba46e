"""Time the scoring against a direct loop over segments, both in the same run on the same label maps.

The label maps are random Voronoi mosaics of BSD500's size and about its numbers of segments: 5 annotations of 10 to 40
segments an image, a prediction of 20 clusters in 600 unconnected parts.
"""

import time
from collections.abc import Callable
from pathlib import Path

import click
import numpy as np
from _machine import RESULTS, print_table, write_results
from scipy.spatial import cKDTree
from skimage.measure import label

from dynseg.scoring.pooling import pool
from dynseg.scoring.scores import score_image, score_table

SHAPE = (321, 481)
ANNOTATORS = 5
CLUSTERS = 20
PARTS = 600
# BSD500's test set, which the targets are stated for.
TEST_ANNOTATIONS = 1063


def voronoi(random: np.random.Generator, cells: int) -> np.ndarray:
    """Return a mosaic of cells, (H, W) int64."""
    pixels = np.stack(np.indices(SHAPE), axis=-1).reshape(-1, 2)
    centres = random.random((cells, 2)) * SHAPE
    return cKDTree(centres).query(pixels)[1].reshape(SHAPE)


def mosaics(images: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return annotations (annotators, H, W), numbered from 1, and a prediction (H, W) for each image."""
    random = np.random.default_rng(0)
    pairs = []
    for _ in range(images):
        annotations = [voronoi(random, random.integers(10, 41)) + 1 for _ in range(ANNOTATORS)]
        pairs.append((np.stack(annotations).astype(np.uint8), (voronoi(random, PARTS) % CLUSTERS).astype(np.uint8)))
    return pairs


def direct_miou(pairs: list[tuple[np.ndarray, np.ndarray]]) -> dict[str, float]:
    """Score by the protocol's words: every segment against every predicted segment that it touches, mask by mask."""
    pools: dict[str, list[float]] = {"all": [], "fine": [], "coarse": []}
    for annotations, prediction in pairs:
        predicted = label(prediction + 1, connectivity=1)
        overlaps = []
        for annotation in annotations:
            best = []
            for segment in np.unique(annotation):
                inside = annotation == segment
                masks = (predicted == number for number in np.unique(predicted[inside]))
                best.append(max((inside & mask).sum() / (inside | mask).sum() for mask in masks))
            overlaps.append(best)
            pools["all"] += best
        pools["fine"] += max(overlaps, key=len)
        pools["coarse"] += min(overlaps, key=len)
    scores = {name: float(np.mean(values)) for name, values in pools.items()}
    return scores | {"mean": float(np.mean(list(scores.values())))}


def all_measures(pairs: list[tuple[np.ndarray, np.ndarray]]) -> dict[str, float]:
    """Score as `dynseg score-run` does, with every measure, relabelled and raw."""
    rows = [
        row
        for number, (annotations, prediction) in enumerate(pairs)
        for row in score_image(str(number), annotations, prediction)
    ]
    return pool(score_table(rows))


def timed(function: Callable[[], dict[str, float]]) -> tuple[dict[str, float], float]:
    """Return what a function returns and the CPU seconds that it takes."""
    start = time.process_time()
    return function(), time.process_time() - start


@click.command()
@click.option("--quick", is_flag=True, help="One image instead of eight.")
@click.option("--output", type=click.Path(path_type=Path), default=RESULTS / "scoring.json")
def main(quick: bool, output: Path) -> None:
    """Compare the scoring with a direct loop and write the times."""
    pairs = mosaics(1 if quick else 8)
    annotations = len(pairs) * ANNOTATORS
    ours, our_seconds = timed(lambda: all_measures(pairs))
    direct, direct_seconds = timed(lambda: direct_miou(pairs))
    difference = max(abs(ours[name] - direct[name]) for name in direct)
    seconds = {
        "direct loop, relabelled mIOU only": direct_seconds,
        "dynseg, every measure, relabelled and raw": our_seconds,
    }
    rows = [
        {
            "scoring": name,
            "ms an annotation": 1e3 * spent / annotations,
            "s for BSD500 test": TEST_ANNOTATIONS * spent / annotations,
        }
        for name, spent in seconds.items()
    ]
    print_table(rows)
    ratio = direct_seconds / our_seconds
    click.echo(f"{ratio:.0f} times as fast; largest difference in mIOU {difference:.1e}")
    write_results(output, rows, annotations=annotations, ratio=ratio, largest_difference=difference)


if __name__ == "__main__":
    main()
