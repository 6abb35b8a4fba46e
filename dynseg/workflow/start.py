"""Where the workflow's files lie, and the command that starts it."""

import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from dynseg.errors import UserError

PACKAGE = Path(__file__).parents[1]
# Any of them says how many cores there are, or which profile; the profiles of clusters say it themselves.
CORES_OPTIONS = ("--cores", "-c", "--jobs", "-j")
CONFIG_OPTIONS = ("--configfile", "--configfiles")
PROFILE_OPTIONS = ("--workflow-profile", "--profile")


def workflow_files() -> Path:
    """Return the folder that holds `workflow`, `config`, `profiles` and `envs`.

    It is the checkout's top, or a folder of the installed package.

    Raises
    ------
    UserError
        If the package came without them.
    """
    for folder in (PACKAGE / "shipped", PACKAGE.parent):
        if (folder / "workflow" / "Snakefile").is_file():
            return folder
    raise UserError(f"{PACKAGE} came without its workflow: install dynseg from its wheel or take it from a checkout")


def start_config() -> str:
    """Return the commented configuration that `dynseg init` writes."""
    return (workflow_files() / "config" / "start.yaml").read_text(encoding="utf-8")


def profile_names() -> list[str]:
    """Return the names of the profiles that come with dynseg, sorted."""
    return sorted(path.parent.name for path in (workflow_files() / "profiles").glob("*/config.yaml"))


def snakemake_command(config: Path, options: Sequence[str]) -> list[str]:
    """Return the command that runs the workflow with a configuration.

    Parameters
    ----------
    config : path
        The configuration, a YAML or JSON file.
    options : sequence of str
        Options and targets for Snakemake, and -v for its --verbose. A profile may be one of `profile_names`; without
        one the workflow's own for one machine counts, with all its cores unless the options say how many. What
        `--configfile` names is laid over the configuration.

    Raises
    ------
    UserError
        If Snakemake isn't installed or the configuration isn't there.
    """
    if find_spec("snakemake") is None:
        raise UserError(
            "Snakemake isn't installed: install dynseg with its extra [workflow], or pip install 'snakemake>=9.27,<10'"
        )
    if not config.is_file():
        raise UserError(f"{config} isn't a file: `dynseg init FOLDER` writes a configuration to start from")
    top = workflow_files()
    snakefile = top / "workflow" / "Snakefile"
    laid_over, options = _configs_apart(options)
    # `--configfile` takes all that follows it up to the next option.
    command = [sys.executable, "-m", "snakemake", "--configfile", str(config), *laid_over]
    command += ["--snakefile", str(snakefile)]
    if not _gives(options, PROFILE_OPTIONS):
        command += ["--workflow-profile", str(top / "profiles" / "default")]
        if not _gives(options, CORES_OPTIONS):
            command += ["--cores", "all"]
    # Snakemake's -v says its version; its -q means what it does elsewhere.
    words = ["--verbose" if option == "-v" else option for option in options]
    return [*command, *_with_shipped_profile(words)]


def _gives(options: Sequence[str], names: Sequence[str]) -> bool:
    return any(_names_option(option, name) for option in options for name in names)


def _names_option(option: str, name: str) -> bool:
    """Tell whether a word of a command line is an option, its value in the same word or not."""
    if name.startswith("--"):
        return option == name or option.startswith(f"{name}=")
    return option == name or (option.startswith(name) and option[len(name) :].isdigit())


def _configs_apart(options: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return what `--configfile` names, of which Snakemake would heed the last one alone, and the other words."""
    configs: list[str] = []
    others: list[str] = []
    in_configs = False
    for word in options:
        name, equals, value = word.partition("=")
        if name in CONFIG_OPTIONS:
            in_configs = True
            configs += [value] if equals else []
        elif in_configs and not word.startswith("-"):
            configs.append(word)
        else:
            in_configs = False
            others.append(word)
    return configs, others


def _with_shipped_profile(options: Sequence[str]) -> list[str]:
    """Return the options with the folder in the place of the name of a profile of ours."""
    found = list(options)
    for position, option in enumerate(found):
        name, equals, value = option.partition("=")
        if name != "--workflow-profile":
            continue
        if equals:
            found[position] = f"{name}={_profile_folder(value)}"
        elif position + 1 < len(found):
            found[position + 1] = _profile_folder(found[position + 1])
    return found


def _profile_folder(name: str) -> str:
    is_ours = name in profile_names() and not Path(name).exists()
    return str(workflow_files() / "profiles" / name) if is_ours else name
