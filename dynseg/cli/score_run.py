"""`dynseg score-run`: the workflow's scoring of one run."""

from pathlib import Path
from typing import cast

import click

from dynseg.cli._options import EXISTING_FOLDER, PATH, connectivity_option
from dynseg.datasets.layout import PreparedDataset
from dynseg.datasets.reading import read_image_list
from dynseg.workflow.batches import run_files


@click.command(name="score-run")
@click.option("--run", required=True, type=EXISTING_FOLDER, help="The folder of the run's label map files.")
@click.option("--dataset-dir", required=True, type=EXISTING_FOLDER, help="The prepared dataset that was segmented.")
@click.option("--images-per-job", required=True, type=click.IntRange(1), help="Images in a batch of the segmentation.")
@click.option("--output", required=True, type=PATH, help="CSV of scores to write.")
@connectivity_option
def command(run: Path, dataset_dir: Path, images_per_job: int, output: Path, connectivity: str) -> None:
    """Score the label maps of one method on one dataset, one row per image and annotator."""
    from dynseg.scoring.scores import Connectivity, score_run, write_scores

    files = run_files(run, read_image_list(dataset_dir), images_per_job)
    scores = score_run(files, PreparedDataset(dataset_dir).ground_truth, cast(Connectivity, int(connectivity)))
    write_scores(scores, output)
