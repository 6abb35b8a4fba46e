import pandas as pd

from dynseg.report.score_tables import score_tables

DATASETS = {"bsd500": "BSD500", "voc2012": "VOC2012"}
METHODS = {"fsf-15": "FSF 15", "scf-50": "SCF 50"}
NO_DIFFERENCES = pd.DataFrame(columns=["dataset", "measure", "method", "other", "distinguishable"])


def long_form(*rows: tuple) -> pd.DataFrame:
    columns = ["dataset", "method", "measure", "score", "published", "difference", "images", "seeds"]
    return pd.DataFrame([(*row, 200, 1) for row in rows], columns=columns)


def test_measures_are_columns_under_their_dataset_and_raw_ones_a_second_table() -> None:
    table = long_form(
        ("voc2012", "scf-50", "voc2012", 0.28, 0.29, -0.01),
        ("bsd500", "scf-50", "bsd500_all", 0.33, None, None),
        ("bsd500", "fsf-15", "bsd500_all", 0.35, 0.349, 0.001),
        ("bsd500", "fsf-15", "bsd500_mean", 0.36, None, None),
        ("bsd500", "fsf-15", "bsd500_all_raw", 0.2, None, None),
        ("elsewhere", "fsf-15", "elsewhere", 0.9, None, None),
    )
    relabelled, raw = score_tables(table, NO_DIFFERENCES, DATASETS, METHODS)
    assert [(group["label"], group["columns"]) for group in relabelled["groups"]] == [("BSD500", 2), ("VOC2012", 1)]
    assert relabelled["columns"] == ["All", "Mean", "mIOU"]
    assert [row["method"] for row in relabelled["rows"]] == ["FSF 15", "SCF 50"]
    first, second = relabelled["rows"]
    assert first["cells"][2] is None
    assert (first["cells"][0]["best"], second["cells"][0]["best"], second["cells"][2]["best"]) == (True, False, True)
    assert second["cells"][2]["difference"] == -0.01
    assert second["cells"][0]["published"] is None
    assert [row["method"] for row in raw["rows"]] == ["FSF 15"]


def test_the_best_variation_of_information_is_the_smallest() -> None:
    table = long_form(
        ("bsd500", "fsf-15", "bsd500_voi", 2.1, None, None), ("bsd500", "scf-50", "bsd500_voi", 1.9, None, None)
    )
    (relabelled,) = score_tables(table, NO_DIFFERENCES, DATASETS, METHODS)
    assert relabelled["columns"] == ["VoI (bits)"]
    assert [row["cells"][0]["best"] for row in relabelled["rows"]] == [False, True]


def test_published_methods_follow_and_intervals_are_kept() -> None:
    table = long_form(
        ("bsd500", "blank", "bsd500_all", 0.05, None, None), ("bsd500", "fsf-15", "bsd500_all", 0.3, None, None)
    ).assign(interval_low=0.2, interval_high=0.4)
    (relabelled,) = score_tables(table, NO_DIFFERENCES, DATASETS, METHODS)
    assert [row["method"] for row in relabelled["rows"]] == ["FSF 15", "blank"]
    assert (relabelled["rows"][0]["cells"][0]["low"], relabelled["rows"][0]["cells"][0]["high"]) == (0.2, 0.4)


def test_deviations_over_seeds_and_what_is_not_told_from_the_best_are_kept() -> None:
    scores = [("fsf-15", 0.35), ("scf-50", 0.34), ("fixed-5", 0.2)]
    table = long_form(*[("bsd500", method, "bsd500_all", score, None, None) for method, score in scores])
    lines = [("scf-50", "fsf-15", False), ("fixed-5", "fsf-15", True), ("fixed-5", "scf-50", False)]
    differences = pd.DataFrame([("bsd500", "bsd500_all", *line) for line in lines], columns=NO_DIFFERENCES.columns)
    methods = {**METHODS, "fixed-5": "fixed"}
    (relabelled,) = score_tables(table.assign(standard_deviation=0.01), differences, DATASETS, methods)
    assert [row["cells"][0]["alike"] for row in relabelled["rows"]] == [False, True, False]
    assert relabelled["rows"][0]["cells"][0]["deviation"] == 0.01
