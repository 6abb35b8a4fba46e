import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from PIL import Image

from dynseg.cli.sensitivity import command
from dynseg.errors import UserError
from dynseg.figures.sensitivity import draw_sensitivity, sensitivity_table
from dynseg.scoring.pooling import pool
from dynseg.scoring.scores import SCORE_COLUMNS, write_scores


def score_table(level: float, images: int = 12) -> pd.DataFrame:
    random = np.random.default_rng(7)
    scores = pd.DataFrame(1.0, index=range(images), columns=list(SCORE_COLUMNS))
    scores["image"] = [f"image{number}" for number in range(images)]
    scores["annotator"] = 0
    scores["segments"] = 10
    scores["best_iou_sum"] = 10 * np.clip(level + random.normal(0, 0.1, images), 0, 1)
    return scores


def test_the_table_has_the_pooled_score_inside_its_interval() -> None:
    runs = {("fsf", 15.0): [score_table(0.4)], ("fsf", 2.0): [score_table(0.3)], ("fixed", 5.0): [score_table(0.5)]}
    table = sensitivity_table(runs, "all")
    assert table[["scheme", "mu"]].values.tolist() == [["fixed", 5], ["fsf", 2], ["fsf", 15]]
    pooled = [pool(runs[key][0])["all"] for key in [("fixed", 5), ("fsf", 2), ("fsf", 15)]]
    assert table["score"].tolist() == pytest.approx(pooled)
    assert ((table["low"] < table["score"]) & (table["score"] < table["high"])).all()


def test_each_scheme_is_a_line_with_its_band() -> None:
    table = pd.DataFrame(
        {"scheme": ["fixed"] * 3 + ["fsf"], "mu": [1, 5, 50, 15], "score": 0.3, "low": 0.28, "high": 0.33}
    )
    (axes,) = draw_sensitivity({"mIOU": table}).axes
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["Fixed: μ", "FSF: q′/μ"]
    assert [list(line.get_xdata()) for line in axes.get_lines()] == [[1, 5, 50], [15]]
    assert axes.get_xscale() == "log"
    assert axes.get_title() == ""
    band = axes.collections[0].get_paths()[0].get_extents()
    assert (band.y0, band.y1) == (0.28, 0.33)


def test_each_measure_is_an_axis_over_the_same_values_of_mu() -> None:
    table = pd.DataFrame({"scheme": "fsf", "mu": [2, 15], "score": 0.3, "low": 0.28, "high": 0.33})
    upper, lower = draw_sensitivity({"mIOU (mean)": table, "covering": table.assign(score=0.5)}).axes
    assert (upper.get_ylabel(), lower.get_ylabel()) == ("mIOU (mean)", "covering")
    assert upper.get_xlim() == lower.get_xlim()
    assert (upper.get_xlabel(), lower.get_xlabel()) == ("", "μ")
    assert upper.get_legend() is not None
    assert lower.get_legend() is None


def test_the_command_draws_what_score_tables_say(tmp_path) -> None:
    for mu in (2, 15):
        write_scores(score_table(mu / 50), tmp_path / f"fsf{mu}.csv")
    options = [f"--scores=fsf:{mu}={tmp_path / f'fsf{mu}.csv'}" for mu in (2, 15)]
    CliRunner().invoke(command, [*options, f"--output-png={tmp_path / 's.png'}"], catch_exceptions=False)
    assert (tmp_path / "s.png").stat().st_size > 5000
    both = ["--measure=mean", "--measure=covering", f"--output-png={tmp_path / 'both.png'}"]
    CliRunner().invoke(command, [*options, *both], catch_exceptions=False)
    with Image.open(tmp_path / "s.png") as one, Image.open(tmp_path / "both.png") as two:
        assert two.height > 1.8 * one.height


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--scores=fsf=x.csv", "--output-png=s.png"], "SCHEME:MU=FILE"),
        (["--scores=fsf:15=x.csv", "--output-png=s.png"], "x.csv"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, monkeypatch, options, expected) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=expected):
        CliRunner().invoke(command, options, catch_exceptions=False)
