"""Why the paper's dynamic rows aren't reached: every hypothesis, scored, and whether it has the pattern of Table I.

    snakemake --cores 2 --configfile config/reproduction/continuity.yaml
    python benchmarks/paper_hypotheses.py variants --results results/reproduction/continuity
    python benchmarks/paper_hypotheses.py report --results results/reproduction/continuity
    python benchmarks/paper_hypotheses.py differences --results results/reproduction/continuity

`differences` sets every other training (smooth L1, seed 42, BGR, running statistics) beside L1 with seed 0 on the same
images, with intervals; with `--against` another tree's, for example M = 3 at full size beside M = 2 at a quarter.

`report` scores the label maps of a results tree under other protocols and choices: a table a training. An explanation
must reproduce Table I's pattern and not one number: all four dynamic rows above the fixed one in every column, Coarse
too (F1), and SCF with 50 and 100 within .002 of each other (F3). FSF below the fixed row on VOC2012 (F2) needs a tree
with that dataset.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
import pandas as pd
import torch
from _machine import RESULTS, print_table, write_results
from _table_one import ROWS
from numpy.typing import NDArray
from PIL import Image

from dynseg.datasets.reading import find_image, read_image_list
from dynseg.io.ground_truth import iterate_segments, read_annotated_ids
from dynseg.io.images import read_image
from dynseg.io.label_maps import read_image_ids, read_labels, write_label_maps
from dynseg.metrics import connected_components
from dynseg.metrics.miou import best_overlaps
from dynseg.result import Segmentation
from dynseg.scoring.bootstrap import paired_differences
from dynseg.scoring.pooling import pool
from dynseg.scoring.scores import score_image, score_table
from dynseg.training.images import image_tensor, reduce_image
from dynseg.training.loop import train
from dynseg.training.network import initial_network
from dynseg.training.parameters import TrainingParameters, reduced_size
from dynseg.training.run import train_and_apply
from dynseg.training.step import PlainStep
from dynseg.training.weighting import weight_of

FIRST = (5, 8, 10, 15, 20, 30, 40, 50, 100)
DYNAMIC = tuple(row for row in ROWS if row != "fixed-5")
COLUMNS = ("all", "fine", "coarse")
# Table I; the fixed row is copied from Kim et al. 2020.
PUBLISHED = {
    "fixed-5": (0.305, 0.259, 0.374),
    "scf-100": (0.329, 0.288, 0.406),
    "scf-50": (0.330, 0.290, 0.407),
    "fsf-10": (0.330, 0.297, 0.390),
    "fsf-15": (0.349, 0.307, 0.420),
}
RANDOM_SETS = 201
SCF_AGREEMENT = 0.002
MEASURES_SHOWN = ("mean", "fine", "coarse", "covering")
FAST = {"components": 2, "iterations": 60, "scale": 0.25}

Labels = NDArray[np.integer[Any]]
# Best IoUs of the segments of each annotation of an image.
Overlaps = list[NDArray[np.float64]]
Scores = dict[str, float]


@dataclass(frozen=True)
class Protocol:
    """What becomes of annotations (annotators, H, W) and of a label map (H, W) before they are compared."""

    annotations: Callable[[Labels], Labels] = lambda annotations: annotations
    labels: Callable[[Labels], Labels] = connected_components


def resized(labels: Labels, size: tuple[int, int]) -> Labels:
    """Return label maps (..., H, W) at another size, by the nearest pixel."""
    rows, columns = (
        ((np.arange(new) + 0.5) * old / new).astype(int) for new, old in zip(size, labels.shape[-2:], strict=True)
    )
    return labels[..., rows[:, None], columns]


def reduced(labels: Labels, share: float = 0.5) -> Labels:
    """Return label maps (..., H, W) at a share of their size."""
    height, width = labels.shape[-2:]
    return resized(labels, (max(1, round(height * share)), max(1, round(width * share))))


def at_share(share: float) -> Protocol:
    """Return the protocol that compares annotations and label maps at a share of their size."""
    return Protocol(lambda maps: reduced(maps, share), lambda labels: connected_components(reduced(labels, share)))


def relabelled_annotations(annotations: Labels) -> Labels:
    """Return annotations whose unconnected parts are segments of their own."""
    return np.stack([connected_components(annotation) + 1 for annotation in annotations])


def through_grey(labels: Labels) -> Labels:
    """Return the grey values of a label map that was drawn in random colours, as the released script draws them."""
    colours = np.random.default_rng(0).integers(0, 255, (int(labels.max()) + 1, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(colours[labels]).convert("L")).astype(np.int64)


PROTOCOLS = {
    "as published": Protocol(),
    "no relabelling": Protocol(labels=lambda labels: labels),
    "8-connected relabelling": Protocol(labels=lambda labels: connected_components(labels, 8)),
    "ground truth relabelled too": Protocol(annotations=relabelled_annotations),
    "ground truth and map at half size": at_share(0.5),
    "ground truth and map at 40 % of the size": at_share(0.4),
    "ground truth and map at a quarter of the size": at_share(0.25),
    "map at half size, enlarged again": Protocol(
        labels=lambda labels: connected_components(resized(reduced(labels), (labels.shape[0], labels.shape[1])))
    ),
    "through a colour picture and grey": Protocol(labels=lambda labels: connected_components(through_grey(labels))),
    "through grey, no relabelling": Protocol(labels=through_grey),
}


def overlaps(annotations: Labels, labels: Labels, protocol: Protocol) -> Overlaps:
    """Return the best IoUs of an image's annotations under a protocol."""
    changed = protocol.labels(labels)
    return [best_overlaps(annotation, changed) for annotation in protocol.annotations(annotations)]


def chosen(image: Overlaps) -> dict[str, NDArray[np.float64]]:
    """Return what All, Fine and Coarse take of an image."""
    return {"all": np.concatenate(image), "fine": max(image, key=len), "coarse": min(image, key=len)}


def pooled(images: Iterable[Overlaps]) -> Scores:
    """Return All, Fine and Coarse: all segments pooled, averaged once."""
    parts = [chosen(image) for image in images]
    return {column: float(np.concatenate([part[column] for part in parts]).mean()) for column in COLUMNS}


def averaged_by_image(images: Iterable[Overlaps]) -> Scores:
    """Return All, Fine and Coarse as means of each image's own mean."""
    parts = [chosen(image) for image in images]
    return {column: float(np.mean([part[column].mean() for part in parts])) for column in COLUMNS}


def best_annotator(images: Iterable[Overlaps]) -> Scores:
    """Return the pooled scores with All of the one annotator that each image agrees with best."""
    images = list(images)
    best = np.concatenate([max(image, key=lambda annotation: float(annotation.mean())) for image in images])
    return pooled(images) | {"all": float(best.mean())}


def best_of(*choices: Mapping[str, Overlaps]) -> dict[str, Overlaps]:
    """Return each image as the one of several label maps that scores best: what a choice on test images could gain."""
    return {
        image: max((choice[image] for choice in choices), key=lambda each: mean_score(pooled([each])))
        for image in choices[0]
    }


def mean_score(scores: Scores) -> float:
    """Return the published Mean."""
    return sum(scores[column] for column in COLUMNS) / len(COLUMNS)


def pattern(scores: Mapping[str, Scores]) -> dict[str, str]:
    """Return each row's Mean (All/Fine/Coarse), how far Table I is, and whether its pattern is there; "-" if unknown.

    The fixed row of Table I is copied from another pipeline, so that what lifts every score lifts dynamic rows above
    it: F1 compares with the copied row, and the gain in Coarse with the fixed row of the same pipeline.
    """
    dynamic = [row for row in scores if row in DYNAMIC]
    over_copied = [
        scores[row][column] - copied
        for row in dynamic
        for column, copied in zip(COLUMNS, PUBLISHED["fixed-5"], strict=True)
    ]
    distances = [mean_score(scores[row]) - sum(PUBLISHED[row]) / len(COLUMNS) for row in scores]
    found = {row: _cell(scores[row]) if row in scores else "-" for row in ROWS}
    found |= {"farthest": f"{max(distances, key=abs):+.3f}", "least over copied": f"{min(over_copied):+.3f}"}
    found |= {"F1": "yes" if min(over_copied) > 0 else "no"}
    return found | _of_one_pipeline(scores, dynamic)


def _cell(scores: Scores) -> str:
    columns = "/".join(f"{scores[column]:.3f}".removeprefix("0") for column in COLUMNS)
    return f"{mean_score(scores):.3f} ({columns})"


def _of_one_pipeline(scores: Mapping[str, Scores], dynamic: Sequence[str]) -> dict[str, str]:
    """Return what compares rows with each other."""
    found = {"gain in Coarse": "-", "SCF 50 - 100": "-", "F3": "-"}
    if "fixed-5" in scores:
        gains = [scores[row]["coarse"] - scores["fixed-5"]["coarse"] for row in dynamic]
        found["gain in Coarse"] = f"{min(gains):+.3f} to {max(gains):+.3f}"
    if {"scf-50", "scf-100"} <= scores.keys():
        agreement = max(abs(scores["scf-50"][column] - scores["scf-100"][column]) for column in COLUMNS)
        found |= {"SCF 50 - 100": f"{agreement:.3f}", "F3": "yes" if agreement <= SCF_AGREEMENT else "no"}
    return found


class Tree:
    """The label maps and annotations of one dataset of a results tree."""

    def __init__(self, results: Path, dataset: str) -> None:
        self._maps = results / "label_maps" / dataset
        self._ground_truth = results / "datasets" / dataset / "ground_truth.h5"
        self._annotated = read_annotated_ids(self._ground_truth)

    def runs(self) -> list[tuple[str, int]]:
        """Return every row with its seeds."""
        found = sorted(folder for folder in self._maps.glob("*/seed*") if any(folder.glob("*.h5")))
        return [(folder.parent.name, int(folder.name.removeprefix("seed"))) for folder in found]

    def files(self, row: str, seed: int) -> dict[str, Path]:
        """Return the label map file of every annotated image of a run, in the order of the list."""
        files = sorted((self._maps / row / f"seed{seed}").glob("*.h5"))
        of_image = {image: file for file in files for image in read_image_ids(file)}
        return {image: of_image[image] for image in self._annotated if image in of_image}

    def overlaps(self, row: str, seed: int, images: list[str], protocol: Protocol) -> dict[str, Overlaps]:
        """Return the best IoUs of a run's images under a protocol."""
        files = self.files(row, seed)
        return {
            image: overlaps(annotations, read_labels(files[image], image), protocol)
            for image, annotations in iterate_segments(self._ground_truth, images)
        }

    def scores(self, row: str, seed: int, images: list[str]) -> pd.DataFrame:
        """Return the score table of a run's images by the published protocol."""
        files = self.files(row, seed)
        return score_table(
            line
            for image, annotations in iterate_segments(self._ground_truth, images)
            for line in score_image(image, annotations, read_labels(files[image], image))
        )


def random_sets(
    found: Mapping[str, Mapping[str, Overlaps]], images: Sequence[str], count: int, share: float
) -> dict[str, Scores]:
    """Return each row's score on the one of many random sets of images that leaves a share of the sets below it."""
    random = np.random.default_rng(0)
    sets = [random.choice(len(images), count, replace=False) for _ in range(RANDOM_SETS)]
    scores = {}
    for row, of_image in found.items():
        drawn = sorted((pooled([of_image[images[each]] for each in chosen]) for chosen in sets), key=mean_score)
        scores[row] = drawn[round(share * (RANDOM_SETS - 1))]
    return scores


def hypotheses(tree: Tree, training: str, seed: int, chosen_rows: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yield a line a hypothesis for a training, which is the ending of its rows' names, and a seed."""
    runs = tree.runs()
    rows = {row: row + training for row in chosen_rows if (row + training, seed) in runs}
    if not rows.keys() & set(DYNAMIC):
        return
    of_rows = [tree.files(name, seed) for name in rows.values()]
    images = [image for image in of_rows[0] if all(image in files for files in of_rows)]
    about = {"training": f"{training.removeprefix('-') or 'L1'}, seed {seed}", "images": len(images)}
    usual: dict[str, dict[str, Overlaps]] = {}
    for name, protocol in PROTOCOLS.items():
        found = {row: tree.overlaps(rows[row], seed, images, protocol) for row in rows}
        usual = usual or found
        yield {**about, "hypothesis": name, **pattern({row: pooled(found[row].values()) for row in rows})}
    for name, average in (("averaged by image first", averaged_by_image), ("best annotator in All", best_annotator)):
        yield {**about, "hypothesis": name, **pattern({row: average(usual[row].values()) for row in rows})}
    for count in (count for count in FIRST if count < len(images)):
        first = {row: pooled([usual[row][image] for image in images[:count]]) for row in rows}
        yield {**about, "images": count, "hypothesis": f"the first {count} images", **pattern(first)}
    for count in (count for count in (10, 20, 50) if count < len(images)):
        low, high = (random_sets(usual, images, count, share) for share in (0.05, 0.95))
        yield {**about, "images": count, "hypothesis": f"any {count} images, 5th of 100", **pattern(low)}
        yield {**about, "images": count, "hypothesis": f"any {count} images, 95th of 100", **pattern(high)}
    yield {
        **about,
        "hypothesis": "the best of these rows for each image (a bound of any choice)",
        **pattern(dict.fromkeys(rows, pooled(best_of(*usual.values()).values()))),
    }


def variant_label_maps(image: NDArray[np.uint8], scheme: str, mu: float) -> Iterator[tuple[str, int, Segmentation]]:
    """Yield the ending of a row's name, its seed and what the training of that name makes of an image."""
    weighting = weight_of(scheme, mu)
    parameters = TrainingParameters(**FAST)
    tensor = image_tensor(image)
    yield "", 42, train_and_apply(tensor, 42, parameters, weighting)
    yield "-bgr", 0, train_and_apply(tensor.flip(0), 0, parameters, weighting)
    yield "-running", 0, Segmentation(with_running_statistics(tensor, parameters, weighting))


def with_running_statistics(
    image: torch.Tensor, parameters: TrainingParameters, weighting: Callable[[torch.Tensor], torch.Tensor]
) -> NDArray[np.int64]:
    """Return the label map of a network whose last pass takes batch norm's running statistics, as in 2025."""
    network = initial_network(parameters.components, parameters.channels, 0)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.track_running_stats = True
            module.running_mean, module.running_var = torch.zeros(module.num_features), torch.ones(module.num_features)
            module.num_batches_tracked = torch.tensor(0)
    size = reduced_size(image.shape[1], image.shape[2], parameters.scale)
    train(PlainStep(network, reduce_image(image, size)), weighting, parameters)
    with torch.no_grad():
        labels: NDArray[np.int64] = network.eval()(image[None])[0].argmax(dim=0).numpy()
    return labels


@click.group(help=__doc__)
def command() -> None:
    torch.set_num_threads(1)


@command.command()
@click.option("--results", type=click.Path(path_type=Path), required=True, help="A results tree.")
@click.option("--dataset", default="bsd500", show_default=True)
@click.option("--images", type=click.IntRange(1), help="How many: the first.  [default: all]")
def variants(results: Path, dataset: str, images: int | None) -> None:
    """Train every row with seed 42, with BGR and with running statistics; what is there stays."""
    folder = results / "datasets" / dataset
    for image_id, (row, (scheme, mu)) in itertools.product(read_image_list(folder)[:images], ROWS.items()):
        marker = results / "label_maps" / dataset / f"{row}-running" / "seed0" / f"{image_id}.h5"
        if marker.exists():
            continue
        image = read_image(find_image(folder, image_id))
        for ending, seed, result in variant_label_maps(image, scheme, mu):
            file = results / "label_maps" / dataset / f"{row}{ending}" / f"seed{seed}" / f"{image_id}.h5"
            file.parent.mkdir(parents=True, exist_ok=True)
            write_label_maps(file, [(image_id, result)], {"method": "cnn", "variant": ending})
        click.echo(f"{image_id}: {row}", err=True)


@command.command()
@click.option("--results", type=click.Path(path_type=Path), required=True, help="A results tree.")
@click.option("--dataset", default="bsd500", show_default=True)
@click.option(
    "--row", "rows", multiple=True, type=click.Choice(list(ROWS)), help="A row that counts.  [default: those there]"
)
@click.option("--output", type=click.Path(path_type=Path), default=RESULTS / "paper_hypotheses.json", show_default=True)
def report(results: Path, dataset: str, rows: tuple[str, ...], output: Path) -> None:
    """Print a line a training and hypothesis."""
    tree = Tree(results, dataset)
    chosen_rows = [row for row in ROWS if row in (rows or ROWS)]
    endings = {name.removeprefix(row) for name, _ in tree.runs() for row in ROWS if name in (row, *_endings(row))}
    seeds = sorted({seed for _, seed in tree.runs()})
    lines = [
        line
        for ending, seed in itertools.product(sorted(endings), seeds)
        for line in hypotheses(tree, ending, seed, chosen_rows)
    ]
    if not lines:
        raise click.ClickException(
            f"{results} has no label maps of {', '.join(chosen_rows)}: run continuity.yaml first"
        )
    print_table(lines)
    write_results(output, lines)


@command.command()
@click.option("--results", type=click.Path(path_type=Path), required=True, help="A results tree.")
@click.option(
    "--against",
    type=click.Path(path_type=Path),
    help="Compare with L1 and seed 0 of this tree, in which any row may be.  [default: the same]",
)
@click.option("--dataset", default="bsd500", show_default=True)
@click.option(
    "--output", type=click.Path(path_type=Path), default=RESULTS / "paper_differences.json", show_default=True
)
def differences(results: Path, against: Path | None, dataset: str, output: Path) -> None:
    """Print what each training of a row adds to L1 with seed 0 on the same images, with 95 % intervals."""
    tree = Tree(results, dataset)
    usual = Tree(against or results, dataset)
    lines = []
    for name, seed in tree.runs():
        row = next((row for row in ROWS if name in (row, *_endings(row))), name if against else None)
        is_usual = against is None and (name, seed) == (row, 0)
        if row is None or is_usual or (row, 0) not in usual.runs():
            continue
        images = [image for image in tree.files(name, seed) if image in usual.files(row, 0)]
        ours, theirs = tree.scores(name, seed, images), usual.scores(row, 0, images)
        found = paired_differences([ours], [theirs])
        pooled_scores = pool(ours)
        lines.append(
            {"row": name, "seed": seed, "images": len(images)}
            | {measure: round(pooled_scores[measure], 3) for measure in MEASURES_SHOWN}
            | {f"Δ {measure}": _with_interval(found.loc[measure]) for measure in MEASURES_SHOWN}
        )
    if not lines:
        raise click.ClickException(f"{results} has no row to compare: train `variants` or run continuity.yaml first")
    print_table(lines)
    write_results(output, lines)


def _with_interval(found: Mapping[str, float]) -> str:
    return f"{found['difference']:+.3f} ({found['low']:+.3f} to {found['high']:+.3f})"


def _endings(row: str) -> list[str]:
    return [f"{row}-{ending}" for ending in ("smooth", "bgr", "running")]


if __name__ == "__main__":
    command()
