"""What decides the score: one factor at a time, against the rows of config/reproduction/seeds.yaml.

    snakemake --configfile config/reproduction/seeds.yaml
    snakemake --configfile config/reproduction/factors.yaml
    python benchmarks/training_course.py record --dataset-dir results/reproduction/seeds/datasets/bsd500 ...
    python benchmarks/factors.py

Factors of training are rows of factors.yaml (METHOD-FACTOR against METHOD) and what `training_course.py` recorded of
other sizes and iterations; factors of the protocol score the label maps of seeds.yaml anew. Every difference is one of
mIOU (mean) on the same images, with a paired bootstrap interval over images.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
import pandas as pd
from _machine import RESULTS, write_results
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from dynseg.figures.style import LINE_COLOURS, MARKERS, TWO_COLUMNS, figure_style, save_figure
from dynseg.io.ground_truth import iterate_segments, read_annotated_ids
from dynseg.io.label_maps import read_image_ids, read_labels
from dynseg.metrics import connected_components
from dynseg.scoring.bootstrap import RESAMPLES, paired_differences
from dynseg.scoring.pooling import image_sums, pool
from dynseg.scoring.scores import SCORE_COLUMNS, read_scores, score_image, score_table

METHODS = {"fixed-5": "fixed, μ = 5", "scf-50": "SCF, μ′ = 50/q′", "fsf-15": "FSF, μ′ = q′/15"}
# Mean of Table I, on all 200 test images.
PUBLISHED = {"fixed-5": 0.313, "scf-50": 0.342, "fsf-15": 0.359}
TRAINING = {
    "m3": "M = 3 instead of 2",
    "xavier": "Xavier's initial weights",
    "t59": "label map before the last step",
}
REPOOLED = "average by image first"
# Of a recording that isn't complete.
FEWEST_IMAGES = 10


@dataclass(frozen=True)
class Difference:
    """Of a method's mIOU (mean) with a factor and without."""

    factor: str
    method: str
    score: float
    difference: float
    low: float
    high: float


def merge_fragments(labels: NDArray[np.integer], smallest: int) -> NDArray[np.integer]:
    """Give pixels of connected components below a number of pixels the component of the nearest other pixel."""
    components = connected_components(labels)
    fragments = np.bincount(components.ravel())[components] < smallest
    if fragments.all():
        return components
    nearest = distance_transform_edt(fragments, return_distances=False, return_indices=True)
    return components[tuple(nearest)]


# What becomes of a label map before it is scored.
PROTOCOLS: Mapping[str, Callable[[NDArray[np.integer]], NDArray[np.integer]]] = {
    "8-connected relabelling": lambda labels: connected_components(labels, 8),
    "no relabelling": lambda labels: labels,
    "fragments below 20 pixels merged": lambda labels: merge_fragments(labels, 20),
    "fragments below 100 pixels merged": lambda labels: merge_fragments(labels, 100),
    "fragments below 500 pixels merged": lambda labels: merge_fragments(labels, 500),
}


def rescored(results: Path, method: str, change: Callable[[NDArray[np.integer]], NDArray[np.integer]]) -> pd.DataFrame:
    """Return the score table of a method's label maps after a change to them."""
    ground_truth = next((results / "datasets").iterdir()) / "ground_truth.h5"
    files = {
        image: file
        for file in (results / "label_maps").glob(f"*/{method}/seed0/*.h5")
        for image in read_image_ids(file)
    }
    rows: list[dict[str, Any]] = []
    for image, segments in iterate_segments(ground_truth, read_annotated_ids(ground_truth)):
        rows += score_image(image, segments, change(read_labels(files[image], image)), connectivity=None)
    return score_table(rows)


def by_image(scores: pd.DataFrame) -> NDArray[np.float64]:
    """Return mIOU (mean) of each image by itself."""
    sums = image_sums(scores)
    return np.mean([sums[f"{name}_best_iou_sum"] / sums[f"{name}_segments"] for name in ("all", "fine", "coarse")], 0)


def repooled(base: pd.DataFrame) -> tuple[float, float, float, float]:
    """Return the score averaged by image first, and its difference from the pooled one with its interval."""
    sums, own = image_sums(base), by_image(base)
    draws = np.random.default_rng(0).multinomial(len(own), np.full(len(own), 1 / len(own)), size=RESAMPLES)
    pooled = np.mean(
        [
            (draws @ sums[f"{name}_best_iou_sum"].to_numpy()) / (draws @ sums[f"{name}_segments"].to_numpy())
            for name in ("all", "fine", "coarse")
        ],
        axis=0,
    )
    low, high = np.quantile(draws @ own / len(own) - pooled, [0.025, 0.975])
    return float(own.mean()), float(own.mean() - pool(base)["mean"]), float(low), float(high)


def recorded(course: Path, method: str) -> Iterator[tuple[str, pd.DataFrame, pd.DataFrame]]:
    """Yield factors that `training_course.py` recorded, with the score tables with and without each."""
    scheme, mu = method.split("-")
    files = sorted(course.glob(f"{scheme}{mu}_M2_scale*_seed0_*.csv"))
    if not files:
        return
    events = pd.concat([pd.read_csv(file, dtype={"image": str}) for file in files], ignore_index=True)
    iterations = events[events["event"] == "iteration"]

    def at(scale: float, asked: int) -> pd.DataFrame:
        return iterations.loc[(iterations["scale"] == scale) & (iterations["asked"] == asked), list(SCORE_COLUMNS)]

    usual = at(0.25, 60)
    for asked in (20, 100, 300, 1000):
        yield f"T = {asked} instead of 60", at(0.25, asked), usual
    stop = events[(events["scale"] == 0.25) & (events["event"] == "stop")]
    settled = stop.loc[(stop["interval"] == 50) & (stop["share"] == 0.005), list(SCORE_COLUMNS)]
    yield "the default stop instead of T = 60", settled, usual
    for scale, name in ((0.125, "an eighth of the size"), (0.5, "half the size"), (1.0, "full size")):
        scores = at(scale, 60)
        same = usual[usual["image"].isin(scores["image"])]
        if scores["image"].nunique() >= FEWEST_IMAGES:
            yield f"{name} instead of a quarter ({scores['image'].nunique()} images)", scores, same


def differences(base: Path, factors: Path, course: Path) -> Iterator[Difference]:
    """Yield every factor's difference."""
    for method in METHODS:
        runs = {
            int(file.stem.removeprefix("seed")): read_scores(file)
            for file in sorted((base / "scores").glob(f"*/{method}/seed*.csv"))
        }

        def compare(factor: str, scores: pd.DataFrame, usual: pd.DataFrame, method: str = method) -> Difference:
            found = paired_differences([scores], [usual]).loc["mean", ["difference", "low", "high"]]
            return Difference(factor, method, pool(scores)["mean"], *map(float, found))

        for seed in list(runs)[1:]:
            yield compare(f"seed {seed} instead of 0", runs[seed], runs[0])
        for factor, name in TRAINING.items():
            for file in (factors / "scores").glob(f"*/{method}-{factor}/seed0.csv"):
                yield compare(name, read_scores(file), runs[0])
        for name, scores, usual in recorded(course, method):
            yield compare(name, scores, usual)
        for name, change in PROTOCOLS.items():
            yield compare(name, rescored(base, method, change), runs[0])
        yield Difference(REPOOLED, method, *repooled(runs[0]))


def as_table(rows: pd.DataFrame) -> str:
    """Return a Markdown table: a line a factor, a column a method, and how far all three are from Table I."""
    lines = [
        f"| factor | {' | '.join(METHODS.values())} | largest distance from Table I |",
        f"|---|{'---|' * len(METHODS)}---|",
    ]
    for factor, group in rows.groupby("factor", sort=False):
        of_method = group.set_index("method")
        cells = [
            f"{of_method.loc[name, 'difference']:+.3f} ({of_method.loc[name, 'low']:+.3f} to "
            f"{of_method.loc[name, 'high']:+.3f})"
            if name in of_method.index
            else ""
            for name in METHODS
        ]
        complete = set(METHODS) <= set(of_method.index)
        distance = max(abs(of_method.loc[name, "score"] - PUBLISHED[name]) for name in METHODS) if complete else None
        lines.append(f"| {factor} | {' | '.join(cells)} | {'' if distance is None else f'{distance:.3f}'} |")
    return "\n".join(lines)


def draw(rows: pd.DataFrame) -> Figure:
    """Draw the differences with their intervals: a line a factor, a marker a method."""
    factors = list(rows["factor"].unique())
    with figure_style():
        figure = Figure(figsize=(TWO_COLUMNS, 0.6 + 0.24 * len(factors)), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots()
        axes.axvline(0, color="0.6", linewidth=0.8)
        for index, (method, label) in enumerate(METHODS.items()):
            points = rows[rows["method"] == method]
            positions = [factors.index(factor) + 0.22 * (index - 1) for factor in points["factor"]]
            errors = [points["difference"] - points["low"], points["high"] - points["difference"]]
            axes.errorbar(
                points["difference"],
                positions,
                xerr=errors,
                fmt=MARKERS[index],
                color=LINE_COLOURS[index],
                markersize=3,
                linewidth=0.8,
                label=label,
            )
        axes.set_yticks(range(len(factors)), factors)
        axes.invert_yaxis()
        axes.set_xlabel("difference of mIOU (mean), 95 % intervals over images")
        axes.legend()
    return figure


@click.command(help=__doc__)
@click.option("--base", type=click.Path(path_type=Path), default=Path("results/reproduction/seeds"), show_default=True)
@click.option(
    "--factors", type=click.Path(path_type=Path), default=Path("results/reproduction/factors"), show_default=True
)
@click.option("--course", type=click.Path(path_type=Path), default=RESULTS / "course", show_default=True)
@click.option("--output", type=click.Path(path_type=Path), default=RESULTS / "factors.json", show_default=True)
@click.option("--figure", type=click.Path(path_type=Path), default=RESULTS / "factors.png", show_default=True)
def command(base: Path, factors: Path, course: Path, output: Path, figure: Path) -> None:
    rows = pd.DataFrame(differences(base, factors, course))
    click.echo(as_table(rows))
    write_results(output, rows.to_dict("records"))
    save_figure(draw(rows), png=figure)
    click.echo(f"Written to {output} and {figure}")


if __name__ == "__main__":
    command()
