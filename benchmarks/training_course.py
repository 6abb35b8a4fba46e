"""Score label maps on the way of training: what the stop and the training size cost and gain.

`record` trains on images of a prepared dataset for a fixed number of iterations. At chosen iterations, and where each
candidate of a stop would have ended the training, it applies the network once to the whole image and scores the label
map. One CSV a run, so that a recording goes on where it was cut off. `report` pools the CSVs.

Choose on train or val images, never on those that a table reports.
"""

import itertools
import multiprocessing
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import click
import numpy as np
import pandas as pd
import torch
from _machine import RESULTS, print_table, write_results
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter
from torch import Tensor

from dynseg.datasets.reading import find_image, read_image_list
from dynseg.figures.style import LINE_COLOURS, MARKERS, TWO_COLUMNS, figure_style, save_figure
from dynseg.io.files import written_aside
from dynseg.io.ground_truth import iterate_segments
from dynseg.io.images import read_image
from dynseg.parameters import TrainingParameters, reduced_size
from dynseg.scoring.bootstrap import paired_differences
from dynseg.scoring.pooling import pool
from dynseg.scoring.scores import SCORE_COLUMNS, score_image
from dynseg.training.fast.step import FastStep
from dynseg.training.images import image_tensor, reduce_image
from dynseg.training.loop import train
from dynseg.training.network import initial_network
from dynseg.training.prediction import label_map
from dynseg.training.step import Observation
from dynseg.training.weighting import weight_of

SHARES = (0.0005, 0.001, 0.002, 0.005, 0.01)
INTERVALS = (10, 20, 50)


@dataclass(frozen=True)
class Run:
    """One training of one image."""

    dataset: Path
    image: str
    scheme: str
    mu: float
    components: int
    scale: float
    seed: int

    @property
    def name(self) -> str:
        return f"{self.scheme}{self.mu:g}_M{self.components}_scale{self.scale:g}_seed{self.seed}_{self.image}.csv"


class Stops:
    """Follows every candidate of the stop: a share of pixels below which a label map counts as standing still."""

    def __init__(self) -> None:
        self._earlier: dict[int, Tensor] = {}
        self._waiting = set(itertools.product(INTERVALS, SHARES))

    def ended_by(self, iteration: int, labels: Tensor) -> list[tuple[int, float]]:
        """Return the candidates that end the training at this iteration."""
        ended = []
        for interval in INTERVALS:
            if iteration % interval == 0:
                if interval in self._earlier:
                    changed = (labels != self._earlier[interval]).double().mean().item()
                    ended += [each for each in self._waiting if each[0] == interval and changed < each[1]]
                self._earlier[interval] = labels.clone()
        self._waiting.difference_update(ended)
        return ended

    @property
    def waiting(self) -> list[tuple[int, float]]:
        return sorted(self._waiting)


def course(run: Run, iterations: int, at: tuple[int, ...]) -> list[dict[str, Any]]:
    """Return score rows with the event (`iteration`, or `stop` with its interval and share) that they belong to."""
    ((_, segments),) = iterate_segments(run.dataset / "ground_truth.h5", [run.image])
    full_size = image_tensor(read_image(find_image(run.dataset, run.image)))
    network = initial_network(run.components, 100, run.seed)
    reduced = reduce_image(full_size, reduced_size(full_size.shape[1], full_size.shape[2], run.scale))
    parameters = TrainingParameters(components=run.components, iterations=iterations, stop="fixed")
    stops = Stops()
    rows: list[dict[str, Any]] = []
    waiting: list[dict[str, Any]] = []
    scoring = 0.0
    started = time.process_time()

    def score_waiting() -> None:
        nonlocal scoring
        if waiting:
            before = time.process_time()
            facts = {"seconds": before - started - scoring}
            scored = score_image(run.image, segments, label_map(network, full_size).numpy())
            rows.extend({**event, **facts, **row} for event, row in itertools.product(waiting, scored))
            waiting.clear()
            scoring += time.process_time() - before

    def look(iteration: int, observation: Observation, weight: Tensor) -> None:
        # Before this iteration's update, so that the network is the one that the iteration before has made.
        score_waiting()
        events: list[dict[str, Any]] = [{"event": "iteration"}] if iteration in at else []
        events += [
            {"event": "stop", "interval": i, "share": s} for i, s in stops.ended_by(iteration, observation.labels)
        ]
        facts = {"asked": iteration, "iteration": iteration, "label_count": int(observation.label_count)}
        waiting.extend(facts | event for event in events)

    step = FastStep(network, reduced)
    history = train(step, weight_of(run.scheme, run.mu), parameters, on_iteration=look).history
    # What hasn't happened yet ends here, as training does.
    last = {"iteration": len(history["iteration"]), "label_count": int(history["label_count"][-1])}
    later = [asked for asked in at if asked > last["iteration"]]
    waiting.extend({"asked": asked, "event": "iteration", **last} for asked in later)
    waiting.extend(
        {"asked": last["iteration"], "event": "stop", "interval": i, "share": s, **last} for i, s in stops.waiting
    )
    score_waiting()
    return rows


def record_run(folder: Path, iterations: int, at: tuple[int, ...], run: Run) -> str:
    torch.set_num_threads(1)
    rows = pd.DataFrame(course(run, iterations, at))
    with written_aside(folder / run.name) as aside:
        rows.assign(scheme=run.scheme, mu=run.mu, M=run.components, scale=run.scale, seed=run.seed).to_csv(
            aside, index=False
        )
    return run.name


@click.group(help=__doc__)
def command() -> None:
    pass


@command.command()
@click.option("--dataset-dir", type=click.Path(path_type=Path), required=True, help="A prepared dataset.")
@click.option("--scheme", "schemes", multiple=True, metavar="SCHEME:MU", default=["fixed:5", "scf:50", "fsf:15"])
@click.option("--components", default=2, show_default=True)
@click.option("--scale", "scales", multiple=True, type=float, default=[0.25])
@click.option("--seed", "seeds", multiple=True, type=int, default=[0])
@click.option("--iterations", default=1000, show_default=True)
@click.option("--at", multiple=True, type=int, default=[10, 20, 30, 45, 60, 100, 150, 200, 300, 500, 1000])
@click.option("--processes", default=2, show_default=True, help="Runs at once, of one thread each.")
@click.option(
    "--folder",
    type=click.Path(path_type=Path),
    default=RESULTS / "course",
    show_default=True,
    help="Of the recordings: one a dataset, since what is there stays.",
)
def record(
    dataset_dir: Path,
    schemes: tuple[str, ...],
    components: int,
    scales: tuple[float, ...],
    seeds: tuple[int, ...],
    iterations: int,
    at: tuple[int, ...],
    processes: int,
    folder: Path,
) -> None:
    """Train and score; runs whose CSV is there are left out."""
    every = [
        Run(dataset_dir, image, scheme.partition(":")[0], float(scheme.partition(":")[2]), components, scale, seed)
        for scale, seed, image, scheme in itertools.product(scales, seeds, read_image_list(dataset_dir), schemes)
    ]
    waiting = [run for run in every if not (folder / run.name).exists()]
    at = tuple(each for each in at if each <= iterations)
    with multiprocessing.get_context("spawn").Pool(processes) as workers:
        for number, name in enumerate(workers.imap_unordered(partial(record_run, folder, iterations, at), waiting), 1):
            click.echo(f"{number} of {len(waiting)}: {name}")


@command.command()
@click.option("--folder", type=click.Path(path_type=Path), default=RESULTS / "course", show_default=True)
@click.option("--output", type=click.Path(path_type=Path), default=RESULTS / "training_course.json", show_default=True)
@click.option("--figure", type=click.Path(path_type=Path), default=RESULTS / "training_course.png", show_default=True)
def report(folder: Path, output: Path, figure: Path) -> None:
    """Pool what was recorded: mIOU, segments, iterations and CPU seconds of each point; draw mIOU against seconds."""
    recorded = pd.concat(
        [pd.read_csv(path, dtype={"image": str}) for path in sorted(folder.glob("*.csv"))], ignore_index=True
    )
    rows = points(recorded)
    print_table(rows)
    write_results(output, rows)
    save_figure(draw_trade_off(pd.DataFrame(points(with_every_line(recorded)))), png=figure)
    click.echo(f"Written to {output} and {figure}")


def points(recorded: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the pooled figures of every setting at every number of iterations and with every stop."""
    settings = ["M", "scale", "scheme", "mu"]
    rows: list[dict[str, Any]] = []
    for setting, runs in recorded.groupby(settings):
        iterations = runs[runs["event"] == "iteration"]
        last = iterations[iterations["asked"] == iterations["asked"].max()]
        stops = runs[runs["event"] == "stop"]
        ends = [(f"T = {asked}", point) for asked, point in iterations.groupby("asked")]
        ends += [
            (f"{share:g} in {interval:g}", point) for (interval, share), point in stops.groupby(["interval", "share"])
        ]
        for name, point in ends:
            rows.append({**dict(zip(settings, setting, strict=True)), "ends": name, **_figures(point, last)})
    return rows


def with_every_line(recorded: pd.DataFrame) -> pd.DataFrame:
    """Leave out, scheme by scheme, the images that weren't recorded at every size and M: others don't compare."""
    scheme = [recorded["scheme"], recorded["mu"]]
    line = recorded.groupby(["M", "scale"]).ngroup()
    lines_of_image = line.groupby([*scheme, recorded["image"]]).transform("nunique")
    return recorded[lines_of_image == line.groupby(scheme).transform("nunique")]


def draw_trade_off(rows: pd.DataFrame) -> Figure:
    """Draw Mean mIOU against the CPU seconds of training: a panel a scheme, a line a size of training."""
    rows = rows[rows["ends"].str.startswith("T = ")]
    schemes = list(rows.groupby(["scheme", "mu"], sort=False))
    with figure_style():
        figure = Figure(figsize=(TWO_COLUMNS, 2.2), layout="constrained")
        FigureCanvasAgg(figure)
        for axes, ((scheme, mu), of_scheme) in zip(
            figure.subplots(1, len(schemes), sharey=True, squeeze=False)[0], schemes, strict=True
        ):
            sizes = of_scheme.groupby(["M", "scale"])
            for ((components, scale), line), colour, marker in zip(sizes, LINE_COLOURS, MARKERS, strict=False):
                label = f"scale {scale:g}, M = {components}"
                axes.plot(line["CPU s"], line["mean"], color=colour, marker=marker, markersize=3, label=label)
            axes.set_xscale("log")
            axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            axes.xaxis.set_minor_formatter(NullFormatter())
            axes.set_xlabel("CPU seconds an image")
            axes.set_title(f"{scheme}, μ = {mu:g}, {of_scheme['images'].iloc[0]} images")
        figure.axes[0].set_ylabel("mIOU (mean)")
        # Not every scheme was recorded at every size.
        lines = {line.get_label(): line for axes in figure.axes for line in axes.get_lines()}
        figure.legend(lines.values(), lines.keys(), loc="outside lower center", ncols=len(lines))
    return figure


def _figures(point: pd.DataFrame, last: pd.DataFrame) -> dict[str, Any]:
    seeds = sorted(point["seed"].unique())
    of_seeds = [point.loc[point["seed"] == seed, list(SCORE_COLUMNS)] for seed in seeds]
    pooled = [pool(scores) for scores in of_seeds]
    difference = paired_differences(of_seeds, [last.loc[last["seed"] == seed, list(SCORE_COLUMNS)] for seed in seeds])
    by_image = point.groupby(["image", "seed"]).first()
    return {
        "images": by_image.index.get_level_values("image").nunique(),
        "seeds": len(seeds),
        **{name: float(np.mean([each[name] for each in pooled])) for name in ("all", "fine", "coarse", "mean")},
        "against longest": float(difference.loc["mean", "difference"]),
        "low": float(difference.loc["mean", "low"]),
        "high": float(difference.loc["mean", "high"]),
        "iterations": float(by_image["iteration"].mean()),
        "CPU s": float(by_image["seconds"].mean()),
        "segments": float(by_image["predicted_segments"].mean()),
    }


if __name__ == "__main__":
    command()
