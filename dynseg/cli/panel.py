"""`dynseg panel`: images, their ground truth and their label maps in one figure."""

from dataclasses import replace
from pathlib import Path

import click

from dynseg.cli._options import PATH, figure_options, parse_labels


@click.command()
@click.option(
    "--dataset-dir",
    "datasets",
    type=PATH,
    multiple=True,
    required=True,
    help="Directory of a prepared dataset; give it once for each dataset.",
)
@click.option(
    "--dataset-label",
    "dataset_labels",
    multiple=True,
    metavar="DATASET=LABEL",
    help="Name of a dataset above its columns, where there are several; by default the name of its directory.",
)
@click.option(
    "--run",
    "runs",
    multiple=True,
    required=True,
    metavar="LABEL[@DATASET]=PATH[,PATH...]",
    help="A method's label map files, or a directory of them. A label that is given again (for another dataset, by"
    " the name of its directory) adds to the same method.",
)
@click.option(
    "--images",
    multiple=True,
    metavar="[DATASET/]ID",
    help="An image to show; the dataset is needed when there are several.",
)
@click.option(
    "--count",
    type=click.IntRange(1),
    default=6,
    show_default=True,
    help="How many images to show when none is named: the first.",
)
@click.option(
    "--ground-truth/--no-ground-truth", default=True, show_default=True, help="Show the annotation with most segments."
)
@click.option(
    "--colours",
    type=click.Choice(["distinct", "mean", "boundaries"]),
    default="distinct",
    show_default=True,
    help="Distinct colours for the clusters, the mean colour of a cluster's pixels, or boundaries over the photograph.",
)
@click.option(
    "--images-as",
    type=click.Choice(["rows", "columns"]),
    default="rows",
    show_default=True,
    help="Whether an image is a row or a column of the figure.",
)
@click.option(
    "--width",
    type=click.Choice(["one-column", "two-columns"]),
    default="two-columns",
    show_default=True,
    help="Width of the figure on a page of the IEEE.",
)
@figure_options
def command(
    datasets: tuple[Path, ...],
    dataset_labels: tuple[str, ...],
    runs: tuple[str, ...],
    images: tuple[str, ...],
    count: int,
    ground_truth: bool,
    colours: str,
    images_as: str,
    width: str,
    output_png: Path | None,
    output_pdf: Path | None,
) -> None:
    """Draw images beside their ground truth and the label maps of several methods."""
    from dynseg.figures.inputs import choose_images, load_panel_image, parse_runs
    from dynseg.figures.panels import draw_panel
    from dynseg.figures.style import ONE_COLUMN, TWO_COLUMNS, save_figure

    by_name = {path.name: path for path in datasets}
    label_maps = parse_runs(runs, list(by_name))
    labels = parse_labels("--dataset-label", dataset_labels)
    loaded = [
        replace(load_panel_image(by_name[name], image_id, label_maps, ground_truth), dataset=labels.get(name, name))
        for name, image_id in choose_images(by_name, images, count)
    ]
    figure = draw_panel(
        loaded,
        list(label_maps),
        colours=colours,  # type: ignore[arg-type]
        images_as=images_as,  # type: ignore[arg-type]
        width=ONE_COLUMN if width == "one-column" else TWO_COLUMNS,
    )
    save_figure(figure, output_png, output_pdf)
