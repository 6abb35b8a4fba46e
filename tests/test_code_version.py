"""The digest of a stage's code changes with what decides the result, and with nothing else."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import dynseg


def digests(package: Path) -> dict[str, str]:
    """The digests of three stages, by a copy of the package."""
    stages = ("dynseg.methods.cnn", "dynseg.methods.kmeans", "dynseg.scoring.tables")
    code = f"from dynseg.code_version import code_version\nprint(*map(code_version, {stages!r}))"
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=package.parent, capture_output=True, text=True, check=True
    )
    return dict(zip(stages, result.stdout.split(), strict=True))


@pytest.mark.parametrize(
    ("module", "old", "new", "changed"),
    [
        ("training/losses.py", ".mean()", ".sum()", {"dynseg.methods.cnn"}),
        ("training/losses.py", "as released", "as is released", set()),
        ("training/loop.py", "raise UserError(", "raise UserError('!' ", set()),
        ("methods/__init__.py", '"blank": "dynseg', '"blank": "xdynseg', set()),
        ("metrics/contingency.py", "\ndef ", "\nANSWER = 42\n\n\ndef ", {"dynseg.scoring.tables"}),
        ("methods/kmeans.py", "] = 17", "] = 18", {"dynseg.methods.kmeans"}),
        ("methods/kmeans.py", "k, the number", "the number k", set()),
    ],
)
def test_only_the_stages_that_a_change_touches_change(
    tmp_path: Path, module: str, old: str, new: str, changed: set[str]
) -> None:
    package = tmp_path / "dynseg"
    shutil.copytree(Path(dynseg.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    before = digests(package)
    text = (package / module).read_text(encoding="utf-8")
    assert old in text
    (package / module).write_text(text.replace(old, new, 1), encoding="utf-8")
    after = digests(package)
    assert {stage for stage in before if before[stage] != after[stage]} == changed
