"""--quiet and --verbose of the commands for people."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from dynseg.cli import main_group
from dynseg.hierarchy import Hierarchy
from dynseg.io.label_maps import write_label_maps
from dynseg.result import Segmentation
from dynseg.workflow.start import snakemake_command

QUICK = ("--iterations", "2", "--max-labels", "6", "--threads", "1")


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main_group, [str(argument) for argument in arguments], catch_exceptions=False)


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    pixels = np.random.default_rng(0).integers(0, 25, (14, 20, 3)).astype(np.uint8)
    pixels[:, 10:] += 200
    Image.fromarray(pixels).save(tmp_path / "a.png")
    return tmp_path / "a.png"


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A hierarchy of three regions, and a label map that its cuts between .2 and .6 are."""
    folder = tmp_path_factory.mktemp("saved")
    leaves = np.repeat([[0, 1, 2, 2]], 4, axis=0).astype(np.int32)
    tree = Hierarchy(leaves, np.array([[0, 1], [3, 2]], np.int32), np.array([0.2, 0.6], np.float32))
    write_label_maps(folder / "a.h5", [("a", Segmentation(tree.leaves, hierarchy=tree))], {"method": "by hand"})
    Image.fromarray(np.repeat([[1, 1, 2, 2]], 4, axis=0).astype(np.uint8)).save(folder / "a.png")
    return folder


Commands = dict[str, Callable[[Path, Path, Path], list[object]]]
COMMANDS: Commands = {
    "segment": lambda picture, saved, output: ["segment", picture, "-o", output, *QUICK],
    "fit": lambda picture, saved, output: ["fit", picture, "-o", output / "m.pt", *QUICK],
    "cut": lambda picture, saved, output: ["cut", saved / "a.h5", "-o", output, "--segments", 2],
    "score": lambda picture, saved, output: [
        *("score", "--prediction", saved / "a.h5", "--ground-truth", saved / "a.png", "--json", output / "s.json"),
    ],
}
SAID_MORE = {
    "segment": "iterations_run 2",
    "fit": "iterations_run 2",
    "cut": "at most",
    "score": "a: covering 1.0000 at its best scale",
}


@pytest.mark.parametrize("name", COMMANDS)
def test_quiet_says_nothing_and_does_the_same(name: str, picture: Path, saved: Path, tmp_path: Path) -> None:
    arguments = COMMANDS[name](picture, saved, tmp_path / "out")
    usual = run(*arguments)
    assert usual.exit_code == 0
    assert usual.output
    made = sorted(path.name for path in (tmp_path / "out").iterdir())
    quiet = run(*COMMANDS[name](picture, saved, tmp_path / "quiet"), "-q")
    assert (quiet.exit_code, quiet.output) == (0, "")
    assert sorted(path.name for path in (tmp_path / "quiet").iterdir()) == made


@pytest.mark.parametrize("name", COMMANDS)
def test_verbose_says_more_on_standard_error_alone(name: str, picture: Path, saved: Path, tmp_path: Path) -> None:
    arguments = COMMANDS[name](picture, saved, tmp_path / "out")
    usual, verbose = run(*arguments), run(*arguments, "--verbose")
    assert SAID_MORE[name] not in usual.output
    assert SAID_MORE[name] in verbose.stderr
    assert len(verbose.stdout.splitlines()) == len(usual.stdout.splitlines())


def test_quiet_leaves_errors_and_warnings(picture: Path, saved: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_text("no picture")
    result = run("segment", picture, tmp_path / "broken.png", "-o", tmp_path / "out", *QUICK, "-q")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert "broken.png" in result.stderr
    few = run("cut", saved / "a.h5", "-o", tmp_path / "cut", "--segments", 100_000, "-q")
    assert "at most" in few.stderr


def test_quiet_scores_need_a_file(saved: Path) -> None:
    result = run("score", "--prediction", saved / "a.png", "--ground-truth", saved / "a.png", "-q")
    assert result.exit_code == 2
    assert "--json" in result.stderr


def test_scores_over_scales_say_which_scale_ods_is_of(saved: Path, tmp_path: Path) -> None:
    result = run(
        "score", "--prediction", saved / "a.h5", "--ground-truth", saved / "a.png", "--json", tmp_path / "s.json"
    )
    scores = json.loads((tmp_path / "s.json").read_text())
    assert "ODS at" in result.output
    assert scores["covering"]["ods"] == 1
    assert 0.2 <= scores["ods_scales"]["covering"] < 0.6
    assert 0.2 <= scores["ods_scales"]["boundary"] <= 0.6
    assert scores["ods_scales"].keys() == {"all", "fine", "coarse", "mean", "covering", "pri", "voi", "boundary"}


def test_run_hands_verbose_on_to_snakemake(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("datasets: {}\n")
    assert "--verbose" in snakemake_command(tmp_path / "c.yaml", ["-v"])
    assert "-v" not in snakemake_command(tmp_path / "c.yaml", ["-v"])
