"""Compare what `dynseg plan` says beforehand with what the runs then take.

CPU seconds are those of Snakemake and all its jobs, so that others who use the machine change little. Datasets are
prepared first, since fetching them depends on the network; that is no part of either side.
"""

import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import click
import yaml
from _machine import RESULTS, print_table, write_results

from dynseg.workflow.configuration import resolve
from dynseg.workflow.jobs import Jobs
from dynseg.workflow.plan import plan_all
from dynseg.workflow.speed import measure_gflops

REPOSITORY = Path(__file__).parents[1]
QUARTER = {"components": 2, "iterations": 60, "scale": 0.25}
NETWORKS = {
    "fixed-5": {"scheme": "fixed", "mu": 5},
    "scf-50": {"scheme": "scf", "mu": 50},
    "fsf-15": {"scheme": "fsf", "mu": 15},
}
OTHERS = {
    "kmeans-17": {"method": "kmeans", "clusters": 17, "window": 7},
    "graph-100": {"method": "graph_based", "scale": 100},
    "superpixels": {"method": "superpixel_cnn"},
    "iic-20": {"method": "iic", "components": 2, "clusters": 20, "iterations": 30},
}


def configurations(bsd500: str | None) -> dict[str, dict[str, Any]]:
    """Return the configurations by what they are."""
    benchmark = {"split": "test", **({"archive": bsd500} if bsd500 else {})}
    alone = {"panels": {}, "device": "cpu"}
    return {
        "config/demo.yaml": yaml.safe_load((REPOSITORY / "config/demo.yaml").read_text(encoding="utf-8")),
        "8 images of BSD500, 7 rows, a quarter of the size": {
            **alone,
            "datasets": {"bsd500": {**benchmark, "sample": 8}},
            "methods": {**NETWORKS, **OTHERS},
            "training": QUARTER,
        },
        "10 images of BSD500, regions, graph-based with 4 scales": {
            **alone,
            "datasets": {"bsd500": {**benchmark, "sample": 10}},
            "methods": {
                "regions": {"method": "regions"},
                "graph": {"method": "graph_based", "scales": {"scale": [100, 300, 500, 1000]}},
            },
        },
        "8 photographs, T = 1000 with the default stop, an eighth of the size": {
            **alone,
            "datasets": {"photographs": {"longest_side": 481, "sample": 8}},
            "methods": NETWORKS,
            "training": {**QUARTER, "iterations": 1000, "scale": 0.125},
        },
    }


def compare(name: str, config: dict[str, Any]) -> dict[str, Any]:
    """Return the estimated and the measured CPU seconds of a configuration."""
    with tempfile.TemporaryDirectory(prefix="dynseg-estimate-") as directory:
        given = Path(directory) / "given.yaml"
        given.write_text(yaml.safe_dump(config), encoding="utf-8")
        command = [sys.executable, "-m", "snakemake", "--snakefile", str(REPOSITORY / "Snakefile"), "--cores", "all"]
        command += ["--quiet", "all", "--configfile", str(given)]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        subprocess.run([*command, "--", "prepare"], cwd=directory, env=environment, check=True)
        gflops = measure_gflops()
        os.chdir(directory)
        estimate = plan_all(_jobs(config), gflops)
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, env=environment, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        os.chdir(REPOSITORY)
    measured = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {
        "run": name,
        "jobs": estimate.jobs,
        "GFLOP/s": gflops,
        "estimated CPU s": estimate.core_seconds,
        "measured CPU s": measured,
        "measured / estimated": measured / estimate.core_seconds,
    }


def _jobs(config: dict[str, Any]) -> Jobs:
    return Jobs(resolve(config), with_gpu=False)


@click.command(help=__doc__)
@click.option("--bsd500", help="A local archive of BSD500 instead of the download.")
@click.option("--only", multiple=True, type=int, help="Numbers of the runs, from 0; all if left out.")
@click.option("--out", default=RESULTS / "estimate.json", show_default=True, type=click.Path(path_type=Path))
def command(bsd500: str | None, only: tuple[int, ...], out: Path) -> None:
    rows = []
    for number, (name, config) in enumerate(configurations(bsd500).items()):
        if not only or number in only:
            rows.append(compare(name, config))
            print_table(rows[-1:])
    write_results(out, rows)


if __name__ == "__main__":
    command()
