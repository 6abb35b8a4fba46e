"""What a configuration takes before anything of it runs: label maps, jobs, time on this machine's CPU, disk.

The estimates are those of `dynseg.workflow.cost`, which size the jobs too, at a speed that may be measured on this
machine (`dynseg.workflow.speed`). Nothing here runs or writes anything, or imports torch.
"""

import dataclasses
import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from dynseg.datasets import find_kind
from dynseg.workflow.batches import batches
from dynseg.workflow.cost import (
    CPU_GFLOPS,
    JOB_CPU_SECONDS,
    SHOWING_SECONDS_A_PIXEL,
    Size,
    scoring_seconds,
    segmentation_seconds,
)
from dynseg.workflow.datasets import (
    TUNING_DATASET,
    dataset_archive,
    every_dataset,
    is_url,
    missing_archive,
    scored_datasets,
)
from dynseg.workflow.figures import FIGURE_SECTIONS, dynamics_iterations, panel_methods, panel_seed, panel_shows
from dynseg.workflow.jobs import Jobs
from dynseg.workflow.methods import (
    every_method,
    grid,
    images_per_job,
    method_of,
    method_parameters,
    method_scales,
    method_seeds,
    sensitivity_methods,
)
from dynseg.workflow.resolved import Config
from dynseg.workflow.start import workflow_files

# A job as Snakemake knows it: its rule and its wildcards.
Job = tuple[str, Mapping[str, str]]

# Measured on photographs of 481 × 321: a prepared image with its ground truth, a label map with its history, and one
# in the report, in bytes a pixel; and what a job leaves beside them, whose files take whole blocks.
IMAGE_BYTES = 0.8
LABEL_MAP_BYTES = 0.2
SHOWN_BYTES = 0.1
JOB_BYTES = 16_000
FIGURE_BYTES = 1_000_000

FAST = "config/fast.yaml"
# The faster configuration is worth a word if it takes less than this share.
MUCH_FASTER = 0.5


@dataclass(frozen=True)
class Row:
    """What one row of the configuration takes on one dataset.

    Attributes
    ----------
    dataset, method : str
        Their ids.
    label_maps : int
        Images times seeds.
    trainings : int
        How many of them a network is trained for.
    jobs : tuple of float
        The seconds of each job.
    threads : int
        Cores that a job keeps busy.
    pixels : int
        Of all label maps.
    """

    dataset: str
    method: str
    label_maps: int
    trainings: int
    jobs: tuple[float, ...]
    threads: int
    pixels: int

    @property
    def core_seconds(self) -> float:
        """Seconds of one core that all jobs take together."""
        return self.threads * sum(self.jobs)


@dataclass(frozen=True)
class Plan:
    """What a configuration takes.

    Attributes
    ----------
    rows : list of Row
    other_jobs : int
        Jobs that segment nothing: those that prepare, score, draw and report.
    other_seconds : float
        The seconds of one core that they take.
    sizes : dict of str to list of (int, int)
        Height and width of the images by dataset, in pixels; none where that isn't known yet.
    supposed : list of str
        The datasets that aren't prepared, whose images are supposed.
    disk : int
        Bytes that archives and results take.
    """

    rows: list[Row]
    other_jobs: int
    other_seconds: float
    sizes: dict[str, list[Size]]
    supposed: list[str]
    disk: int

    @property
    def jobs(self) -> int:
        """The number of all jobs."""
        return self.other_jobs + sum(len(row.jobs) for row in self.rows)

    @property
    def trainings(self) -> int:
        """The number of label maps that a network is trained for."""
        return sum(row.trainings for row in self.rows)

    @property
    def core_seconds(self) -> float:
        """Seconds of one core that all jobs take together."""
        return self.other_seconds + sum(row.core_seconds for row in self.rows)

    def wall_seconds(self, cores: int) -> float:
        """Return the seconds that jobs take on so many cores: the longest first, then those that segment nothing."""
        free = [0.0] * cores
        for seconds, threads in sorted(((each, row.threads) for row in self.rows for each in row.jobs), reverse=True):
            taken = [heapq.heappop(free) for _ in range(min(threads, cores))]
            for _ in taken:
                heapq.heappush(free, max(taken) + seconds)
        return max(free) + self.other_seconds / cores


@dataclass(frozen=True)
class _Run:
    """Part of a row on one dataset with one seed: one batch, some images, or all of them."""

    dataset: str
    method: str
    seed: int
    iterations: int | None = None
    batch: str | None = None
    images: int | None = None


def plan_all(jobs: Jobs, gflops: float = CPU_GFLOPS) -> Plan:
    """Return what a whole configuration takes, whatever of it is done.

    Parameters
    ----------
    jobs : Jobs
    gflops : float
        Speed of one thread of this machine; see `dynseg.workflow.speed.measure_gflops`.
    """
    return _Planner(jobs, gflops).plan(every_job(jobs.config), waits_for=lambda dataset: True)


def plan_jobs(jobs: Jobs, todo: Iterable[Job], gflops: float = CPU_GFLOPS) -> Plan:
    """Return what jobs take, with those that will follow from them once datasets are prepared.

    Parameters
    ----------
    jobs : Jobs
    todo : iterable of (str, mapping)
        Rule and wildcards of the jobs that are known so far.
    gflops : float
        Speed of one thread of this machine.
    """
    todo = list(todo)
    unprepared = {wildcards["dataset"] for rule, wildcards in todo if rule == "prepare_dataset"}
    return _Planner(jobs, gflops).plan(todo, waits_for=unprepared.__contains__)


def faster_config(config: Config) -> Config:
    """Return the configuration with the training of `config/fast.yaml`."""
    fast = yaml.safe_load((workflow_files() / FAST).read_text(encoding="utf-8"))
    return {**config, "training": {**config["training"], **fast["training"]}}


def faster_plan(jobs: Jobs, todo: Iterable[Job] | None, plan: Plan, gflops: float = CPU_GFLOPS) -> Plan | None:
    """Return what the same takes with the training of `config/fast.yaml`; None if that isn't much faster.

    Parameters
    ----------
    jobs : Jobs
    todo : iterable of (str, mapping) or None
        As for `plan_jobs`; None: all.
    plan : Plan
        What it takes as it is.
    gflops : float
        Speed of one thread of this machine.
    """
    of_fast = Jobs(faster_config(jobs.config), with_gpu=False)
    faster = plan_all(of_fast, gflops) if todo is None else plan_jobs(of_fast, todo, gflops)
    return faster if faster.core_seconds < MUCH_FASTER * plan.core_seconds else None


def every_job(config: Config) -> Iterator[Job]:
    """Yield the jobs of a configuration that don't depend on a dataset's images."""
    for dataset, entry in config["datasets"].items():
        kind = find_kind(entry["kind"])
        if "archive" not in entry or is_url(entry["archive"]):
            made = kind.made_as is not None and "archive" not in entry
            yield ("make" if made else "fetch"), {"dataset": dataset}
        yield "prepare_dataset", {"dataset": dataset}
    runs = {
        (dataset, method, seed)
        for dataset in scored_datasets(config)
        for method in config["methods"]
        for seed in method_seeds(config, method)
    }
    for figure in config["sensitivity"].values():
        compared = sensitivity_methods(config, figure)
        runs |= {(figure["dataset"], method, seed) for method in compared for seed in method_seeds(config, method)}
    for figure in config["scatter"].values():
        runs |= {(figure["dataset"], method, method_seeds(config, method)[0]) for method in figure["methods"]}
    for dataset, method, seed in sorted(runs):
        yield "score", {"dataset": dataset, "method": method, "seed": str(seed)}
    if scored_datasets(config):
        yield "table", {}
    for section in FIGURE_SECTIONS:
        for figure_id in config[section]:
            yield {"panels": "panel"}.get(section, section), {"figure": figure_id}
    yield from (("record_config", {}), ("report", {}), ("all", {}))


class _Planner:
    def __init__(self, jobs: Jobs, gflops: float) -> None:
        self._jobs, self._config = jobs, jobs.config
        # How much longer everything takes than on the machine of the estimates.
        self._slowness = CPU_GFLOPS / gflops
        self._sizes = cache(self._find_sizes)
        self._batches = cache(self._find_batches)
        self._seconds = cache(self._find_seconds)

    def plan(self, todo: Iterable[Job], waits_for: Callable[[str], bool]) -> Plan:
        """Return what jobs take; `waits_for` tells of which datasets the jobs of segmentation aren't among them."""
        todo = list(todo)
        runs = _without_parts(run for job in todo for run in self._runs(job, waits_for))
        by_row: dict[tuple[str, str], list[_Run]] = {}
        for run in runs:
            by_row.setdefault((run.dataset, run.method), []).append(run)
        datasets = list(dict.fromkeys([*(dataset for dataset, _ in by_row), *self._config["datasets"]]))
        others = [job for job in todo if job[0] not in ("segment", "short_run")]
        methods = list(every_method(self._config))
        in_order = sorted(by_row, key=lambda ids: (datasets.index(ids[0]), methods.index(ids[1])))
        rows = [self._row(by_row[ids]) for ids in in_order]
        return Plan(
            rows,
            len(others),
            self._slowness * sum(self._other_seconds(job) for job in others),
            {dataset: list(self._sizes(dataset).values()) for dataset in datasets},
            [dataset for dataset in datasets if not self._is_prepared(dataset)],
            self._disk(rows, others),
        )

    def _runs(self, job: Job, waits_for: Callable[[str], bool]) -> Iterator[_Run]:
        rule, wildcards = job
        if rule in ("segment", "short_run"):
            iterations = int(wildcards["iteration"]) if rule == "short_run" else None
            of_run = wildcards["dataset"], wildcards["method"], int(wildcards["seed"])
            yield _Run(*of_run, iterations, wildcards["batch"])
        elif rule in _RUNS:
            yield from (run for run in _RUNS[rule](self._config, wildcards) if waits_for(run.dataset))

    def _is_prepared(self, dataset: str) -> bool:
        paths = self._jobs.results.dataset(dataset)
        return paths.image_list.exists() and paths.sizes.exists()

    def _find_sizes(self, dataset: str) -> dict[str, Size]:
        """Return the sizes of a dataset's images by their ids, which are made up before it is prepared."""
        if self._is_prepared(dataset):
            return self._jobs.image_sizes(dataset)
        entry = every_dataset(self._config)[dataset]
        kind = find_kind(entry["kind"])
        sizes = kind.expected(entry) if kind.expected else []
        count = len(sizes)
        if "ids" in entry:
            count = len(Path(entry["ids"]).read_text(encoding="utf-8").split())
        elif "sample" in entry:
            count = min(count, entry["sample"])
        # A sample of pictures of several sizes has all of them in their shares, nearly.
        return {f"image{number}": sizes[number * len(sizes) // count] for number in range(count if sizes else 0)}

    def _find_batches(self, dataset: str, method: str) -> list[list[Size]]:
        sizes = self._sizes(dataset)
        if not sizes:
            return []
        count = images_per_job(self._config, method, sizes.values())
        return [[sizes[image_id] for image_id in batch] for batch in batches(list(sizes), count).values()]

    def _row(self, runs: list[_Run]) -> Row:
        """Return the row of runs of one method on one dataset."""
        dataset, method_id = runs[0].dataset, runs[0].method
        jobs = [(run.iterations, batch) for run in runs for batch in self._batch_sizes(run)]
        seconds = (sum(self._seconds(method_id, iterations, size) for size in batch) for iterations, batch in jobs)
        images = sum(len(batch) for _, batch in jobs)
        return Row(
            dataset,
            method_id,
            label_maps=images,
            trainings=images if method_of(self._config, method_id).cost is not None else 0,
            jobs=tuple(self._slowness * (JOB_CPU_SECONDS + each) for each in seconds),
            threads=self._config["threads"],
            pixels=sum(_pixels(batch) for _, batch in jobs),
        )

    def _batch_sizes(self, run: _Run) -> list[list[Size]]:
        if run.batch is not None:
            sizes = self._sizes(run.dataset)
            return [[sizes[image_id] for image_id in self._jobs.images(run.dataset, run.method, run.batch)]]
        if run.iterations is not None:
            return [[size] for size in list(self._sizes(run.dataset).values())[:1]]
        return self._batches(run.dataset, run.method)[: run.images]

    def _find_seconds(self, method_id: str, iterations: int | None, size: Size) -> float:
        """Return the seconds of an image, with every value of the scores over scales."""
        method, threads = method_of(self._config, method_id), self._config["threads"]
        changes: list[dict[str, Any]] = [{} if iterations is None else {"iterations": iterations}]
        if iterations is None:
            scales = method_scales(self._config, method_id)
            changes += [{name: value} for name, values in scales.items() for value in values]
        every = (method_parameters(self._config, method_id, **change) for change in changes)
        return sum(segmentation_seconds(method, each, size, threads, usual=True) for each in every)

    def _other_seconds(self, job: Job) -> float:
        rule, wildcards = job
        if rule in ("all", "prepare", "record_config"):
            return 0.0
        if rule == "score":
            scales = method_scales(self._config, wildcards["method"]).values()
            label_maps = 1 + sum(map(len, scales))
            return JOB_CPU_SECONDS + scoring_seconds(label_maps * self._pixels(wildcards["dataset"]))
        if rule == "tune_grid":
            points = len(grid(self._config, wildcards["grid"]))
            return JOB_CPU_SECONDS + scoring_seconds(points * self._pixels(TUNING_DATASET))
        if rule == "report":
            pixels = sum(map(self._pixels, self._config["datasets"])) * len(self._config["methods"])
            return JOB_CPU_SECONDS + SHOWING_SECONDS_A_PIXEL * pixels
        return JOB_CPU_SECONDS

    def _pixels(self, dataset: str) -> int:
        return _pixels(self._sizes(dataset).values())

    def _disk(self, rows: Sequence[Row], others: Sequence[Job]) -> int:
        rules = [rule for rule, _ in others]
        prepared = [wildcards["dataset"] for rule, wildcards in others if rule == "prepare_dataset"]
        missing = {dataset: missing_archive(self._config, dataset) for dataset in prepared}
        archives = {
            dataset_archive(self._config, dataset): archive.size
            for dataset, archive in missing.items()
            if archive is not None
        }
        images = sum(map(self._pixels, prepared))
        shown = SHOWN_BYTES if "report" in rules else 0.0
        return round(
            sum(archives.values())
            + (IMAGE_BYTES + (IMAGE_BYTES if shown else 0)) * images
            + sum((LABEL_MAP_BYTES + shown) * row.pixels + JOB_BYTES * len(row.jobs) for row in rows)
            + JOB_BYTES * len(rules)
            + FIGURE_BYTES * sum(rule in ("panel", "sensitivity", "dynamics", "scatter") for rule in rules)
        )


def _of_score(config: Config, wildcards: Mapping[str, str]) -> Iterator[_Run]:
    yield _Run(wildcards["dataset"], wildcards["method"], int(wildcards["seed"]))


def _of_report(config: Config, wildcards: Mapping[str, str]) -> Iterator[_Run]:
    for dataset in config["datasets"]:
        for method in config["methods"]:
            yield _Run(dataset, method, method_seeds(config, method)[0])


def _of_panel(config: Config, wildcards: Mapping[str, str]) -> Iterator[_Run]:
    panel = config["panels"][wildcards["figure"]]
    for shown in panel_shows(panel):
        images = shown.get("images", 5)
        count = images if isinstance(images, int) else len(images)
        for _, by_dataset in panel_methods(config, panel):
            if shown["dataset"] in by_dataset:
                method = by_dataset[shown["dataset"]]
                yield _Run(shown["dataset"], method, panel_seed(config, panel, method), images=count)


def _of_dynamics(config: Config, wildcards: Mapping[str, str]) -> Iterator[_Run]:
    figure = config["dynamics"][wildcards["figure"]]
    for method in figure["methods"]:
        seed = method_seeds(config, method)[0]
        yield _Run(figure["dataset"], method, seed, images=1)
        for iterations in dynamics_iterations(config, figure, method):
            yield _Run(figure["dataset"], method, seed, iterations)


def _of_grid(config: Config, wildcards: Mapping[str, str]) -> Iterator[_Run]:
    for point, _ in grid(config, wildcards["grid"]):
        yield _Run(TUNING_DATASET, point, config["seeds"][0])


# The runs that a job of a rule reads.
_RUNS: Mapping[str, Callable[[Config, Mapping[str, str]], Iterator[_Run]]] = {
    "score": _of_score,
    "report": _of_report,
    "panel": _of_panel,
    "dynamics": _of_dynamics,
    "tune_grid": _of_grid,
}


def _without_parts(runs: Iterable[_Run]) -> list[_Run]:
    """Return each run once, and of those of some images alone the largest, or none where all images run."""
    found: dict[_Run, _Run] = {}
    for run in runs:
        name = dataclasses.replace(run, images=None)
        before = found.get(name)
        if before is None or (before.images is not None and (run.images is None or run.images > before.images)):
            found[name] = run
    return list(found.values())


def _pixels(sizes: Iterable[Size]) -> int:
    return sum(height * width for height, width in sizes)
