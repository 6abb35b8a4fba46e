"""The table of scores, from score tables made by hand."""

import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from dynseg.cli import main_group
from dynseg.errors import UserError
from dynseg.scoring.pooling import pool
from dynseg.scoring.scales import ScaleTables
from dynseg.scoring.scores import score_image, score_scales, score_table
from dynseg.scoring.tables import (
    ResultsTable,
    columns_of,
    csv_text,
    difference_table,
    latex_table,
    latex_texts,
    long_table,
    markdown_table,
    read_published,
    scale_table,
)


def scores(seed: int, annotators: int, images: int = 6, noise: float = 0.3) -> pd.DataFrame:
    """The scores of noisy label maps of three stripes."""
    random = np.random.default_rng(seed)
    rows = []
    for image in range(images):
        truth = np.repeat(np.arange(1, 4), 8)[None].repeat(12, axis=0)
        segments = np.stack([np.minimum(truth, 3 - annotator) for annotator in range(annotators)])
        labels = np.where(random.random(truth.shape) < noise, random.integers(0, 3, truth.shape), truth)
        rows += score_image(f"image{image}", segments, labels)
    return score_table(rows)


def runs() -> dict[tuple[str, str], list[pd.DataFrame]]:
    return {
        ("many", "good"): [scores(0, 2, noise=0.02), scores(1, 2, noise=0.02)],
        ("many", "bad"): [scores(2, 2, noise=0.6)],
        ("one", "good"): [scores(3, 1, noise=0.02)],
        ("one", "bad"): [scores(4, 1, noise=0.6)],
    }


def reading(methods: Mapping[str, str] | None = None) -> ResultsTable:
    table = long_table(runs(), {("good", "many_all"): 0.5, ("bad", "one"): 0.25})
    return ResultsTable(
        table, difference_table(runs()), {"many": "Many", "one": "One"}, methods or {"good": "Good", "bad": "Bad"}
    )


def test_a_line_for_each_dataset_method_and_measure() -> None:
    table = reading().table.set_index(["method", "measure"])
    line = table.loc[("good", "many_all")]
    first, second = runs()["many", "good"]
    assert line["score"] == pytest.approx((pool(first)["all"] + pool(second)["all"]) / 2)
    assert line["published"] == 0.5
    assert line["difference"] == pytest.approx(line["score"] - 0.5)
    assert line["images"] == 6
    assert line["seeds"] == 2
    assert line["interval_low"] <= line["score"] <= line["interval_high"]
    assert table.loc[("bad", "one_raw"), "score"] == pytest.approx(pool(runs()["one", "bad"][0])["raw_all"])
    assert np.isnan(table.loc[("bad", "many_all"), "published"])


def test_measures_are_named_by_the_number_of_annotators() -> None:
    measures = set(reading().table["measure"])
    assert {"many_all", "many_fine", "many_coarse", "many_mean", "many_mean_raw", "one", "one_raw"} <= measures
    assert not {"many", "one_all"} & measures


def test_clearly_different_methods_are_told_apart() -> None:
    table = difference_table(runs()).set_index(["measure", "method", "other"])
    line = table.loc[("many_all", "good", "bad")]
    assert line["distinguishable"]
    assert 0 < line["interval_low"] <= line["difference"] <= line["interval_high"]
    same = difference_table({("d", "a"): [scores(0, 1)], ("d", "b"): [scores(0, 1)]})
    assert not same["distinguishable"].any()


def test_markdown_is_pivoted_with_the_best_in_bold() -> None:
    text = markdown_table(reading())
    rows = [line for line in text.splitlines() if line.startswith("| Good")]
    assert rows[0].count("**") == 10
    assert "(0.500, " in rows[0]
    assert "±" in rows[0]
    assert "Many: 6 images, 2 seeds." in text
    assert "One: 6 images, 1 seed." in text
    assert text.count("## ") == 4


def test_every_score_of_the_reading_has_its_interval() -> None:
    table = reading().table.set_index(["method", "measure"])
    line = table.loc[("good", "many_all")]
    intervals = markdown_table(reading()).split("## ")[2]
    row = next(line for line in intervals.splitlines() if line.startswith("| Good"))
    assert row.split("|")[2].strip() == f"{line['interval_low']:.3f}–{line['interval_high']:.3f}"


def test_a_difference_that_rounds_to_zero_has_no_sign() -> None:
    same = {("d", "a"): [scores(0, 1)]}
    for shift in (1e-5, -1e-5):
        table = long_table(same, {("a", "d"): pool(scores(0, 1))["all"] + shift})
        assert ", 0.000)" in markdown_table(ResultsTable(table, difference_table(same), {"d": "D"}, {"a": "A"}))


def test_what_is_not_told_from_the_best_is_marked() -> None:
    same = {("d", "a"): [scores(0, 1)], ("d", "b"): [scores(0, 1)]}
    table = ResultsTable(long_table(same, {}), difference_table(same), {"d": "D"}, {"a": "A", "b": "B"})
    assert next(line for line in markdown_table(table).splitlines() if line.startswith("| B")).count("≈") == 1


def test_the_smallest_variation_of_information_is_the_best() -> None:
    regions = markdown_table(reading()).split("## ")[4]
    assert next(line for line in regions.splitlines() if line.startswith("| Good")).count("**") == 16


def test_special_letters_are_escaped() -> None:
    methods = {"good": "50 % of A_1 & {B} ~ \\", "bad": "a | b"}
    latex = latex_table(reading(methods))
    assert r"50 \% of A\_1 \& \{B\} \textasciitilde{} \textbackslash{}" in latex
    assert "a &#124; b" in markdown_table(reading(methods))


def test_letters_that_latex_does_not_know_are_commands() -> None:
    latex = latex_table(reading({"good": "SCF, μ′ = 50/q′", "bad": "τ ≈ σ ± –"}))
    assert r"SCF, $\mu$$'$ = 50/q$'$" in latex
    assert r"$\tau$ $\approx$ $\sigma$ $\pm$ --" in latex
    assert latex.isascii()


def test_a_dataset_without_a_scored_pixel_has_no_best_row() -> None:
    nothing = score_table(score_image("a", np.zeros((1, 3, 4), dtype=np.uint8), np.zeros((3, 4), dtype=int)))
    tables = {("d", "a"): [nothing], ("d", "b"): [nothing]}
    table = ResultsTable(long_table(tables, {}), difference_table(tables), {"d": "D"}, {"a": "A", "b": "B"})
    assert any(line.split() == ["|", "A", "|", "–", "|"] for line in markdown_table(table).splitlines())
    assert "nan" not in markdown_table(table) + latex_table(table)


def test_published_scores_are_read() -> None:
    assert read_published(["fsf-15:bsd500_all=0.349"]) == {("fsf-15", "bsd500_all"): 0.349}
    with pytest.raises(UserError, match=r"'fsf-15=0\.349'"):
        read_published(["fsf-15=0.349"])
    with pytest.raises(UserError, match="'1e' is no number"):
        read_published(["fsf-15:bsd500_all=1e"])


def test_a_score_file_is_named_by_its_folders_from_wherever_it_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "one" / "good"
    folder.mkdir(parents=True)
    scores(0, 1).to_csv(folder / "seed0.csv", index=False)
    monkeypatch.chdir(folder)
    result = CliRunner().invoke(main_group, ["table", "seed0.csv", "--output-dir", str(tmp_path / "tables")])
    assert result.exit_code == 0, result.output
    assert "one,good,one," in (tmp_path / "tables" / "table1.csv").read_text()


def scale_scores(annotators: int) -> ScaleTables:
    """The scores of an image of three stripes at two scales: one of them right, one too coarse."""
    truth = np.repeat(np.arange(1, 4), 8)[None].repeat(12, axis=0)
    segments = np.stack([np.minimum(truth, 3 - annotator) for annotator in range(annotators)])
    rows, best = score_scales("a", segments, [truth, np.minimum(truth, 2)])
    return ScaleTables({1.0: score_table(rows[0]), 2.0: score_table(rows[1])}, score_table(best))


NO_SCALES = ScaleTables({}, score_table([]))


def test_scores_over_scales_have_lines_of_their_own() -> None:
    tables = {("many", "good"): [scale_scores(2)] * 2, ("one", "good"): [scale_scores(1)], ("one", "bad"): [NO_SCALES]}
    table = scale_table(tables).set_index("measure")
    kinds = {"many_mean": "ods ois best", "many_covering": "ods ois best", "many_pri": "ods ois", "many_voi": "ods ois"}
    kinds["many_boundary"] = "ods ois ap"
    expected = [f"{measure}_{kind}" for measure, text in kinds.items() for kind in text.split()]
    assert list(table.index[table["dataset"] == "many"]) == expected
    assert set(table["method"]) == {"good"}
    pooled = scale_scores(2).pooled()
    assert table.loc["many_mean_ods", "score"] == pooled["mean"]["ods"]
    assert table.loc["many_boundary_ap", "score"] == pooled["boundary"]["ap"]
    assert table.loc["one_ois", "score"] == table.loc["one_covering_best", "score"] == 1
    assert (table.loc["many_mean_ods", "seeds"], table.loc["many_mean_ods", "standard_deviation"]) == (2, 0)
    assert np.isnan(table.loc["one_ods", "standard_deviation"])


def test_methods_without_scales_are_no_rows_of_the_table_over_scales() -> None:
    own = reading()
    table = pd.concat([own.table, scale_table({("one", "good"): [scale_scores(1)]})], ignore_index=True)
    over_scales = ResultsTable(table, own.differences, own.datasets, own.methods)
    text = markdown_table(over_scales)
    *before, section = text.split("## ")
    without_note = markdown_table(own).partition("\nMean IoU: the largest")[0]
    assert "## ".join(before).strip() == without_note.strip()
    assert section.startswith("Over scales: ODS, OIS, Best")
    assert "One mIOU ODS" in section
    assert "One F AP" in section
    assert "| Good" in section
    assert "| Bad" not in section
    assert "no intervals" in section
    assert "One F AP" in latex_table(over_scales)


def test_fewer_than_five_images_have_no_interval_and_no_mark() -> None:
    for images, has_interval in ((4, False), (5, True)):
        same = {("d", name): [scores(0, 1, images)] for name in "ab"}
        table = ResultsTable(long_table(same, {}), difference_table(same), {"d": "D"}, {"a": "A", "b": "B"})
        assert table.table["interval_low"].notna().all()
        text = markdown_table(table)
        row = next(line for line in text.split("## ")[2].splitlines() if line.startswith("| A"))
        assert (row.split("|")[2].strip() != "–") == has_interval
        assert ("4 images, too few for intervals" in text) != has_interval
        assert any("≈" in line for line in text.splitlines() if line.startswith("| B")) == has_interval


def test_rows_of_csv_and_latex_can_be_put_into_another_order() -> None:
    results = reading({"good": '50 % "good", A_1', "bad": "Bad"})
    columns = columns_of(results, lambda measure: measure.name == "all")
    text = csv_text(results, columns)
    assert list(text.rows) == ["good", "bad"]
    table = pd.read_csv(io.StringIO(text.head + text.rows["bad"] + text.rows["good"]))
    assert list(table["Method"]) == ["Bad", '50 % "good", A_1']
    line = results.table.set_index(["method", "measure"]).loc[("good", "many_all")]
    assert table["Many All"][1] == round(line["score"], 3)
    assert table["Many All 95 % from"][1] == round(line["interval_low"], 3)
    assert table["Many All published"].isna().tolist() == [True, False]
    # Where nobody published anything there is no column for it.
    assert "One 95 % to" in table
    assert "Many All deviation over seeds" in table

    of_scores, of_intervals = latex_texts(results, columns, "Scores")
    assert r"50 \% " in of_scores.rows["good"]
    assert of_scores.whole.count(r"\\" + "\n") == of_intervals.whole.count(r"\\" + "\n") == 3
    assert f"{line['interval_low']:.3f}--{line['interval_high']:.3f}" in of_intervals.rows["good"]
    assert of_scores.whole.isascii()
