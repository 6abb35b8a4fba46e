"""`dynseg report`: a results tree as one HTML file."""

from pathlib import Path

import click

from dynseg.cli._options import PATH


@click.command()
@click.option("--results", type=PATH, required=True, help="The results folder of the workflow.")
@click.option(
    "--config",
    "config_file",
    type=PATH,
    help="The resolved configuration that the workflow wrote.  [default: RESULTS/config.json]",
)
@click.option("--output", type=PATH, required=True, help="The HTML file to write.")
def command(results: Path, config_file: Path | None, output: Path) -> None:
    """Write table, figures and a gallery of all images as one HTML file that needs no network."""
    from dynseg.report.build import build_report, read_config

    build_report(results, read_config(config_file or results / "config.json"), output)
