"""What pyproject.toml can't say: the workflow goes into the wheel, and the README's links become absolute.

DYNSEG_REPOSITORY is the address of the repository, which the workflow that makes a release knows. Without it a build
has the README as it is and no address of its own.
"""

import os
import re
import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

TOP = Path(__file__).parent
# Laid out as in the repository, since the rules name their environment relative to themselves.
SHIPPED = ("workflow", "config", "profiles", "envs")
CODE_OF_THE_PAPER = "https://github.com/bijoubijou/DynamicSeg"
RELATIVE_LINK = re.compile(r"(!?)(\[[^\]]*\])\((?!https?://|#)([^)]+)\)")


class BuildWithWorkflow(build_py):
    """Puts the workflow beside the package's modules; an editable installation has it in its checkout."""

    def run(self) -> None:
        """Build the package."""
        super().run()
        if self.editable_mode:
            return
        shipped = Path(self.build_lib, "dynseg", "shipped")
        # A build before this one may have left files that are no more.
        shutil.rmtree(shipped, ignore_errors=True)
        for folder in SHIPPED:
            shutil.copytree(TOP / folder, shipped / folder, ignore=shutil.ignore_patterns("__pycache__", ".snakemake"))


def long_description(repository: str) -> str:
    """Return the README with links that work on a package index's page."""
    text = (TOP / "README.md").read_text(encoding="utf-8")
    if not repository:
        return text

    def absolute(match: re.Match[str]) -> str:
        picture, words, target = match.groups()
        return f"{picture}{words}({repository}/{'raw' if picture else 'blob'}/main/{target})"

    return RELATIVE_LINK.sub(absolute, text)


def addresses(repository: str) -> dict[str, str]:
    """Return what a package index links to."""
    own = {
        "Repository": repository,
        "Issues": f"{repository}/issues",
        "Changelog": f"{repository}/blob/main/CHANGELOG.md",
    }
    return {**(own if repository else {}), "Code of the paper": CODE_OF_THE_PAPER}


REPOSITORY = os.environ.get("DYNSEG_REPOSITORY", "").rstrip("/")

setup(
    cmdclass={"build_py": BuildWithWorkflow},
    long_description=long_description(REPOSITORY),
    long_description_content_type="text/markdown",
    project_urls=addresses(REPOSITORY),
)
