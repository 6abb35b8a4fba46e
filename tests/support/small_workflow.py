"""A small dataset, and the workflow run on it as a user would."""

import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from PIL import Image

REPOSITORY = Path(__file__).parents[2]


def write_dataset(folder: Path, names: list[str]) -> dict[str, str]:
    """Write pictures of two regions and one annotation of each; return the entry of the datasets section."""
    random = np.random.default_rng(0)
    for part in ("images", "annotations"):
        (folder / part).mkdir(parents=True)
    for name in names:
        labels = np.zeros((12, 16), dtype=np.uint8)
        labels[:, random.integers(4, 12) :] = 1
        picture = np.where(labels[..., None] == 1, (200, 80, 30), (20, 90, 180)) + random.integers(0, 30, (12, 16, 3))
        Image.fromarray(picture.astype(np.uint8)).save(folder / "images" / f"{name}.png")
        Image.fromarray(labels).save(folder / "annotations" / f"{name}.png")
    return {"kind": "folder", "archive": str(folder / "images"), "annotations": str(folder / "annotations")}


class Workflow:
    """A working directory in which the workflow runs with one config."""

    def __init__(self, directory: Path, config: Mapping[str, Any]) -> None:
        self.directory = directory
        self.config = dict(config)

    def command(self, *arguments: str, config: Mapping[str, Any] | None = None) -> list[str]:
        """Write the config and return the command, to be run in the directory."""
        path = self.directory / "given.yaml"
        path.write_text(yaml.safe_dump(dict(self.config if config is None else config)), encoding="utf-8")
        command = [sys.executable, "-m", "snakemake", "--snakefile", str(REPOSITORY / "Snakefile")]
        return [*command, "--cores", "2", "--configfile", str(path), *arguments]

    def snakemake(self, *arguments: str, config: Mapping[str, Any] | None = None) -> subprocess.CompletedProcess[str]:
        command = self.command(*arguments, config=config)
        return subprocess.run(command, cwd=self.directory, capture_output=True, text=True, check=False)

    def run(self, *arguments: str, config: Mapping[str, Any] | None = None) -> str:
        """Run to the end; return what was printed."""
        result = self.snakemake(*arguments, config=config)
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout + result.stderr

    def planned(self, *arguments: str, config: Mapping[str, Any] | None = None) -> dict[str, int]:
        """Return the number of jobs of each rule that a dry run plans."""
        output = self.run("--dry-run", *arguments, config=config)
        table = output.partition("Job stats:")[2].partition("\n\n")[0]
        counts = {name: int(count) for name, count in re.findall(r"^(\w+) +(\d+)$", table, flags=re.MULTILINE)}
        # The report shows everything, so almost every change redraws it.
        return {
            name: count for name, count in counts.items() if name not in ("all", "total", "record_config", "report")
        }
