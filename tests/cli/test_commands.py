"""The list of subcommands."""

import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from dynseg.cli import COMMANDS, main_group

NAMES = [name for names in COMMANDS.values() for name in names]


def test_help_lists_the_commands_for_people_apart_from_the_steps_of_the_workflow() -> None:
    result = CliRunner().invoke(main_group, ["--help"], terminal_width=200)
    assert result.exit_code == 0
    people, _, steps = result.output.partition("Steps of the workflow:")
    assert "For your images:" in people
    assert "  segment " in people
    assert "  prepare " in steps
    for name in NAMES:
        command = main_group.get_command(click.Context(main_group), name)
        assert command is not None
        help_text = command.help
        assert help_text is not None
        # One source: what the list says is how the command's own help begins.
        listed = next(line for line in result.output.splitlines() if line.strip().startswith(f"{name} "))
        assert help_text.startswith(listed.strip().removeprefix(name).strip().removesuffix("..."))


@pytest.mark.parametrize("name", NAMES)
def test_every_option_says_what_it_is_in_plain_order(name: str) -> None:
    command = main_group.get_command(click.Context(main_group), name)
    assert command is not None
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert not (parameter.help or "").startswith("Of "), parameter.opts


def test_help_loads_none_of_the_heavy_libraries() -> None:
    code = (
        "import sys; from dynseg.cli import main_group; main_group(['--help'], standalone_mode=False);"
        "print(*sorted({'torch', 'sklearn', 'skimage', 'pandas', 'matplotlib'} & set(sys.modules)), file=sys.stderr)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stderr.strip() == ""
