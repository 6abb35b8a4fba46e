"""Measure the share of a segmentation job that isn't segmentation: start, imports, reading and writing.

Runs the workflow on the photographs of the scikit-image wheel with the training of config/fast.yaml, then compares the
wall time of every job (Snakemake's `benchmark:` files) with the seconds that its label maps say they took.
"""

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import click
import pandas as pd
import yaml
from _machine import RESULTS, print_table, write_results

from dynseg.io.label_maps import read_attributes, read_image_ids

REPOSITORY = Path(__file__).parents[1]


def config(images: int, longest_side: int, images_per_job: int | None) -> dict[str, Any]:
    """Return the configuration of the run: that of config/fast.yaml on photographs."""
    fast = yaml.safe_load((REPOSITORY / "config/fast.yaml").read_text(encoding="utf-8"))
    chosen = {} if images_per_job is None else {"images_per_job": images_per_job}
    return {
        **fast,
        **chosen,
        "results": "results",
        "datasets": {"photographs": {"longest_side": longest_side, "sample": images}},
        "methods": {"fsf-15": {"scheme": "fsf", "mu": 15}},
        "device": "cpu",
    }


def jobs_of(results: Path) -> list[dict[str, Any]]:
    """Return the seconds of each job of a finished run."""
    rows = []
    for file in sorted(results.glob("label_maps/*/fsf-15/seed0/*.h5")):
        benchmark = (
            results
            / "benchmarks"
            / file.relative_to(results).with_suffix(".tsv").as_posix().replace("label_maps", "segment", 1)
        )
        job = float(pd.read_csv(benchmark, sep="\t")["s"].iloc[0])
        images = read_image_ids(file)
        segmenting = sum(read_attributes(file, image)["seconds"] for image in images)
        rows.append({"job": file.stem, "images": len(images), "s": job, "segmenting s": segmenting})
    return rows


@click.command(help=__doc__)
@click.option("--images", default=8, show_default=True)
@click.option("--longest-side", default=481, show_default=True)
@click.option("--images-per-job", type=int, help="Instead of what config/fast.yaml says.")
@click.option("--out", default=RESULTS / "job_overhead.json", show_default=True, type=click.Path(path_type=Path))
def command(images: int, longest_side: int, images_per_job: int | None, out: Path) -> None:
    with tempfile.TemporaryDirectory() as directory:
        given = Path(directory) / "given.yaml"
        given.write_text(yaml.safe_dump(config(images, longest_side, images_per_job)), encoding="utf-8")
        snakemake = [sys.executable, "-m", "snakemake", "--snakefile", str(REPOSITORY / "Snakefile")]
        subprocess.run([*snakemake, "--cores", "all", "--quiet", "--configfile", str(given)], cwd=directory, check=True)
        rows = jobs_of(Path(directory) / "results")
    total, segmenting = (sum(row[name] for row in rows) for name in ("s", "segmenting s"))
    rows = [{**row, "share of other work": 1 - row["segmenting s"] / row["s"]} for row in rows]
    print_table(rows)
    click.echo(f"All jobs: {1 - segmenting / total:.1%} of the time isn't segmentation")
    write_results(out, rows, share=1 - segmenting / total)


if __name__ == "__main__":
    command()
