"""`dynseg tune`: the best point of a grid of parameters."""

from pathlib import Path
from typing import cast

import click

from dynseg.cli._options import EXISTING_FOLDER, PATH, connectivity_option, figure_options
from dynseg.datasets.layout import PreparedDataset
from dynseg.datasets.reading import read_image_list
from dynseg.errors import UserError
from dynseg.io.files import written_aside
from dynseg.workflow.batches import run_files


@click.command()
@click.option("--dataset-dir", required=True, type=EXISTING_FOLDER, help="The prepared dataset that was segmented.")
@click.option(
    "--run",
    "runs",
    multiple=True,
    required=True,
    metavar="NAME=VALUE[,NAME=VALUE...]:FOLDER",
    help="A point of the grid and the folder of its label maps; repeatable.",
)
@click.option("--images-per-job", required=True, type=click.IntRange(1), help="Images in a batch of the segmentation.")
@click.option("--measure", default="mean", show_default=True, help="Measure that the best point is chosen by.")
@connectivity_option
@click.option("--output-csv", required=True, type=PATH, help="CSV to write: the scores of every point.")
@click.option("--output-scales", required=True, type=PATH, help="CSV to write: every measure at ODS, OIS and Best.")
@figure_options
def command(
    dataset_dir: Path,
    runs: tuple[str, ...],
    images_per_job: int,
    measure: str,
    connectivity: str,
    output_csv: Path,
    output_scales: Path,
    output_png: Path | None,
    output_pdf: Path | None,
) -> None:
    """Score every point of a grid of parameters, mark the best one, and draw the scores."""
    from dynseg.figures.grid import draw_grid
    from dynseg.figures.style import save_figure
    from dynseg.scoring.scores import Connectivity
    from dynseg.scoring.tuning import Point, chosen_sentence, grid_table, scale_table, score_grid, tuning_images

    image_ids = read_image_list(dataset_dir)
    points: dict[Point, list[Path]] = {}
    for run in runs:
        values, colon, folder = run.partition(":")
        try:
            point = tuple((name, float(value)) for name, value in (text.split("=") for text in values.split(",")))
        except ValueError as error:
            raise UserError(f"--run {run} isn't NAME=VALUE[,NAME=VALUE...]:FOLDER: correct it") from error
        if not colon:
            raise UserError(f"--run {run} names no folder: write NAME=VALUE[,NAME=VALUE...]:FOLDER")
        points[point] = run_files(folder, image_ids, images_per_job)
    ground_truth = PreparedDataset(dataset_dir).ground_truth
    scores, best = score_grid(points, ground_truth, cast(Connectivity, int(connectivity)))
    table = grid_table(scores, measure, tuning_images(ground_truth))
    for path, frame in ((output_csv, table), (output_scales, scale_table(scores, best))):
        with written_aside(path) as aside:
            frame.to_csv(aside, index=False)
    parameters = [name for name, _ in next(iter(points))]
    if output_png or output_pdf:
        save_figure(draw_grid(table, parameters, measure), output_png, output_pdf)
    click.echo(f"{output_csv.stem}: {chosen_sentence(table, parameters, measure)}")
