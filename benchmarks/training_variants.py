"""Would another training of the same cost score better than that of config/fast.yaml?

Its training is varied one thing at a time: the batch-norm statistics of the final label map, the learning rate, and a
schedule of sizes. Every label map is of the whole image. One CSV an image and scheme, so that a run goes on where it
was cut off; then a table of mIOU (mean), its difference from the usual training with a paired bootstrap interval over
images, and CPU seconds.

Choose on train or val images, never on those that a table reports.
"""

import itertools
import math
import multiprocessing
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import click
import numpy as np
import pandas as pd
import torch
from _machine import RESULTS, print_table, write_results
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import batch_norm

from dynseg.datasets.reading import find_image, read_image_list
from dynseg.io.files import written_aside
from dynseg.io.ground_truth import iterate_segments
from dynseg.io.images import read_image
from dynseg.parameters import TrainingParameters, reduced_size
from dynseg.scoring.bootstrap import paired_differences
from dynseg.scoring.pooling import pool
from dynseg.scoring.scores import SCORE_COLUMNS, score_image
from dynseg.training.descent import GradientDescent
from dynseg.training.enlargement import enlarged_labels
from dynseg.training.fast.step import FastStep
from dynseg.training.images import image_tensor, reduce_image
from dynseg.training.network import SegmentationNetwork, initial_network
from dynseg.training.prediction import label_map
from dynseg.training.weighting import weight_of

COMPONENTS = 2
PUBLISHED = TrainingParameters()
USUAL = "as config/fast.yaml"


@dataclass(frozen=True)
class Variant:
    """A training: sizes and iterations one after the other, and the learning rate, which may fall to 0 as a cosine."""

    phases: tuple[tuple[float, int], ...] = ((0.25, 60),)
    learning_rate: float = 0.1
    falls: bool = False


VARIANTS = {
    USUAL: Variant(),
    "learning rate .05": Variant(learning_rate=0.05),
    "learning rate .2": Variant(learning_rate=0.2),
    "learning rate falls from .2 to 0": Variant(learning_rate=0.2, falls=True),
    "an eighth (60), then a quarter (45)": Variant(((0.125, 60), (0.25, 45))),
    "a quarter (45), then half (4)": Variant(((0.25, 45), (0.5, 4))),
}


def trained_network(image: Tensor, variant: Variant, scheme: str, mu: float) -> SegmentationNetwork:
    """Train a network on an image (3, H, W) in [0, 1] as a variant says."""
    network = initial_network(COMPONENTS, 100, seed=0)
    weighting = weight_of(scheme, mu)
    for scale, iterations in variant.phases:
        step, optimiser = FastStep(network, reduced(image, scale)), GradientDescent(PUBLISHED.momentum)
        for done in range(iterations):
            observation = step.forward()
            # As a cosine.
            share = (1 + math.cos(math.pi * done / iterations)) / 2 if variant.falls else 1
            optimiser.descend(step.gradients(weighting(observation.label_count)), share * variant.learning_rate)
            if observation.label_count <= PUBLISHED.minimum_labels:
                break
    return network


def reduced(image: Tensor, scale: float) -> Tensor:
    """Return an image (3, H, W) reduced by a factor."""
    return reduce_image(image, reduced_size(image.shape[1], image.shape[2], scale))


@torch.no_grad()
def respond(
    network: SegmentationNetwork, image: Tensor, statistics: list[tuple[Tensor, Tensor]] | None = None
) -> tuple[Tensor, list[tuple[Tensor, Tensor]]]:
    """Return the response map (channels, H, W) and each batch norm's mean and variance: the image's own, or given."""
    features = image[None]
    used = []
    for index, (convolution, normalisation) in enumerate(
        zip(network.convolutions, network.normalisations, strict=True)
    ):
        features = convolution(features)
        if index < COMPONENTS:
            features = features.relu_()
        mean, variance = (
            statistics[index] if statistics else (features.mean((0, 2, 3)), features.var((0, 2, 3), unbiased=False))
        )
        used.append((mean, variance))
        features = batch_norm(features, mean, variance, normalisation.weight, normalisation.bias, eps=normalisation.eps)
    return features[0], used


def label_maps(image: Tensor, scheme: str, mu: float) -> Iterator[tuple[str, float, NDArray[np.int64]]]:
    """Yield the variants' names, CPU seconds and label maps (H, W) of an image (3, H, W) in [0, 1]."""
    for name, variant in VARIANTS.items():
        started = time.process_time()
        network = trained_network(image, variant, scheme, mu)
        training = time.process_time() - started
        labels = label_map(network, image)
        yield name, time.process_time() - started, labels.numpy()
        if name != USUAL:
            continue
        started = time.process_time()
        response, statistics = respond(network, reduced(image, 0.25))
        labels = respond(network, image, statistics)[0].argmax(dim=0)
        yield "batch-norm statistics of the reduced image", training + time.process_time() - started, labels.numpy()
        started = time.process_time()
        labels = enlarged_labels(response.permute(1, 2, 0).contiguous(), image.shape[1:])
        yield "responses of the reduced image, enlarged", training + time.process_time() - started, labels.numpy()


def record(dataset: Path, folder: Path, run: tuple[str, str]) -> str:
    """Score every variant on an image with a scheme, as "fsf:15"; a file that is there stays."""
    torch.set_num_threads(1)
    image_id, method = run
    scheme, _, mu = method.partition(":")
    file = folder / f"{scheme}{mu}_{image_id}.csv"
    if not file.exists():
        ((_, segments),) = iterate_segments(dataset / "ground_truth.h5", [image_id])
        image = image_tensor(read_image(find_image(dataset, image_id)))
        rows = [
            {"method": method, "variant": name, "seconds": seconds, **row}
            for name, seconds, labels in label_maps(image, scheme, float(mu))
            for row in score_image(image_id, segments, labels)
        ]
        with written_aside(file) as aside:
            pd.DataFrame(rows).to_csv(aside, index=False)
    return file.name


def figures(recorded: pd.DataFrame) -> list[dict[str, Any]]:
    """Return a row a method and variant."""
    rows = []
    for method, of_method in recorded.groupby("method", sort=False):
        usual = of_method.loc[of_method["variant"] == USUAL, list(SCORE_COLUMNS)]
        for variant, runs in of_method.groupby("variant", sort=False):
            scores = runs[list(SCORE_COLUMNS)]
            difference = paired_differences([scores], [usual]).loc["mean"]
            rows.append(
                {
                    "method": method,
                    "variant": variant,
                    "images": runs["image"].nunique(),
                    **{name: pool(scores)[name] for name in ("all", "fine", "coarse", "mean")},
                    **{name: float(difference[name]) for name in ("difference", "low", "high")},
                    "CPU s": float(runs.groupby("image")["seconds"].first().mean()),
                    "segments": float(runs.groupby("image")["predicted_segments"].first().mean()),
                }
            )
    return rows


@click.command(help=__doc__)
@click.option("--dataset-dir", type=click.Path(path_type=Path), required=True, help="A prepared dataset.")
@click.option("--scheme", "methods", multiple=True, metavar="SCHEME:MU", default=["fixed:5", "scf:50", "fsf:15"])
@click.option("--processes", default=2, show_default=True, help="Images at once, of one thread each.")
@click.option(
    "--folder",
    type=click.Path(path_type=Path),
    default=RESULTS / "variants",
    show_default=True,
    help="Of the recordings: one a dataset and set of variants, since what is there stays.",
)
@click.option("--output", type=click.Path(path_type=Path), default=RESULTS / "variants.json", show_default=True)
def command(dataset_dir: Path, methods: tuple[str, ...], processes: int, folder: Path, output: Path) -> None:
    runs = list(itertools.product(read_image_list(dataset_dir), methods))
    with multiprocessing.get_context("spawn").Pool(processes) as workers:
        files = []
        for name in workers.imap(partial(record, dataset_dir, folder), runs):
            files.append(name)
            click.echo(f"{len(files)} of {len(runs)}: {name}", err=True)
    rows = figures(pd.concat([pd.read_csv(folder / name, dtype={"image": str}) for name in files], ignore_index=True))
    print_table(rows)
    write_results(output, rows)
    click.echo(f"Written to {output}")


if __name__ == "__main__":
    command()
