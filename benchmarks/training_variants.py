"""Would another training of the same cost, or of a lower one, score as well as the usual one?

The usual training is that of config/fast.yaml or, with the method `regions`, that of the networks of `regions`. It is
varied one thing at a time: the batch-norm statistics of the final label map, the learning rate, a schedule of sizes,
and levers that should make it cheaper: fewer iterations, also from a starting point learnt on other images without
labels, fewer channels, and steps that leave out or round a part of the arithmetic (`_levers.py`). Every label map is of
the whole image. One CSV an image, method and variant, so that a run goes on where it was cut off; then a table of mIOU
(mean) and covering, their differences from the usual training with paired bootstrap intervals over images, CPU seconds,
and the products of an iteration.

Choose on train or val images, never on those that a table reports.
"""

import copy
import itertools
import math
import multiprocessing
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any, Literal, cast

import click
import numpy as np
import pandas as pd
import torch
from _levers import (
    Bfloat16Products,
    FirstLayerFrozen,
    HalfOfTheResponsesFrozen,
    MakeStep,
    OneStrip,
    RemovedResponses,
    UsualStep,
)
from _machine import RESULTS, print_table, write_results
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import batch_norm

from dynseg.datasets.reading import find_image, read_image_list
from dynseg.datasets.selection import sampled
from dynseg.io.files import written_aside
from dynseg.io.ground_truth import iterate_segments
from dynseg.io.images import read_image
from dynseg.methods.regions import RegionsParameters, cut, make_ensemble, merging_parameters
from dynseg.regions.boundaries import boundary_evidence
from dynseg.regions.merging import build_hierarchy
from dynseg.scoring.bootstrap import paired_differences
from dynseg.scoring.pooling import pool
from dynseg.scoring.scores import SCORE_COLUMNS, score_image
from dynseg.training.descent import GradientDescent
from dynseg.training.enlargement import enlarged_labels
from dynseg.training.group.loop import train_together
from dynseg.training.images import applied_image, image_tensor, reduce_image
from dynseg.training.network import SegmentationNetwork, initial_network
from dynseg.training.parameters import TrainingParameters, reduced_size
from dynseg.training.prediction import label_map
from dynseg.training.weighting import weight_of

COMPONENTS = 2
PUBLISHED = TrainingParameters()
USUAL = "usual"
MEASURES = ("mean", "covering")
# Between the name of a variant and the share of the usual iterations that it has.
SHARE = ", T × "
PART = Fraction(1)
# Other images of the dataset that starting points are learnt on.
OTHERS = 20

Start = Literal["seed", "another image", "average", "in turn"]


@dataclass(frozen=True)
class Setting:
    """A usual training: of config/fast.yaml with a scheme, or of the networks of `regions`."""

    name: str
    scheme: str
    mu: float
    networks: int = 1
    channels: int = 100
    iterations: int = 60
    scale: float = 0.25
    minimum_labels: int = PUBLISHED.minimum_labels

    @classmethod
    def of(cls, method: str) -> "Setting":
        """Return that of a method, as "fsf:15" or "regions"."""
        if method == "regions":
            usual = make_ensemble(RegionsParameters())
            training = usual.training
            shape = (usual.networks, training.channels, training.iterations, training.scale, training.minimum_labels)
            return cls(method, "fsf", usual.mu, *shape)
        scheme, _, mu = method.partition(":")
        return cls(method, scheme, float(mu))

    @property
    def parameters(self) -> TrainingParameters:
        """Those of the usual training, without a stop."""
        return TrainingParameters(
            components=COMPONENTS,
            channels=self.channels,
            iterations=self.iterations,
            minimum_labels=self.minimum_labels,
            stop="fixed",
        )


@dataclass(frozen=True)
class Variant:
    """A training, in shares of the usual one: (size, iterations) one after the other, and what else differs.

    Attributes
    ----------
    also_after : tuple of Fraction
        Shares of the usual iterations after which label maps of the same training are scored, too.
    learning_rate, first_rate : float
        The latter in the first sixth of the usual iterations.
    falls : bool
        Whether the learning rate falls to 0 as a cosine.
    channels : Fraction
    start : {"seed", "another image", "average", "in turn"}
        The weights at the start: the usual ones of the seed; those that a whole training on another image left behind;
        the average of what a sixth of a training left behind on each of 20 others; of one network trained on these in
        turn, for a twelfth of a training each.
    make_step : MakeStep
    side_by_side : bool
        Whether all networks are trained in operations that they share, as on a GPU: the usual training, to its end.
    """

    phases: tuple[tuple[float, Fraction], ...] = ((1, PART),)
    also_after: tuple[Fraction, ...] = ()
    learning_rate: float = PUBLISHED.learning_rate
    first_rate: float | None = None
    falls: bool = False
    channels: Fraction = PART
    start: Start = "seed"
    make_step: MakeStep = UsualStep
    side_by_side: bool = False

    def rate(self, done: int, iterations: int, usual: int) -> float:
        """Return the learning rate after so many iterations of a phase."""
        if self.falls:
            return self.learning_rate * (1 + math.cos(math.pi * done / iterations)) / 2
        early = self.first_rate is not None and done < usual / 6
        return self.first_rate if early and self.first_rate is not None else self.learning_rate


HALF, THREE_QUARTERS = Fraction(1, 2), Fraction(3, 4)
FEWER = (Fraction(1, 6), Fraction(1, 3))
VARIANTS = {
    USUAL: Variant(also_after=(*FEWER, HALF, THREE_QUARTERS)),
    "learning rate .05": Variant(learning_rate=0.05),
    "learning rate .2": Variant(learning_rate=0.2),
    "learning rate falls from .2 to 0": Variant(learning_rate=0.2, falls=True),
    "half the size, then the usual (3/4)": Variant(((0.5, PART), (1, THREE_QUARTERS))),
    "the usual size (3/4), then twice (1/15)": Variant(((1, THREE_QUARTERS), (2, Fraction(1, 15)))),
    "learning rate first .2": Variant(((1, THREE_QUARTERS),), (HALF,), first_rate=0.2),
    "learning rate first .3": Variant(((1, THREE_QUARTERS),), (HALF,), first_rate=0.3),
    **{
        f"start: {start}": Variant(((1, HALF),), FEWER, start=start)
        for start in ("another image", "average", "in turn")
    },
    "half of the channels": Variant(channels=HALF),
    "responses removed": Variant(make_step=RemovedResponses),
    "half of the responses frozen": Variant(make_step=HalfOfTheResponsesFrozen),
    "first layer frozen": Variant(make_step=FirstLayerFrozen),
    "bfloat16 products": Variant(make_step=Bfloat16Products),
    "one strip": Variant(make_step=OneStrip),
    "networks side by side": Variant(side_by_side=True),
}


@dataclass(frozen=True)
class Place:
    """Where images and what was made of them lie.

    Attributes
    ----------
    dataset, folder : Path
        The prepared dataset; the folder of the recordings.
    others : tuple of str
        The images that starting points are learnt on.
    """

    dataset: Path
    folder: Path
    others: tuple[str, ...]

    def read(self, image_id: str) -> NDArray[np.uint8] | NDArray[np.float32]:
        """Return an image, (H, W, 3)."""
        return read_image(find_image(self.dataset, image_id))


def iterate(
    network: SegmentationNetwork, image: Tensor, variant: Variant, setting: Setting
) -> Iterator[tuple[Fraction, float]]:
    """Train a network on an image (3, H, W) in [0, 1]; where it is to be looked at, yield the share of iterations done.

    With it the mean over iterations of their products, as a share of the usual.
    """
    weighting, ends = weight_of(setting.scheme, setting.mu), list(variant.also_after)
    products: list[float] = []
    for number, (size, share) in enumerate(variant.phases, 1):
        iterations = round(share * setting.iterations)
        step = variant.make_step(network, reduced(image, size * setting.scale), iterations)
        optimiser = GradientDescent(PUBLISHED.momentum)
        for done in range(iterations):
            while number == len(variant.phases) and ends and round(ends[0] * setting.iterations) <= done:
                yield ends.pop(0), float(np.mean(products))
            observation = step.forward()
            gradients = step.gradients(weighting(observation.label_count))
            optimiser.descend(gradients, variant.rate(done, iterations, setting.iterations))
            products.append(step.products)
            if observation.label_count <= setting.minimum_labels:
                break
    yield from ((end, float(np.mean(products))) for end in [*ends, variant.phases[-1][1]])


def train_networks(
    networks: Sequence[SegmentationNetwork], image: Tensor, variant: Variant, setting: Setting
) -> Iterator[Sequence[tuple[Fraction, float]]]:
    """Train networks on an image (3, H, W) in [0, 1]; yield for all what `iterate` does for one."""
    if not variant.side_by_side:
        yield from zip(*(iterate(network, image, variant, setting) for network in networks), strict=True)
        return
    count = len(networks)
    train_together(
        networks,
        reduced(image, setting.scale).expand(count, -1, -1, -1),
        setting.parameters,
        weight_of(setting.scheme, setting.mu),
    )
    yield [(PART, 1.0)] * count


def train(network: SegmentationNetwork, image: Tensor, variant: Variant, setting: Setting) -> SegmentationNetwork:
    """Train a network on an image to the end, and return it."""
    for _ in iterate(network, image, variant, setting):
        pass
    return network


def starting_network(
    setting: Setting, variant: Variant, number: int, place: Place, image_id: str
) -> SegmentationNetwork:
    """Return the network that a training starts from, the `number`th of the setting's, for an image."""
    channels = int(variant.channels * setting.channels)
    network = initial_network(COMPONENTS, channels, seed=number)
    if variant.start == "seed":
        return network
    others = place.others
    if variant.start == "another image":
        others = (others[sum(map(ord, image_id)) % len(others)],)
    name = slug(f"{setting.name} {variant.start} {others[0] if len(others) == 1 else len(others)} {number}")
    file = place.folder / "starts" / f"{name}.pt"
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        images = [image_tensor(place.read(other)) for other in others]
        with written_aside(file) as aside:
            torch.save(learnt(network, images, variant.start, setting).state_dict(), aside)
    network.load_state_dict(torch.load(file))
    return network


def learnt(
    network: SegmentationNetwork, images: Sequence[Tensor], start: Start, setting: Setting
) -> SegmentationNetwork:
    """Return a network with weights that were learnt on images (3, H, W) in [0, 1]; see `Variant.start`."""
    share = {"average": Fraction(1, 6), "in turn": Fraction(1, 12)}.get(start, PART)
    training = Variant(((1, share),))
    if start != "average":
        for image in images:
            train(network, image, training, setting)
        return network
    states = [train(copy.deepcopy(network), image, training, setting).state_dict() for image in images]
    network.load_state_dict({name: torch.stack([each[name] for each in states]).mean(dim=0) for name in states[0]})
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
        zip(network.convolutions, cast(list[nn.BatchNorm2d], list(network.normalisations)), strict=True)
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


@dataclass(frozen=True)
class Made:
    """A label map (H, W) and how it was made: the variant's name, CPU seconds, and products as a share of the usual."""

    variant: str
    seconds: float
    products: float
    labels: NDArray[np.integer]


def label_maps(name: str, setting: Setting, place: Place, image_id: str) -> Iterator[Made]:
    """Yield the label maps of an image that a variant makes."""
    variant, image = VARIANTS[name], place.read(image_id)
    networks = [starting_network(setting, variant, number, place, image_id) for number in range(setting.networks)]
    started = time.process_time()
    tensor = image_tensor(image)
    training = 0.0
    for at in train_networks(networks, tensor, variant, setting):
        training += time.process_time() - started
        share, products = at[0][0], float(np.mean([each[1] for each in at]))
        last = share == variant.phases[-1][1]
        suffix = "" if last and name != USUAL and share == 1 else f"{SHARE}{share}"
        started = time.process_time()
        labels = regions(image, networks) if setting.name == "regions" else label_map(networks[0], tensor).numpy()
        yield Made(name + suffix, training + time.process_time() - started, products, labels)
        if last and name == USUAL and setting.name != "regions":
            yield from other_label_maps(networks[0], tensor, setting, training)
        started = time.process_time()


def regions(
    image: NDArray[np.uint8] | NDArray[np.float32], networks: Sequence[SegmentationNetwork]
) -> NDArray[np.integer]:
    """Return the regions of an image (H, W, 3) from trained networks, as `dynseg.methods.regions` finds them."""
    parameters = RegionsParameters()
    applied = applied_image(image, make_ensemble(parameters).applied_size(*image.shape[:2]))
    evidence = boundary_evidence(image, [label_map(network, applied).numpy() for network in networks])
    labels: NDArray[np.integer] = cut(
        build_hierarchy(image, evidence, merging_parameters(parameters)), parameters
    ).labels
    return labels


def other_label_maps(network: SegmentationNetwork, image: Tensor, setting: Setting, training: float) -> Iterator[Made]:
    """Yield label maps that the usual training could give otherwise than by the whole image."""
    started = time.process_time()
    response, statistics = respond(network, reduced(image, setting.scale))
    labels = respond(network, image, statistics)[0].argmax(dim=0)
    seconds = training + time.process_time() - started
    yield Made("batch-norm statistics of the reduced image", seconds, 1.0, labels.numpy())
    started = time.process_time()
    labels = enlarged_labels(response.permute(1, 2, 0).contiguous(), (image.shape[1], image.shape[2]))
    seconds = training + time.process_time() - started
    yield Made("responses of the reduced image, enlarged", seconds, 1.0, labels.numpy())


def start_worker() -> None:
    """Use one thread, and have imported what the first image would otherwise wait for."""
    torch.set_num_threads(1)
    regions(np.zeros((64, 64, 3), dtype=np.uint8), [initial_network(COMPONENTS, 4, seed=0)])


def record(place: Place, run: tuple[str, str, str]) -> str:
    """Score a variant on an image with a method, as "fsf:15"; a file that is there stays."""
    image_id, method, variant = run
    file = place.folder / f"{slug(f'{method} {variant}')}_{image_id}.csv"
    if not file.exists():
        ((_, segments),) = iterate_segments(place.dataset / "ground_truth.h5", [image_id])
        rows = [
            {"method": method, "variant": made.variant, "seconds": made.seconds, "products": made.products, **row}
            for made in label_maps(variant, Setting.of(method), place, image_id)
            for row in score_image(image_id, segments, made.labels)
        ]
        file.parent.mkdir(parents=True, exist_ok=True)
        with written_aside(file) as aside:
            pd.DataFrame(rows).to_csv(aside, index=False)
    return file.name


def slug(name: str) -> str:
    """Return a name as a part of a file's."""
    return re.sub(r"[^\w.]+", "-", name)


def figures(recorded: pd.DataFrame) -> list[Mapping[str, Any]]:
    """Return a row a method, variant and number of iterations."""
    rows: list[Mapping[str, Any]] = []
    for method, of_method in recorded.groupby("method", sort=False):
        scores = {str(name): runs[list(SCORE_COLUMNS)] for name, runs in of_method.groupby("variant", sort=False)}
        for variant, runs in of_method.groupby("variant", sort=False):
            name, _, share = str(variant).partition(SHARE)
            pooled, by_image = pool(scores[str(variant)]), runs.groupby("image").first()
            row: dict[str, Any] = {"method": method, "variant": name, "of T": share or "1", "images": len(by_image)}
            row |= {measure: f"{pooled[measure]:.3f}" for measure in MEASURES}
            row |= differences(scores[str(variant)], scores[f"{USUAL}{SHARE}1"], "")
            # What the same number of iterations gives from the usual start.
            same = scores.get(f"{USUAL}{SHARE}{share}")
            if name == USUAL or same is None:
                row |= {f"Δ {measure} at this T": "" for measure in MEASURES}
            else:
                row |= differences(scores[str(variant)], same, " at this T")
            facts = {"CPU s": "seconds", "products": "products", "segments": "predicted_segments"}
            rows.append({**row, **{fact: float(by_image[column].mean()) for fact, column in facts.items()}})
    return rows


def differences(scores: pd.DataFrame, others: pd.DataFrame, suffix: str) -> dict[str, str]:
    """Return the differences of both measures, with their intervals, as text."""
    table = paired_differences([scores], [others]).loc[list(MEASURES), ["difference", "low", "high"]]
    return {
        f"Δ {measure}{suffix}": f"{difference:+.3f} ({low:+.3f} to {high:+.3f})"
        for measure, difference, low, high in table.itertuples()
    }


@click.command(help=__doc__)
@click.option("--dataset-dir", type=click.Path(path_type=Path), required=True, help="A prepared dataset.")
@click.option("--sample", type=int, help="Only so many images, drawn as `dynseg prepare --sample` does.")
@click.option(
    "--scheme",
    "methods",
    multiple=True,
    metavar="SCHEME:MU",
    default=["fixed:5", "scf:50", "fsf:15"],
    help="Or `regions`, for the networks of that method.",
)
@click.option(
    "--variant",
    "variants",
    multiple=True,
    type=click.Choice(list(VARIANTS)),
    default=list(VARIANTS),
    help="Beside the usual training; all by default.",
)
@click.option("--processes", default=2, show_default=True, help="Images at once, of one thread each.")
@click.option(
    "--folder",
    type=click.Path(path_type=Path),
    default=RESULTS / "variants",
    show_default=True,
    help="Of the recordings: one a dataset, since what is there stays.",
)
@click.option("--output", type=click.Path(path_type=Path), default=RESULTS / "variants.json", show_default=True)
def command(
    dataset_dir: Path,
    sample: int | None,
    methods: tuple[str, ...],
    variants: tuple[str, ...],
    processes: int,
    folder: Path,
    output: Path,
) -> None:
    images = read_image_list(dataset_dir)
    chosen = images if sample is None else sampled(sample, 0, click.echo)(images)
    others = sorted(set(images) - set(chosen))
    names = list(dict.fromkeys([USUAL, *variants]))
    if len(others) < OTHERS and any(VARIANTS[name].start != "seed" for name in names):
        raise click.UsageError(f"starting points need {OTHERS} other images: give --sample, or --variant without them")
    place = Place(dataset_dir, folder, tuple(sampled(OTHERS, 0, click.echo)(others)))
    runs = list(itertools.product(chosen, methods, names))
    with multiprocessing.get_context("spawn").Pool(processes, start_worker) as workers:
        files = []
        for name in workers.imap(partial(record, place), runs):
            files.append(name)
            click.echo(f"{len(files)} of {len(runs)}: {name}", err=True)
    rows = figures(pd.concat([pd.read_csv(folder / name, dtype={"image": str}) for name in files], ignore_index=True))
    print_table(rows)
    write_results(output, rows)
    click.echo(f"Written to {output}")


if __name__ == "__main__":
    command()
