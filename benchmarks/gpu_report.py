"""Turn what `gpu.py` measured into the tables of benchmarks/README.md and docs/reproduction.md, between their markers.

Label maps of the rows are scored here, against the annotations in the file of `gpu_data.py`. A table of which nothing
was measured stays as it is.
"""

import json
import statistics
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import h5py
import pandas as pd
from _machine import RESULTS

from dynseg.io.files import written_aside
from dynseg.scoring.bootstrap import bootstrap_intervals, paired_differences
from dynseg.scoring.pooling import pool
from dynseg.scoring.scores import score_image, score_table

REPOSITORY = Path(__file__).parents[1]
DOCUMENTS = {"times": "benchmarks/README.md", "table": "docs/reproduction.md"}
# Titles, and Mean of Table I.
ROWS = {
    "fixed-5": ("CNN, fixed μ = 5", 0.313),
    "scf-100": ("SCF, 100/q′", 0.341),
    "scf-50": ("SCF, 50/q′", 0.342),
    "fsf-10": ("FSF, q′/10", 0.339),
    "fsf-15": ("FSF, q′/15", 0.359),
}


def benchmark_tables(found: Mapping[str, Any]) -> str:
    """Return the tables of times and agreement."""
    about = found["machine"]
    card = about.get("card", f"the {about['device'].upper()}")
    versions = ", ".join(
        f"{name} {about[key]}" for name, key in (("PyTorch", "torch"), ("CUDA", "cuda")) if key in about
    )
    parts = [f"Measured on {found['date'][:10]} on {card} ({versions})."]
    if found.get("quick"):
        parts.append("**A quick run on tiny images: it says that everything runs, and no more.**")
    if peaks := found.get("peaks"):
        shown = [
            f"{value:.3g} {'TB/s copied' if 'TB/s' in name else f'TFLOP/s in {name}'}" for name, value in peaks.items()
        ]
        parts.append(f"Peaks in the same run: {', '.join(shown)}.")
    titles = {
        "steps": "An iteration; closed gradients are those of `dynseg.training.group` without a graph, and the last "
        "column has medians of ratios:",
        "convolutions": "An iteration of several networks in TF32 by the way of convolving (products: `_products.py`):",
        "images": "One image, with capturing its graph:",
        "batches": "The fast preset in batches, from pixels to label maps:",
        "regions": "Regions, as `dynseg segment` finds them:",
        "memory": "Peak of the card's memory in training:",
        "steps against the CPU": "A step against the CPU's in double precision:",
        "label maps against the CPU": "Shares of pixels that are as on the CPU after 50 iterations of FSF 15:",
    }
    for name, title in titles.items():
        if rows := found.get(name):
            parts += [title, markdown(rows)]
    tests = found.get("tests", {})
    if tests.get("ran"):
        parts.append(f"`pytest --device {about['device']}`: {'passed' if tests['passed'] else 'failed'}.")
    parts += [f"**The section “{name}” failed:** `{text.splitlines()[-1]}`" for name, text in found["failures"].items()]
    return "\n\n".join(parts)


def table_rows(results: Path, data: Path, found: Mapping[str, Any]) -> str | None:
    """Score the label maps of the rows, and return their table; None if there are none."""
    if "table" not in found:
        return None
    stop = found["table"]["stop"]
    scores = {row: scored(sorted((results / "rows").glob(f"{row}-{stop}-*.h5")), data) for row in ROWS}
    scores = {row: table for row, table in scores.items() if len(table)}
    if not scores:
        return None
    common = set.intersection(*(set(table["image"]) for table in scores.values()))
    costs = {row: mean_costs(sorted((results / "rows").glob(f"{row}-{stop}-*.h5")), common) for row in scores}
    scores = {row: table[table["image"].isin(common)].reset_index(drop=True) for row, table in scores.items()}
    rows = []
    for row, table in scores.items():
        pooled, intervals = pool(table), bootstrap_intervals([table]).loc["mean"]
        title, published = ROWS[row]
        shown = {
            "row": title,
            **{name.capitalize(): pooled[name] for name in ("all", "fine", "coarse", "mean")},
            "95 % of Mean": _interval(intervals),
            "published": published,
            **costs[row],
        }
        if row != "fixed-5" and "fixed-5" in scores:
            difference = paired_differences([table], [scores["fixed-5"]]).loc["mean"]
            shown["against fixed μ"] = f"{difference['difference']:+.3f} ({_interval(difference, '+')})"
        rows.append(shown)
    about = found["machine"].get("card", "the CPU")
    note = f"{len(common)} test images, M = 3, full size, T = 1000 or the {stop} stop, on {about}:"
    return f"{note}\n\n{markdown(rows)}"


def scored(files: Sequence[Path], data: Path) -> pd.DataFrame:
    """Return the score table of label maps in some files."""
    rows: list[dict[str, Any]] = []
    with h5py.File(data, "r") as annotations:
        for path in files:
            with h5py.File(path, "r") as file:
                for image_id, group in file.items():
                    segments, labels = annotations[image_id]["segments"][()], group["labels"][()]
                    # A quick run has a part of each image.
                    rows += score_image(image_id, segments[:, : labels.shape[0], : labels.shape[1]], labels)
    return score_table(rows) if rows else pd.DataFrame()


def mean_costs(files: Sequence[Path], images: Collection[str]) -> dict[str, float]:
    """Return the mean seconds and iterations of some images in some files."""
    facts = []
    for path in files:
        with h5py.File(path, "r") as file:
            facts += [dict(group.attrs) for image_id, group in file.items() if image_id in images]
    names = {"s an image": "seconds", "iterations": "iterations"}
    return {title: statistics.mean(float(each[name]) for each in facts) for title, name in names.items()}


def _interval(values: Mapping[str, float], sign: str = "") -> str:
    return f"{values['low']:{sign}.3f} to {values['high']:{sign}.3f}"


def markdown(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return rows of figures as a table."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    lines = [names, ["---"] * len(names), *([_text(row.get(name, "")) for name in names] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _text(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _read(path: Path) -> dict[str, Any] | None:
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def put_between_markers(path: Path, name: str, text: str) -> None:
    """Put a text between the two comments of a document that name it."""
    begin, end = f"<!-- gpu: {name} -->", f"<!-- end of gpu: {name} -->"
    content = path.read_text(encoding="utf-8")
    if content.count(begin) != 1 or content.count(end) != 1:
        raise click.ClickException(f"{path} has no {begin} … {end}: put both back")
    before, rest = content.split(begin)
    _, after = rest.split(end)
    with written_aside(path) as aside:
        aside.write_text(f"{before}{begin}\n\n{text}\n\n{end}{after}", encoding="utf-8")


@click.command(help=__doc__)
@click.option("--results", default=RESULTS / "gpu", show_default=True, type=click.Path(path_type=Path))
@click.option("--data", default=RESULTS / "bsd500_test.h5", show_default=True, type=click.Path(path_type=Path))
@click.option("--repository", default=REPOSITORY, type=click.Path(path_type=Path), help="Whose documents are written.")
def command(results: Path, data: Path, repository: Path) -> None:
    found, rows_only = _read(results / "gpu.json"), _read(results / "gpu-rows.json")
    of_rows = max((each for each in (found, rows_only) if each), key=lambda each: each["date"], default=None)
    if of_rows is None:
        raise click.ClickException(f"{results} has no gpu.json: run benchmarks/gpu.py where a GPU is, and copy it here")
    if not data.exists():
        raise click.ClickException(f"{data} doesn't exist, and rows are scored with it: make it with `make gpu-data`")
    tables = {"times": benchmark_tables(found) if found else None, "table": table_rows(results, data, of_rows)}
    for name, document in DOCUMENTS.items():
        if text := tables[name]:
            put_between_markers(repository / document, name, text)
            click.echo(f"{document} has the new tables")
        else:
            click.echo(f"{document} stays as it is: {results} has nothing for it")


if __name__ == "__main__":
    command()
