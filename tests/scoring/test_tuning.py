"""Choosing parameters on a grid."""

from pathlib import Path

import numpy as np
import pytest
from ground_truth_files import write_ground_truth

from dynseg.errors import UserError
from dynseg.io.label_maps import write_label_maps
from dynseg.result import Segmentation
from dynseg.scoring.pooling import pool
from dynseg.scoring.scores import score_run
from dynseg.scoring.tuning import Point, chosen_sentence, grid_table, scale_table, score_grid, tuning_images


@pytest.fixture
def grid(tmp_path: Path) -> tuple[dict[Point, list[Path]], Path]:
    """Label maps of 2, 3 and 6 stripes of images that have 3 and 6 of them."""
    truths = {"a": np.repeat(np.arange(1, 4), 4), "b": np.repeat(np.arange(1, 7), 2)}
    ground_truth = tmp_path / "ground_truth.h5"
    annotations = [(name, np.tile(stripes, (1, 8, 1)).astype(np.uint8)) for name, stripes in truths.items()]
    write_ground_truth(ground_truth, annotations, {})
    files = {}
    for stripes in (2, 3, 6):
        labels = np.tile(np.repeat(np.arange(stripes), 12 // stripes), (8, 1))
        path = tmp_path / f"{stripes}.h5"
        write_label_maps(path, [(name, Segmentation(labels)) for name in truths], {})
        files[(("stripes", float(stripes)),)] = [path]
    return files, ground_truth


def test_the_best_point_is_chosen_by_the_measure(grid: tuple[dict[Point, list[Path]], Path]) -> None:
    scores, _ = score_grid(*grid, connectivity=4)
    table = grid_table(scores, "all", "stripes").set_index("stripes")
    expected = {values[0][1]: pool(score_run(files, grid[1]))["all"] for values, files in grid[0].items()}
    assert table["all"].to_dict() == pytest.approx(expected)
    assert table["chosen"].sum() == 1
    assert table["all"].idxmax() == table.index[table["chosen"]][0]
    by_information = grid_table(scores, "voi", "stripes")
    assert by_information["voi"].idxmin() == by_information.index[by_information["chosen"]][0]


def test_what_is_chosen_names_the_images_that_it_was_chosen_on(
    grid: tuple[dict[Point, list[Path]], Path], tmp_path: Path
) -> None:
    scores, _ = score_grid(*grid, connectivity=4)
    write_ground_truth(tmp_path / "val.h5", [], {"kind": "bsd500", "split": "val", "archive": "BSR.tgz"})
    write_ground_truth(tmp_path / "mine.h5", [], {"kind": "folder", "split": "", "archive": "some/pictures"})
    assert tuning_images(tmp_path / "mine.h5") == "folder pictures"
    table = grid_table(scores, "all", tuning_images(tmp_path / "val.h5"))
    assert set(table["chosen_on"]) == {"bsd500 val"}
    sentence = chosen_sentence(table, ["stripes"], "all")
    assert sentence.startswith(f"stripes = {table.loc[table['chosen'], 'stripes'].item():g}: all ")
    assert sentence.endswith("chosen on bsd500 val, 2 images")


def test_each_image_may_have_its_own_scale(grid: tuple[dict[Point, list[Path]], Path]) -> None:
    scales = scale_table(*score_grid(*grid, connectivity=4)).set_index("measure")
    # Image a is perfect at 3 stripes and image b at 6, and no scale is perfect for both.
    assert scales.loc["covering", "ois"] == pytest.approx(1)
    assert scales.loc["covering", "ods"] < 1
    assert scales.loc["covering", "best"] == pytest.approx(1)
    assert scales.loc["voi", "ois"] == pytest.approx(0)


def test_an_image_in_two_files_of_a_point_is_refused(grid: tuple[dict[Point, list[Path]], Path]) -> None:
    files, ground_truth = grid
    point, (file,) = next(iter(files.items()))
    with pytest.raises(UserError, match="both have a label map of image a: give each image once"):
        score_grid({point: [file, file.with_name("3.h5")]}, ground_truth, connectivity=4)


def test_what_is_missing_is_named(grid: tuple[dict[Point, list[Path]], Path], tmp_path: Path) -> None:
    files, ground_truth = grid
    write_label_maps(tmp_path / "6.h5", [("a", Segmentation(np.zeros((8, 12), dtype=np.uint8)))], {})
    with pytest.raises(UserError, match="image b has no label map at stripes = 6"):
        score_grid(files, ground_truth, connectivity=4)
    scores, _ = score_grid({point: files[point] for point in list(files)[:2]}, ground_truth, connectivity=4)
    with pytest.raises(UserError, match="'sharpness'"):
        grid_table(scores, "sharpness", "stripes")
