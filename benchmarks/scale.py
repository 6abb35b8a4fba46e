"""What Snakemake itself costs with many images and methods: planning, scheduling, files and bytes.

Pretended datasets are planned. A few tiny pictures run, with a stand-in segmenter that does almost nothing: a method of
another package, as any user can add one. CPU seconds are those of Snakemake's own process, without its jobs, so that
they hold on a machine that others use as well.
"""

import os
import re
import shutil
import sys
import tempfile
import textwrap
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
import psutil
import yaml
from _machine import RESULTS, print_table, write_results
from PIL import Image

REPOSITORY = Path(__file__).parents[1]
STAND_IN = """
    import numpy as np
    from dynseg.methods import Method, Segmentation
    from dynseg.parameters import parameter_class

    @parameter_class
    class Parameters:
        levels: int = 2

    def segment(image, context, parameters):
        return Segmentation((image.mean(axis=2) * parameters.levels / 256).astype(np.uint8))

    method = Method(Parameters, segment, uses_seed=False)
"""


# Ids by dataset of config/config.yaml; those that its figures name are among them.
PAPER = {
    "bsd500": ["48025", "69007", "161045", *(f"image{number}" for number in range(197))],
    "voc2012": [f"image{number}" for number in range(150)],
    "tuning": [f"image{number}" for number in range(300)],
}
# Height and width of most of a benchmark's images, in pixels: how many of them a job takes rests on it.
SIZES = {"bsd500": (321, 481), "voc2012": (375, 500), "tuning": (321, 481)}


def install_stand_in(folder: Path) -> dict[str, str]:
    """Write the package of the stand-in and return an environment in which it is installed."""
    (folder / "stand_in.py").write_text(textwrap.dedent(STAND_IN))
    information = folder / "stand_in-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: stand-in\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text("[dynseg.methods]\nstand_in = stand_in:method\n")
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])}


def write_pictures(folder: Path, count: int) -> dict[str, str]:
    """Write pictures of 32 × 48 pixels and an annotation of each; return the entry of the datasets section."""
    random = np.random.default_rng(0)
    for part in ("images", "annotations"):
        (folder / part).mkdir(parents=True)
    for number in range(count):
        picture = random.integers(0, 256, (32, 48, 3), dtype=np.uint8)
        labels = np.repeat(np.arange(2, dtype=np.uint8), (random.integers(8, 40), 40))[:48]
        Image.fromarray(picture).save(folder / "images" / f"image{number:06}.png")
        Image.fromarray(np.broadcast_to(labels, (32, 48)).copy()).save(folder / "annotations" / f"image{number:06}.png")
    return {"kind": "folder", "archive": str(folder / "images"), "annotations": str(folder / "annotations")}


def snakemake(folder: Path, environment: Mapping[str, str], *arguments: str) -> dict[str, Any]:
    """Run Snakemake; return the number of jobs, and the figures of `watched`."""
    figures, text = watched(folder, environment, "snakemake", "--snakefile", str(REPOSITORY / "Snakefile"), *arguments)
    total = re.search(r"^total +(\d+)$", text, flags=re.MULTILINE)
    return {"jobs": int(total[1]) if total else 0, **figures}


def watched(folder: Path, environment: Mapping[str, str], *module: str) -> tuple[dict[str, Any], str]:
    """Run a Python module; return its wall and own CPU seconds and its peak memory in MB, and what it printed."""
    command = [sys.executable, "-m", *module]
    start = time.perf_counter()
    with (folder / "printed.log").open("w") as log:
        process = psutil.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
        own, memory = 0.0, 0
        while process.poll() is None:
            try:
                own, memory = sum(process.cpu_times()[:2]), max(memory, process.memory_info().rss)
            except psutil.Error:
                break
            time.sleep(0.1)
        process.wait()
    text = (folder / "printed.log").read_text()
    if process.returncode != 0:
        raise click.ClickException(text[-3000:])
    return {"wall s": time.perf_counter() - start, "own CPU s": own, "peak MB": memory / 1e6}, text


def write_config(folder: Path, dataset: dict[str, str], methods: int, images_per_job: int | str) -> None:
    """Write the configuration of a dataset and some methods of the stand-in."""
    entries = {f"stand-in-{number}": {"method": "stand_in", "levels": number + 2} for number in range(methods)}
    config = {"datasets": {"pictures": dataset}, "methods": entries, "panels": {}, "images_per_job": images_per_job}
    (folder / "config.yaml").write_text(yaml.safe_dump(config))


def measure_plan(
    folder: Path, environment: Mapping[str, str], images: int, methods: int, images_per_job: int | str
) -> dict[str, Any]:
    """Return the figures of a dry run on a pretended dataset of so many images."""
    write_config(folder, write_pictures(folder / "given", 1), methods, images_per_job)
    pretend_prepared(
        folder / "results/datasets/pictures", [f"image{number}" for number in range(images)], SIZES["bsd500"]
    )
    options = ["--configfile", "config.yaml", "--cores", "2", "--dry-run", "--quiet", "rules"]
    row = {"what": "dry run", "images": images, "images a job": images_per_job}
    return {**row, **snakemake(folder, environment, *options)}


def measure_run(
    folder: Path, environment: Mapping[str, str], images: int, methods: int, images_per_job: int | str
) -> list[dict[str, Any]]:
    """Return the figures of preparing, running and planning again."""
    write_config(folder, write_pictures(folder / "given", images), methods, images_per_job)
    options = ["--configfile", "config.yaml", "--cores", "2"]
    rows = []
    for step, arguments in (("prepare", ["prepare"]), ("run", []), ("dry run when finished", ["--dry-run"])):
        row = {"what": step, "images": images, "images a job": images_per_job}
        figures = snakemake(folder, environment, *options, *arguments, "--quiet", "rules")
        rows.append({**row, **figures, **contents(folder)})
    return rows


def measure_own_images(folder: Path, images: int) -> list[dict[str, Any]]:
    """Return the figures of `dynseg segment` on pictures of 8 × 12 pixels with next to no training, and of resuming."""
    random = np.random.default_rng(0)
    (folder / "given").mkdir(parents=True)
    for number in range(images):
        picture = random.integers(0, 256, (8, 12, 3), dtype=np.uint8)
        Image.fromarray(picture).save(folder / "given" / f"image{number:06}.ppm")
    command = ["dynseg", "segment", "given", "-o", "out", "--threads", "1", "--method", "network"]
    command += ["--iterations", "1", "--max-labels", "4"]
    rows = []
    for more in ([], ["--resume"]):
        figures, _ = watched(folder, os.environ, *command, *more)
        rows.append({"what": " ".join(["dynseg segment", *more]), "images": images, **figures})
    return rows


def measure_paper(folder: Path) -> list[dict[str, Any]]:
    """Return the figures of planning config/config.yaml and its tuning grids, on pretended datasets of their sizes."""
    shutil.copytree(REPOSITORY / "config", folder / "config")
    (folder / "resources/official").mkdir(parents=True)
    for kind in ("bsd500", "voc2012"):
        (folder / f"resources/official/{kind}.archive").touch()
    for dataset, ids in PAPER.items():
        pretend_prepared(folder / "results/datasets" / dataset, ids, SIZES[dataset])
    options = ["--cores", "2", "--dry-run", "--quiet", "rules", "--"]
    row = {"images": sum(map(len, PAPER.values())), "images a job": "auto"}
    return [
        {"what": "dry run of config.yaml", **row, **snakemake(folder, os.environ, *options, "all")},
        {"what": "the same and its grids", **row, **snakemake(folder, os.environ, *options, "all", "tune")},
    ]


def pretend_prepared(folder: Path, ids: Sequence[str], size: tuple[int, int]) -> None:
    """Write what planning reads of a prepared dataset of images of one size."""
    (folder / "images").mkdir(parents=True)
    for image_id in ids:
        (folder / "images" / f"{image_id}.jpg").touch()
    height, width = size
    rows = (f"{name},{height},{width},0123456789abcdef\n" for name in ids)
    (folder / "sizes.csv").write_text("".join(["image,height,width,content\n", *rows]))
    (folder / "ground_truth.h5").touch()
    (folder / "images.txt").write_text("".join(f"{name}\n" for name in ids))


def contents(folder: Path) -> dict[str, Any]:
    """Return the number of files in the results and of Snakemake's own, and what all take on disk, in MB."""
    files = {
        name: [path for path in (folder / name).rglob("*") if path.is_file()] for name in ("results", ".snakemake")
    }
    sizes = [path.lstat().st_blocks * 512 for found in files.values() for path in found]
    return {"files": len(files["results"]), "Snakemake's files": len(files[".snakemake"]), "disk MB": sum(sizes) / 1e6}


@click.command(help=__doc__)
@click.option("--images", default=17_000, show_default=True, help="Planned in batches.")
@click.option("--single", default=2_000, show_default=True, help="Images planned with a job for each.")
@click.option("--share", default=20, show_default=True, help="Images of the runs.")
@click.option("--own-images", default=1_000, show_default=True, help="Images for `dynseg segment`.")
@click.option("--methods", default=9, show_default=True)
@click.option("--out", default=RESULTS / "scale.json", show_default=True, type=click.Path(path_type=Path))
def command(images: int, single: int, share: int, own_images: int, methods: int, out: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="dynseg-scale-") as name:
        folder = Path(name)
        (folder / "stand-in").mkdir()
        environment = install_stand_in(folder / "stand-in")
        rows = [
            *measure_paper(folder / "paper"),
            *measure_own_images(folder / "own-images", own_images),
            *measure_run(folder / "run", environment, share, methods, 1),
            *measure_run(folder / "run-auto", environment, share, methods, "auto"),
            measure_plan(folder / "single", environment, single, methods, 1),
            measure_plan(folder / "plan", environment, images, methods, "auto"),
        ]
    columns = list(dict.fromkeys(name for row in rows for name in row))
    rows = [{column: row.get(column, "") for column in columns} for row in rows]
    print_table(rows)
    write_results(out, rows)
    click.echo(f"Written to {out}")


if __name__ == "__main__":
    command()
