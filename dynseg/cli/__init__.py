"""The command line: `segment`, `fit` and `score` for people, and one subcommand per workflow rule. No science here."""

import importlib
import sys
from collections.abc import Sequence

import click

from dynseg.errors import UserError

# Each subcommand is a module of the same name, loaded when it is called or listed.
COMMANDS = {
    "For your images": ("segment", "cut", "fit", "score"),
    "The workflow": ("init", "plan", "run", "doctor"),
    "Steps of the workflow": (
        "fetch",
        "compose-mosaic",
        "export-photographs",
        "prepare",
        "segment-batch",
        "score-run",
        "table",
        "tune",
        "panel",
        "sensitivity",
        "dynamics",
        "scatter",
        "summary",
        "report",
    ),
}


class LazyGroup(click.Group):
    """A group whose subcommands are imported when they are called or listed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the subcommands."""
        return [name for names in COMMANDS.values() for name in names]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a subcommand."""
        if cmd_name not in self.list_commands(ctx):
            return None
        module = importlib.import_module(f"dynseg.cli.{cmd_name.replace('-', '_')}")
        command = module.command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the subcommands under their headings."""
        for heading, names in COMMANDS.items():
            commands = {name: self.get_command(ctx, name) for name in names}
            with formatter.section(heading):
                formatter.write_dl(
                    [(name, command.get_short_help_str(limit=200)) for name, command in commands.items() if command]
                )


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
