"""`dynseg scatter`: the score of every image under two methods."""

from pathlib import Path

import click

from dynseg.cli._options import figure_options
from dynseg.errors import UserError


@click.command()
@click.option(
    "--scores",
    multiple=True,
    required=True,
    metavar="LABEL=FILE",
    help="A method's score table; give it twice, the first for the horizontal axis.",
)
@figure_options
def command(scores: tuple[str, ...], output_png: Path | None, output_pdf: Path | None) -> None:
    """Draw the score of every image under one method against that under another."""
    from dynseg.figures.inputs import split_label
    from dynseg.figures.scatter import draw_scatter, image_scores
    from dynseg.figures.style import save_figure
    from dynseg.scoring.scores import read_scores

    if len(scores) != 2:
        raise UserError(f"scatter compares two methods: give --scores LABEL=FILE twice, not {len(scores)} times")
    (first, first_file), (second, second_file) = map(split_label, scores)
    figure = draw_scatter(
        image_scores(read_scores(first_file)), image_scores(read_scores(second_file)), (first, second)
    )
    save_figure(figure, output_png, output_pdf)
