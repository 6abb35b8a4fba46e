"""`dynseg sensitivity`: scores against μ for each weighting scheme."""

from pathlib import Path
from typing import Any

import click

from dynseg.cli._options import figure_options
from dynseg.errors import UserError
from dynseg.scoring.measures import BY_NAME


@click.command()
@click.option(
    "--scores",
    multiple=True,
    required=True,
    metavar="SCHEME:MU=FILE",
    help="A score table of one scheme (fixed, fsf or scf) at one μ; again with the same SCHEME:MU for another seed.",
)
@click.option(
    "--measure",
    "measures",
    multiple=True,
    type=click.Choice(list(BY_NAME)),
    default=["mean"],
    show_default=True,
    help="What is drawn; again for another axis below.",
)
@figure_options
def command(
    scores: tuple[str, ...], measures: tuple[str, ...], output_png: Path | None, output_pdf: Path | None
) -> None:
    """Draw the score of each weighting scheme against μ, with bootstrap intervals."""
    from dynseg.figures.sensitivity import draw_sensitivity, sensitivity_table
    from dynseg.figures.style import save_figure
    from dynseg.scoring.scores import read_scores

    runs: dict[tuple[str, float], list[Any]] = {}
    for text in scores:
        name, _, file = text.partition("=")
        scheme, _, mu = name.rpartition(":")
        try:
            key = (scheme, float(mu))
        except ValueError as error:
            raise UserError(f"--scores {text} should be SCHEME:MU=FILE, for example fsf:15=seed0.csv") from error
        runs.setdefault(key, []).append(read_scores(file))
    tables = {_axis_label(measure): sensitivity_table(runs, measure) for measure in dict.fromkeys(measures)}
    save_figure(draw_sensitivity(tables), output_png, output_pdf)


def _axis_label(name: str) -> str:
    """Return the label of a measure's axis, with its unit."""
    measure = BY_NAME[name]
    label = f"mIOU ({measure.name.removeprefix('raw_')})" if measure.is_miou else measure.title
    return ", ".join(part for part in (label, measure.unit, "raw labels" if measure.raw else "") if part)
