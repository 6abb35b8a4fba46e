"""Time the scoring against a direct loop over segments, and the matching of boundaries against libraries alone.

Both sides are of the same run and the same label maps.

The label maps are random Voronoi mosaics of BSD500's size and about its numbers of segments: 5 annotations of 10 to 40
segments an image, a prediction of 20 clusters in 600 unconnected parts.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click
import numpy as np
from _machine import RESULTS, print_table, write_results
from scipy.sparse import csr_array
from scipy.sparse.csgraph import min_weight_full_bipartite_matching
from scipy.spatial import cKDTree
from skimage.measure import label
from skimage.morphology import thin

from dynseg.metrics import BOUNDARY_TOLERANCE, BoundarySums, boundary_map, boundary_sums, label_boundaries
from dynseg.scoring.pooling import pool
from dynseg.scoring.scores import score_image, score_table

SHAPE = (321, 481)
ANNOTATORS = 5
CLUSTERS = 20
PARTS = 600
# BSD500's test set, which the targets are stated for.
TEST_ANNOTATIONS = 1063

Result = TypeVar("Result")


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


def library_boundary_sums(annotations: np.ndarray, prediction: np.ndarray) -> BoundarySums:
    """Match boundaries by scikit-image's thinning, SciPy's trees, and one sparse assignment of a whole annotation."""
    predicted = thin(boundary_map(prediction))
    radius = BOUNDARY_TOLERANCE * float(np.hypot(*SHAPE))
    matched, annotated, matched_by_any = 0, 0, np.zeros(predicted.sum(), dtype=bool)
    for annotation in annotations:
        boundaries = thin(boundary_map(annotation))
        trees = (cKDTree(np.argwhere(boundaries)), cKDTree(np.argwhere(predicted)))
        pairs = trees[0].sparse_distance_matrix(trees[1], radius, output_type="ndarray")
        count = trees[0].n
        # A column of its own for each row, so that all rows have one.
        weights = np.concatenate([np.rint(100 * pairs["v"]) + 1, np.full(count, 1e7)])
        places = (
            np.concatenate([pairs["i"], np.arange(count)]),
            np.concatenate([pairs["j"], trees[1].n + np.arange(count)]),
        )
        graph = csr_array((weights, places), shape=(count, trees[1].n + count))
        chosen = min_weight_full_bipartite_matching(graph)[1]
        chosen = chosen[chosen < trees[1].n]
        matched_by_any[chosen] = True
        matched, annotated = matched + chosen.size, annotated + count
    return BoundarySums(matched, annotated, int(matched_by_any.sum()), int(predicted.sum()))


def our_boundary_sums(annotations: np.ndarray, prediction: np.ndarray) -> BoundarySums:
    """Match boundaries as the score table has them."""
    return boundary_sums(map(label_boundaries, annotations), label_boundaries(prediction))


def compare_boundaries(pairs: list[tuple[np.ndarray, np.ndarray]]) -> dict[str, float]:
    """Return the CPU seconds of both ways for an image, taken in turns, and whether they agree."""
    seconds = {"libraries alone": 0.0, "dynseg": 0.0}
    for annotations, prediction in pairs:
        theirs, spent = timed(lambda each=(annotations, prediction): library_boundary_sums(*each))
        seconds["libraries alone"] += spent / len(pairs)
        ours, spent = timed(lambda each=(annotations, prediction): our_boundary_sums(*each))
        seconds["dynseg"] += spent / len(pairs)
        if theirs[:2] != ours[:2]:
            raise click.ClickException(f"{ours} isn't {theirs}")
    return seconds


def timed(function: Callable[[], Result]) -> tuple[Result, float]:
    """Return what a function returns and the CPU seconds that it takes."""
    start = time.process_time()
    return function(), time.process_time() - start


@click.command()
@click.option("--quick", is_flag=True, help="One image instead of eight.")
@click.option("--output", type=click.Path(path_type=Path), default=RESULTS / "scoring.json")
def main(quick: bool, output: Path) -> None:
    """Compare both and write the times."""
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
    boundaries = compare_boundaries(pairs)
    print_table([{"boundaries": name, "CPU ms an image": 1e3 * spent} for name, spent in boundaries.items()])
    boundary_ratio = boundaries["libraries alone"] / boundaries["dynseg"]
    click.echo(f"{boundary_ratio:.1f} times as fast, the same numbers of matched pixels")
    write_results(
        output,
        rows,
        annotations=annotations,
        ratio=ratio,
        largest_difference=difference,
        boundaries=boundaries,
        boundary_ratio=boundary_ratio,
    )


if __name__ == "__main__":
    main()
