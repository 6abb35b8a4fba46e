"""`dynseg run`."""

import os
import subprocess
import sys
from pathlib import Path

import click

from dynseg.workflow.start import snakemake_command


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("config", type=click.Path(path_type=Path))
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
def command(config: Path, options: tuple[str, ...]) -> None:
    """Run the workflow with a configuration, in this folder, on all cores.

    What follows CONFIG is for Snakemake: -n shows what would run, --cores 4 takes four cores, --resources gpu=2 two
    GPUs, --workflow-profile slurm a cluster, --configfile OTHER lays another configuration over it, -q says less, -v
    more. The same command goes on where a run was cut off.
    """
    arguments = snakemake_command(config, options)
    if os.name == "posix":
        # Its signals, its exit code: nothing stands between the shell and Snakemake.
        os.execv(arguments[0], arguments)
    sys.exit(subprocess.run(arguments, check=False).returncode)
