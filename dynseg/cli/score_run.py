"""`dynseg score-run`: the workflow's scoring of one run."""

from pathlib import Path
from typing import Literal, cast

import click

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command(name="score-run")
@click.argument("label_map_files", nargs=-1, required=True, type=FILE)
@click.option("--ground-truth", required=True, type=FILE, help="The dataset's ground_truth.h5.")
@click.option("--output", required=True, type=click.Path(path_type=Path), help="CSV of scores to write.")
@click.option(
    "--connectivity",
    type=click.Choice(["4", "8"]),
    default="4",
    show_default=True,
    help="Neighbours that a segment is connected through.",
)
def command(label_map_files: tuple[Path, ...], ground_truth: Path, output: Path, connectivity: str) -> None:
    """Score the label maps of a run, one row per image and annotator."""
    from dynseg.scores import score_run, write_scores

    scores = score_run(label_map_files, ground_truth, cast(Literal[4, 8], int(connectivity)))
    write_scores(scores, output)
