from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from matplotlib.text import Text

from dynseg.cli.scatter import command
from dynseg.errors import UserError
from dynseg.figures.scatter import draw_scatter, image_scores
from dynseg.scoring.scores import SCORE_COLUMNS, write_scores


def score_table(best: dict[str, list[float]]) -> pd.DataFrame:
    rows = [(image, n, 4, value) for image, values in best.items() for n, value in enumerate(values)]
    table = pd.DataFrame(rows, columns=["image", "annotator", "segments", "best_iou_sum"])
    return table.reindex(columns=list(SCORE_COLUMNS), fill_value=1.0)


def test_an_images_score_pools_the_segments_of_its_annotators() -> None:
    scores = image_scores(score_table({"a": [1.0, 3.0], "b": [2.0]}))
    assert scores.to_dict() == {"a": 0.5, "b": 0.5}


def test_the_images_that_differ_most_are_named_and_the_others_are_not() -> None:
    first = pd.Series({"a%3Cb%3E": 0.2, "снимок": 0.8, "漢": 0.9, "same": 0.5, "also": 0.45, "only here": 0.1})
    second = pd.Series({"снимок": 0.3, "a%3Cb%3E": 0.6, "漢": 0.55, "same": 0.5, "also": 0.46})
    figure = draw_scatter(first, second, ("FSF 15", "SCF $50$"), outliers=3)
    (axes,) = figure.axes
    assert {text.get_text() for text in axes.texts} == {"снимок", "a%3Cb%3E", "\\u6f22"}
    assert len(axes.collections[0].get_offsets()) == 5
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("Score of an image: FSF 15", "Score of an image: SCF $50$")


def test_names_stand_apart_inside_the_axes() -> None:
    names = [f"image_{number}_with_a_rather_long_name" for number in range(8)]
    first = pd.Series(np.linspace(0.02, 0.97, 8), index=names)
    second = pd.Series([0.9, 0.905, 0.9, 0.91, 0.1, 0.1, 0.1, 0.11], index=names)
    figure = draw_scatter(first, second, ("a", "b"))
    figure.canvas.draw()
    # An annotation's own extent would include the line to its point.
    boxes = sorted((Text.get_window_extent(text) for text in figure.axes[0].texts), key=lambda box: box.y0)
    for below, above in pairwise(boxes):
        assert below.y1 <= above.y0 + 1 or below.x1 <= above.x0 or above.x1 <= below.x0
    assert all(box.x0 > 0 and box.x1 < figure.bbox.width for box in boxes)


def test_the_command_compares_two_score_tables(tmp_path) -> None:
    for name, value in (("a", 1.0), ("b", 2.0)):
        write_scores(score_table({"x": [value], "y": [2 * value]}), tmp_path / f"{name}.csv")
    options = [f"--scores=A={tmp_path / 'a.csv'}", f"--scores=B={tmp_path / 'b.csv'}"]
    CliRunner().invoke(command, [*options, f"--output-pdf={tmp_path / 's.pdf'}"], catch_exceptions=False)
    assert (tmp_path / "s.pdf").read_bytes().startswith(b"%PDF")
    with pytest.raises(UserError, match="twice"):
        CliRunner().invoke(command, [options[0], "--output-pdf=s.pdf"], catch_exceptions=False)
    with pytest.raises(UserError, match="--output-png"):
        CliRunner().invoke(command, options, catch_exceptions=False)
