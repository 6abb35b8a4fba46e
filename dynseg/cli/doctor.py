"""`dynseg doctor`."""

import sys
from pathlib import Path

import click

from dynseg.workflow.diagnosis import diagnose


@click.command()
@click.option("--network/--no-network", default=True, show_default=True, help="Ask the servers of the archives.")
def command(network: bool) -> None:
    """Say what is installed and found on this machine, and what to do about what is missing.

    The exit code is 1 if something is missing that dynseg doesn't work without.
    """
    broken = False
    for finding in diagnose(Path(), network):
        click.echo(f"{finding.what}: {finding.value}")
        if finding.remedy:
            click.echo(f"    {finding.remedy}")
        broken |= bool(finding.remedy) and finding.is_needed
    sys.exit(int(broken))
