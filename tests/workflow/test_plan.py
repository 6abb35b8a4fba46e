"""What a configuration takes, said before anything of it runs."""

import math
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import REPOSITORY, Workflow, write_dataset
from hypothesis import given
from hypothesis import strategies as st

from dynseg.datasets.preparing import prepare
from dynseg.workflow import announce
from dynseg.workflow.announce import announcement
from dynseg.workflow.configuration import read_config, resolve
from dynseg.workflow.cost import CPU_GFLOPS
from dynseg.workflow.jobs import Jobs
from dynseg.workflow.plan import Plan, Row, every_job, faster_plan, plan_all, plan_jobs
from dynseg.workflow.plan_text import start_paragraph
from dynseg.workflow.speed import measure_gflops


def planned(config: dict[str, Any]) -> Jobs:
    return Jobs(resolve(config), with_gpu=False)


def mosaics(**changes: Any) -> Jobs:
    config = {
        "datasets": {"mosaic": {"images": 5}},
        "methods": {"fsf-15": {"scheme": "fsf", "mu": 15}, "graph": {"method": "graph_based"}},
        "panels": {},
        "device": "cpu",
    }
    return planned({**config, **changes})


def row_of(plan: Plan, method: str) -> Row:
    return next(row for row in plan.rows if row.method == method)


def test_jobs_are_those_that_a_run_had(finished: Workflow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(finished.directory)
    plan = plan_all(planned(finished.config))
    assert plan.supposed == []
    assert sum(len(row.jobs) for row in plan.rows) == len(list(Path("results/label_maps").rglob("*.h5")))
    # Every job has a log, but for the one that only asks for the others.
    assert plan.jobs == len(list(Path("results/logs").rglob("*.log"))) + 1
    assert plan.trainings == 6


def test_a_folder_takes_the_same_before_it_is_prepared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    entry = write_dataset(tmp_path / "given", [f"picture{number}" for number in range(11)])
    jobs = mosaics(datasets={"mine": entry}, images_per_job="auto")
    before = plan_all(jobs)
    assert before.supposed == ["mine"]
    prepare("folder", entry["archive"], "results/datasets/mine", "mine", annotations=Path(entry["annotations"]))
    after = plan_all(jobs)
    assert after.supposed == []
    assert sorted(before.sizes["mine"]) == sorted(after.sizes["mine"])
    assert before.trainings == after.trainings == 11
    for row in before.rows:
        # Batches come from a hash of ids that aren't known before.
        assert row.core_seconds == pytest.approx(row_of(after, row.method).core_seconds, rel=0.5)


def test_what_runs_more_often_takes_longer() -> None:
    once, seeds = plan_all(mosaics()), plan_all(mosaics(seeds=[0, 1, 2]))
    assert row_of(seeds, "fsf-15").core_seconds == pytest.approx(3 * row_of(once, "fsf-15").core_seconds)
    # It draws nothing.
    assert row_of(seeds, "graph") == row_of(once, "graph")
    scales = {"graph": {"method": "graph_based", "scales": {"scale": [50, 500]}}}
    assert row_of(plan_all(mosaics(methods=scales)), "graph").core_seconds > row_of(once, "graph").core_seconds


def test_figures_add_the_runs_that_they_show() -> None:
    dynamics = {"d": {"dataset": "mosaic", "image": "mosaic001", "methods": ["fsf-15"], "iterations": [1, 5]}}
    panels = {"p": {"dataset": "mosaic", "images": 2, "methods": ["fixed-1", "fsf-15"]}}
    shown = {"fixed-1": {"scheme": "fixed", "mu": 1}}
    plan = plan_all(mosaics(dynamics=dynamics, panels=panels, figure_methods=shown))
    assert row_of(plan, "fsf-15").label_maps == 5 + 2
    assert row_of(plan, "fixed-1").label_maps == 2


def test_half_the_speed_takes_twice_as_long() -> None:
    jobs = mosaics()
    plan, slow = plan_all(jobs), plan_all(jobs, CPU_GFLOPS / 2)
    assert slow.core_seconds == pytest.approx(2 * plan.core_seconds)
    assert slow.wall_seconds(4) == pytest.approx(2 * plan.wall_seconds(4))


@given(
    st.lists(st.tuples(st.lists(st.floats(0.1, 1e5), max_size=20), st.integers(1, 4)), max_size=4),
    st.integers(1, 64),
    st.floats(0, 1000),
)
def test_cores_share_the_work(given_rows: list[tuple[list[float], int]], cores: int, other: float) -> None:
    rows = [Row("d", str(index), 1, 1, tuple(jobs), threads, 1) for index, (jobs, threads) in enumerate(given_rows)]
    plan = Plan(rows, 1, other, {}, [], 0)
    wall = plan.wall_seconds(cores)
    longest = max((seconds for row in rows for seconds in row.jobs), default=0.0)
    busy = sum(min(row.threads, cores) * sum(row.jobs) for row in rows)
    assert wall >= longest + other / cores - 1e-6
    assert wall * cores >= busy + other - 1e-6
    if all(row.threads == 1 for row in rows):
        assert wall <= (busy + other) / cores + longest + 1e-6
        assert plan.wall_seconds(1) == pytest.approx(plan.core_seconds)


def test_only_what_is_left_counts(finished: Workflow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(finished.directory)
    jobs = planned(finished.config)
    left = [("segment", {"dataset": "small", "method": "scf-50", "seed": "0", "batch": "b"}), ("report", {})]
    plan = plan_jobs(jobs, left)
    assert [(row.method, row.label_maps, len(row.jobs)) for row in plan.rows] == [("scf-50", 1, 1)]
    assert plan.jobs == 2
    assert announcement(jobs, [("report", {}), ("all", {})], 2) == ""


def test_before_datasets_are_prepared_what_follows_counts() -> None:
    jobs = mosaics()
    known = [job for job in every_job(jobs.config) if job[0] != "report"]
    assert plan_jobs(jobs, known).trainings == 5
    assert plan_jobs(jobs, [("prepare_dataset", {"dataset": "mosaic"})]).rows == []


def test_the_papers_configuration_names_a_faster_one() -> None:
    jobs = Jobs(read_config([REPOSITORY / "config/config.yaml"]), with_gpu=False)
    plan = plan_all(jobs)
    assert plan.sizes["bsd500"] == [(321, 481)] * 200
    assert len(plan.sizes["voc2012"]) == 150
    faster = faster_plan(jobs, None, plan)
    assert faster is not None
    assert [row.method for row in faster.rows] == [row.method for row in plan.rows]
    assert faster.core_seconds < plan.core_seconds / 10
    assert "give it" in start_paragraph(plan, 8, False, (faster, "give it"))
    assert "give it" not in start_paragraph(plan_all(mosaics()), 8, False, (faster, "give it"))
    of_fast = Jobs({**jobs.config, "training": {**jobs.config["training"], **fast_training()}}, with_gpu=False)
    assert faster_plan(of_fast, None, plan_all(of_fast)) is None


def fast_training() -> dict[str, Any]:
    text = (REPOSITORY / "config/fast.yaml").read_text(encoding="utf-8")
    training: dict[str, Any] = yaml.safe_load(text)["training"]
    return training


def test_an_archive_isnt_read_for_its_images(tmp_path: Path) -> None:
    entry = write_dataset(tmp_path / "given", ["a", "b"])
    archive = shutil.make_archive(str(tmp_path / "images"), "zip", entry["archive"])
    plan = plan_all(mosaics(datasets={"mine": {**entry, "archive": archive}}))
    assert plan.sizes == {"mine": []}
    assert "Without mine, whose images are counted once prepared" in start_paragraph(plan, 2, False)


def test_the_paragraph_says_cores_and_gpu() -> None:
    plan = plan_all(mosaics())
    assert "on 1 core," in start_paragraph(plan, 1, False)
    assert "of the CPU" in start_paragraph(plan, 2, True)
    # On a cluster.
    assert " on " not in start_paragraph(plan, None, False).partition(", and about")[0]


def test_a_long_run_measures_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = mosaics(datasets={"mosaic": {"images": 50}})
    todo = list(every_job(jobs.config))
    monkeypatch.setattr(announce, "gflops_of_this_machine", lambda: CPU_GFLOPS / 100)
    slow = announcement(jobs, todo, 2)
    monkeypatch.setattr(announce, "gflops_of_this_machine", lambda: CPU_GFLOPS)
    assert slow != announcement(jobs, todo, 2)


def test_a_machine_that_cannot_be_measured_has_the_usual_speed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "no/such/python")
    assert announce.gflops_of_this_machine() == CPU_GFLOPS


def test_the_speed_of_this_machine_is_measured() -> None:
    assert 0.1 < measure_gflops() < math.inf


@pytest.mark.slow
def test_the_workflow_says_it_before_its_first_job(finished: Workflow, tmp_path: Path) -> None:
    shutil.copytree(finished.directory, tmp_path, dirs_exist_ok=True)
    config = {**finished.config, "methods": {**finished.config["methods"], "fsf-2": {"scheme": "fsf", "mu": 2}}}
    workflow = Workflow(tmp_path, config)
    assert "trainings" not in workflow.run("--dry-run")
    result = workflow.snakemake()
    assert result.returncode == 0, result.stderr
    assert result.stderr.count("with 3 trainings") == 1
    before, _, after = result.stderr.partition("with 3 trainings")
    assert "rule segment" in after
    assert "rule segment" not in before
    steps = result.stderr.rpartition(" of ")[2].partition(" steps")[0]
    assert f"About {steps} jobs with 3 trainings" in result.stderr
    assert result.stderr.rstrip().endswith("The report: results/report.html")
    assert "trainings" not in workflow.run()
