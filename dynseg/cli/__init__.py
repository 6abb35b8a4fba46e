"""The command line: one subcommand per workflow rule, and `segment` and `score` for people. No science in here."""

import importlib
import sys
from collections.abc import Sequence

import click

from dynseg.errors import UserError

# Each subcommand is a module of the same name; loading them on demand keeps `dynseg --help` free of torch.
COMMANDS = {
    "segment": "Segment your own images.",
    "fit": "Train one network on reference images, to segment others with it.",
    "score": "Score label maps against annotations.",
    "init": "Write a configuration to start from.",
    "run": "Run the workflow with a configuration.",
    "doctor": "Say what is installed, and what is missing.",
    "fetch": "Download a benchmark's archive and check it.",
    "compose-mosaic": "Compose the embedded benchmark from pictures that come with scikit-image.",
    "export-photographs": "Copy the photographs that come with scikit-image into a folder.",
    "prepare": "Turn an archive or a folder into images, their list and their ground truth.",
    "segment-batch": "Run one method on a batch of a prepared dataset.",
    "score-run": "Score the label maps of one method on one dataset.",
    "table": "Pool score files into one table.",
    "tune": "Score a grid of parameters and mark the best point.",
    "panel": "Draw label maps beside photographs and ground truth.",
    "sensitivity": "Draw the score of each weighting scheme against μ.",
    "dynamics": "Draw clusters, weight and losses against the iteration.",
    "scatter": "Draw the score of every image under one method against that under another.",
    "summary": "Print the table of a finished run, and where everything lies.",
    "report": "Write one HTML file to browse a run.",
}


class LazyGroup(click.Group):
    """A group whose subcommands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the subcommands."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a subcommand."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"dynseg.cli.{cmd_name.replace('-', '_')}")
        return module.command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of subcommands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="dynseg")
def main_group() -> None:
    """Segment images with no labels and no training set."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; a UserError becomes one sentence on standard error and exit code 1."""
    try:
        main_group(args=arguments, prog_name="dynseg")
    except UserError as error:
        # Names of files may be no valid text.
        sentence = f"dynseg: {error}".encode(errors="replace")
        try:
            click.echo(sentence, err=True)
        except OSError:
            # The log that standard error goes to may lie on the disk that is full.
            click.echo(sentence)
        sys.exit(1)
