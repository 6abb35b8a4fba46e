"""`dynseg score-run`: the workflow's scoring of one run."""

from pathlib import Path
from typing import cast

import click

from dynseg.datasets.layout import PreparedDataset
from dynseg.datasets.reading import read_image_list
from dynseg.workflow.batches import run_files

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command(name="score-run")
@click.option("--run", required=True, type=FOLDER, help="The folder of the run's label map files.")
@click.option("--dataset-dir", required=True, type=FOLDER, help="The prepared dataset that was segmented.")
@click.option("--images-per-job", required=True, type=click.IntRange(1), help="The batches that it was segmented in.")
@click.option("--output", required=True, type=click.Path(path_type=Path), help="CSV of scores to write.")
@click.option(
    "--connectivity",
    type=click.Choice(["4", "8"]),
    default="4",
    show_default=True,
    help="Neighbours that a segment is connected through.",
)
def command(run: Path, dataset_dir: Path, images_per_job: int, output: Path, connectivity: str) -> None:
    """Score the label maps of a run, one row per image and annotator."""
    from dynseg.scoring.scores import Connectivity, score_run, write_scores

    files = run_files(run, read_image_list(dataset_dir), images_per_job)
    scores = score_run(files, PreparedDataset(dataset_dir).ground_truth, cast(Connectivity, int(connectivity)))
    write_scores(scores, output)
