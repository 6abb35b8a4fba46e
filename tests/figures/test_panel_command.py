import os
from pathlib import Path

import pytest
from click.testing import CliRunner
from PIL import Image
from synthetic_results import AWKWARD_IDS, write_dataset, write_run

from dynseg.cli.panel import command
from dynseg.errors import UserError
from dynseg.figures.inputs import locate_label_maps


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("results")
    write_dataset(folder / "datasets" / "mosaic", [*AWKWARD_IDS, "plain"])
    write_dataset(folder / "datasets" / "photographs", ["plain", "tall"], (60, 40), annotators=0)
    for dataset in ("mosaic", "photographs"):
        for method in ("fsf-15", "scf-50"):
            write_run(folder, dataset, method, 0.8, iterations=0)
    return folder


def call(*arguments: object) -> None:
    CliRunner().invoke(command, [str(argument) for argument in arguments], catch_exceptions=False)


def run_option(results: Path, dataset: str, method: str) -> Path:
    return results / "label_maps" / dataset / method / "seed0"


def test_named_images_and_lists_of_files(results: Path, tmp_path: Path) -> None:
    folder = run_option(results, "mosaic", "fsf-15")
    call(
        *("--dataset-dir", results / "datasets/mosaic"),
        *("--run", f"FSF 15={folder / f'{AWKWARD_IDS[0]}.h5'},{folder / 'plain.h5'}"),
        *("--run", f"SCF μ=50={run_option(results, 'mosaic', 'scf-50')}"),
        *("--images", AWKWARD_IDS[0], "--images", "plain"),
        *("--output-png", tmp_path / "panel.png", "--output-pdf", tmp_path / "panel.pdf"),
    )
    with Image.open(tmp_path / "panel.png") as picture:
        assert picture.width == 2148
    assert (tmp_path / "panel.pdf").read_bytes().startswith(b"%PDF")


def test_images_of_several_datasets_stand_side_by_side(results: Path, tmp_path: Path) -> None:
    options = []
    for dataset in ("mosaic", "photographs"):
        options += ["--dataset-dir", results / "datasets" / dataset]
        options += ["--run", f"FSF 15@{dataset}={run_option(results, dataset, 'fsf-15')}"]
    call(
        *options,
        *("--images", "mosaic/plain", "--images", "photographs/plain", "--images", "tall"),
        *("--images-as", "columns", "--output-png", tmp_path / "panel.png"),
    )
    with Image.open(tmp_path / "panel.png") as picture:
        assert picture.width == pytest.approx(2148, abs=1)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--images", "nowhere"], r"--images nowhere is in none of mosaic"),
        (["--run", "FSF=missing.h5"], r"missing\.h5"),
        (["--run", "no equals sign"], r"LABEL=PATH"),
        (["--dataset-dir", "elsewhere"], r"elsewhere|DATASET"),
    ],
)
def test_what_is_wrong_is_named(results: Path, tmp_path: Path, options, expected) -> None:
    with pytest.raises(UserError, match=expected):
        call(
            *("--dataset-dir", results / "datasets/mosaic", "--output-png", tmp_path / "panel.png"),
            *("--run", f"SCF={run_option(results, 'mosaic', 'scf-50')}"),
            *options,
        )
    assert not list(tmp_path.iterdir())


def test_an_equals_sign_may_stand_in_label_and_path(results: Path, tmp_path: Path) -> None:
    batch = tmp_path / "batch=0of1.h5"
    batch.write_bytes((run_option(results, "mosaic", "fsf-15") / "plain.h5").read_bytes())
    call(
        *("--dataset-dir", results / "datasets/mosaic", "--count", 1, "--output-png", tmp_path / "panel.png"),
        *("--run", f"weighted loss, μ = 5={batch}"),
    )
    assert (tmp_path / "panel.png").exists()


def test_the_newest_of_two_batches_in_a_directory_counts(results: Path, tmp_path: Path) -> None:
    old, new = tmp_path / "run" / "b.h5", tmp_path / "run" / "a.h5"
    old.parent.mkdir()
    for file, method in ((old, "scf-50"), (new, "fsf-15")):
        file.write_bytes((run_option(results, "mosaic", method) / "plain.h5").read_bytes())
    os.utime(old, (1, 1))
    assert set(locate_label_maps([tmp_path / "run"]).values()) == {new}


def test_an_image_in_two_files_is_refused(results: Path, tmp_path: Path) -> None:
    folder = run_option(results, "mosaic", "fsf-15")
    with pytest.raises(UserError, match="both have a label map of image"):
        call(
            *("--dataset-dir", results / "datasets/mosaic", "--output-png", tmp_path / "panel.png"),
            *("--run", f"FSF={folder},{folder / 'plain.h5'}"),
        )


def test_what_a_job_that_was_cut_off_has_left_is_no_label_map_file(results: Path, tmp_path: Path) -> None:
    whole = run_option(results, "mosaic", "fsf-15")
    for file in whole.glob("*.h5"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / ".0.h5x.part.h5").write_bytes(b"the beginning")
    assert locate_label_maps([tmp_path]).keys() == locate_label_maps([whole]).keys()
