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
@click.option("--output-scales", type=PATH, help="CSV to write: the scores at every scale, where a method has them.")
@connectivity_option
def command(
    run: Path, dataset_dir: Path, images_per_job: int, output: Path, output_scales: Path | None, connectivity: str
) -> None:
    """Score the label maps of one method on one dataset, one row per image and annotator."""
    from dynseg.scoring.scales import score_run_at_scales, write_scale_scores
    from dynseg.scoring.scores import Connectivity, score_run, write_scores

    neighbours = cast(Connectivity, int(connectivity))
    files = run_files(run, read_image_list(dataset_dir), images_per_job)
    ground_truth = PreparedDataset(dataset_dir).ground_truth
    write_scores(score_run(files, ground_truth, neighbours), output)
    if output_scales is not None:
        write_scale_scores(score_run_at_scales(files, ground_truth, neighbours), output_scales)
