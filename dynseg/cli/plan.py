"""`dynseg plan`."""

import os
from pathlib import Path

import click

from dynseg.datasets import find_kind
from dynseg.devices import gpu_is_visible
from dynseg.workflow.configuration import read_config
from dynseg.workflow.cost import CPU_GFLOPS
from dynseg.workflow.datasets import every_dataset, found_archive, found_contents, missing_archive
from dynseg.workflow.jobs import Jobs
from dynseg.workflow.plan import FAST, Plan, faster_plan, plan_all
from dynseg.workflow.plan_text import bytes_text, core_time_text, counted, duration_text
from dynseg.workflow.resolved import Config
from dynseg.workflow.speed import measure_gflops


@click.command()
@click.argument("config_files", metavar="CONFIG...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--cores", type=click.IntRange(1), help="Cores of this machine to reckon with.  [default: all]")
def command(config_files: tuple[Path, ...], cores: int | None) -> None:
    """Say what a configuration takes on this machine, without running anything of it.

    Images, label maps and jobs are counted, and the CPU's time is estimated from a second of training on this machine.
    Of several configurations each is laid over those before it, as by Snakemake's --configfile. What is done already is
    counted too: the workflow says at its start what is left. A dataset that isn't prepared yet is supposed to be whole
    and of its usual size, so that its jobs are about as many.
    """
    config = read_config(config_files)
    jobs = Jobs(config, with_gpu=config["device"] in ("cuda", "mps") or gpu_is_visible())
    cores = cores or available_cores()
    gflops = measure_gflops()
    plan = plan_all(jobs, gflops)
    click.echo(_datasets(plan, config))
    click.echo(f"\n{_rows(plan)}\n")
    planned = f"{'About ' if plan.supposed else ''}{counted(plan.jobs, 'job')}"
    click.echo(
        f"{planned}, {counted(plan.trainings, 'training')}, {counted(len(config['seeds']), 'seed')}: "
        f"about {core_time_text(plan.core_seconds)}, about {duration_text(plan.wall_seconds(cores))} on "
        f"{counted(cores, 'core')} of this machine, and about {bytes_text(plan.disk)} on the disk."
    )
    click.echo(f"A core of it trains at {gflops:.0f} GFLOP/s now; that of benchmarks/README.md at {CPU_GFLOPS:.0f}.")
    if any(jobs.uses_gpu(row.method) for row in plan.rows):
        click.echo("The estimate is of the CPU: a GPU takes a fraction of it.")
    faster = faster_plan(jobs, None, plan, gflops)
    if faster is not None:
        click.echo(
            f"Faster: with {FAST} laid over it (a quarter of the size, 60 iterations) about "
            f"{core_time_text(faster.core_seconds)}, about {duration_text(faster.wall_seconds(cores))}."
        )


def available_cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _datasets(plan: Plan, config: Config) -> str:
    lines = []
    for dataset, sizes in plan.sizes.items():
        if not sizes:
            lines.append(f"{dataset}: images are counted once it is prepared (`dynseg run CONFIG prepare`)")
            continue
        height, width = sorted(sizes, key=lambda size: size[0] * size[1])[len(sizes) // 2]
        supposed = f", supposed: it isn't prepared yet{_archive(config, dataset)}" if dataset in plan.supposed else ""
        lines.append(f"{dataset}: {counted(len(sizes), 'image')} of about {width} × {height} pixels{supposed}")
    return "\n".join(lines)


def _archive(config: Config, dataset: str) -> str:
    entry = every_dataset(config)[dataset]
    if entry.get("archive") is not None or find_kind(entry["kind"]).archive is None:
        return ""
    missing = missing_archive(config, dataset)
    if missing is not None:
        size = bytes_text(missing.size)
        return f"; {size} to download, unless the config key `archives` names a folder that has {missing.name}"
    found = found_archive(config, entry["kind"])
    if found is None:
        return ""
    return f"; {found} is there{', not the official archive' if found_contents(config, entry['kind']) else ''}"


def _rows(plan: Plan) -> str:
    header = ("row", "dataset", "label maps", "jobs", "core time")
    cells = [header] + [
        (row.method, row.dataset, f"{row.label_maps:,}", f"{len(row.jobs):,}", core_time_text(row.core_seconds))
        for row in plan.rows
    ]
    cells.append(("the rest", "", "", f"{plan.other_jobs:,}", core_time_text(plan.other_seconds)))
    widths = [max(len(line[column]) for line in cells) for column in range(len(header))]
    return "\n".join(
        "  ".join(
            text.rjust(width) if column > 1 else text.ljust(width)
            for column, (text, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in cells
    )
