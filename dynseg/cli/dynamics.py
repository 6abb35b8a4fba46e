"""`dynseg dynamics`: what happens during training on one image."""

from pathlib import Path
from typing import Any

import click

from dynseg.cli._options import figure_options
from dynseg.errors import UserError


@click.command()
@click.option("--image", "image_id", required=True, help="Id of the image.")
@click.option(
    "--run",
    "runs",
    multiple=True,
    required=True,
    metavar="LABEL=PATH[,PATH...]",
    help="A method's label map files, or a directory of them; repeatable.",
)
@click.option(
    "--label-map",
    "label_maps",
    multiple=True,
    metavar="LABEL:ITERATION=PATH[,PATH...]",
    help="Label maps of the same method after fewer iterations, drawn above; repeatable.",
)
@figure_options
def command(
    image_id: str, runs: tuple[str, ...], label_maps: tuple[str, ...], output_png: Path | None, output_pdf: Path | None
) -> None:
    """Draw clusters, weight and losses of methods on one image against the iteration."""
    from dynseg.figures.dynamics import draw_dynamics
    from dynseg.figures.inputs import locate_image, split_label
    from dynseg.figures.style import save_figure
    from dynseg.io.label_maps import read_history, read_labels

    histories = {}
    for run in runs:
        label, paths = split_label(run)
        histories[label] = read_history(locate_image(paths, image_id), image_id)
        if not histories[label]:
            raise UserError(f"--run {run}: {label} isn't trained iteratively: leave it out of the dynamics")
    maps: dict[str, list[Any]] = {}
    for text in label_maps:
        name, paths = split_label(text)
        label, _, iteration = name.rpartition(":")
        if label not in histories or not iteration.isdecimal():
            raise UserError(f"--label-map {text} should be LABEL:ITERATION=PATH with a label among the runs'")
        maps.setdefault(label, []).append((int(iteration), read_labels(locate_image(paths, image_id), image_id)))
    save_figure(draw_dynamics(histories, maps), output_png, output_pdf)
