"""The table of scores pivoted: methods as rows, measures as columns."""

from collections.abc import Mapping

import pandas as pd

from dynseg.scoring.tables import Cell, ResultsTable, columns_of, pivot

DATASETS = {"bsd500": "BSD500", "voc2012": "VOC2012"}
METHODS = {"fsf-15": "FSF 15", "scf-50": "SCF 50"}
NO_DIFFERENCES = pd.DataFrame(columns=["dataset", "measure", "method", "other", "distinguishable"])


def long_form(*rows: tuple) -> pd.DataFrame:
    columns = ["dataset", "method", "measure", "score", "published", "difference", "images", "seeds"]
    return pd.DataFrame([(*row, 200, 1) for row in rows], columns=columns)


def pivoted(
    table: pd.DataFrame, differences: pd.DataFrame = NO_DIFFERENCES, methods: Mapping[str, str] = METHODS
) -> tuple[list[str], dict[str, list[Cell | None]]]:
    """The names of the columns of relabelled predictions, and the cells."""
    results = ResultsTable(table, differences, DATASETS, methods)
    columns = columns_of(results, lambda measure: not measure.raw)
    return [column.name for column in columns], pivot(results, columns)


def test_the_columns_are_the_measures_that_there_are_of_the_datasets_that_are_named() -> None:
    table = long_form(
        ("voc2012", "scf-50", "voc2012", 0.28, 0.29, -0.01),
        ("bsd500", "scf-50", "bsd500_all", 0.33, None, None),
        ("bsd500", "fsf-15", "bsd500_all", 0.35, 0.349, 0.001),
        ("bsd500", "fsf-15", "bsd500_mean", 0.36, None, None),
        ("bsd500", "fsf-15", "bsd500_all_raw", 0.2, None, None),
        ("elsewhere", "fsf-15", "elsewhere", 0.9, None, None),
    )
    names, cells = pivoted(table)
    assert names == ["bsd500_all", "bsd500_mean", "voc2012"]
    assert list(cells) == ["fsf-15", "scf-50"]
    first, second = cells["fsf-15"], cells["scf-50"]
    assert first[2] is None
    assert second[1] is None
    assert [cell and cell.best for cell in (first[0], second[0], second[2])] == [True, False, True]
    assert second[2] is not None
    assert second[2].difference == -0.01
    assert second[0] is not None
    assert second[0].published is None
    raw = columns_of(ResultsTable(table, NO_DIFFERENCES, DATASETS, METHODS), lambda measure: measure.raw)
    assert [column.name for column in raw] == ["bsd500_all_raw"]


def test_a_dataset_may_be_called_as_the_measure_of_another() -> None:
    table = long_form(("a", "fsf-15", "a_all", 0.9, None, None), ("a_all", "fsf-15", "a_all", 0.1, None, None))
    results = ResultsTable(table, NO_DIFFERENCES, {"a": "A", "a_all": "B"}, METHODS)
    row = pivot(results, columns_of(results, lambda measure: True))["fsf-15"]
    assert [cell and cell.score for cell in row] == [0.9, 0.1]


def test_the_best_variation_of_information_is_the_smallest() -> None:
    table = long_form(
        ("bsd500", "fsf-15", "bsd500_voi", 2.1, None, None), ("bsd500", "scf-50", "bsd500_voi", 1.9, None, None)
    )
    names, cells = pivoted(table)
    assert names == ["bsd500_voi"]
    assert [cell.best for (cell,) in cells.values() if cell] == [False, True]


def test_published_methods_follow_and_intervals_are_kept() -> None:
    table = long_form(
        ("bsd500", "blank", "bsd500_all", 0.05, None, None), ("bsd500", "fsf-15", "bsd500_all", 0.3, None, None)
    ).assign(interval_low=0.2, interval_high=0.4)
    _, cells = pivoted(table)
    assert [method for method, row in cells.items() if any(row)] == ["fsf-15", "blank"]
    (cell,) = cells["fsf-15"]
    assert cell is not None
    assert (cell.low, cell.high) == (0.2, 0.4)


def test_deviations_over_seeds_and_what_is_not_told_from_the_best_are_kept() -> None:
    scores = [("fsf-15", 0.35), ("scf-50", 0.34), ("fixed-5", 0.2)]
    table = long_form(*[("bsd500", method, "bsd500_all", score, None, None) for method, score in scores])
    lines = [("scf-50", "fsf-15", False), ("fixed-5", "fsf-15", True), ("fixed-5", "scf-50", False)]
    differences = pd.DataFrame([("bsd500", "bsd500_all", *line) for line in lines], columns=NO_DIFFERENCES.columns)
    _, cells = pivoted(table.assign(standard_deviation=0.01), differences, {**METHODS, "fixed-5": "fixed"})
    assert [cell.alike for (cell,) in cells.values() if cell] == [False, True, False]
    assert [cell.deviation for (cell,) in cells.values() if cell] == [0.01] * 3
