"""The results table, pivoted for reading: methods as rows, measures as columns."""

from collections.abc import Mapping
from itertools import groupby
from typing import Any

import pandas as pd

RELABELLED = "Relabelled predictions: unconnected parts of a cluster are segments of their own"
RAW = "Raw predictions: a cluster is one segment"


def score_tables(
    table: pd.DataFrame, differences: pd.DataFrame, datasets: Mapping[str, str], methods: Mapping[str, str]
) -> list[dict[str, Any]]:
    """Pivot the results table.

    Parameters
    ----------
    table : DataFrame
        Long form: columns dataset, method, measure, score, published, difference, images, seeds, and
        standard_deviation, interval_low and interval_high where there are any.
    differences : DataFrame
        Columns dataset, measure, method, other and distinguishable; may be empty.
    datasets, methods : mapping of str to str
        Labels by id; their order is that of columns and rows, which they also select. A method that has no label
        (a published one, or the blank image) follows under its own name.

    Returns
    -------
    list of dict
        One for relabelled predictions and one for raw ones, where there are any: `caption`; `groups`, the datasets
        with `label`, `images` and the number of `columns`; `columns`, the names of the measures; and `rows` (each with
        `method` and `cells`; a cell is None or has `score`, `deviation`, `low`, `high`, `published`, `difference`,
        `best`, and `alike`: not distinguishable from the best).
    """
    table = table[table["dataset"].isin(list(datasets))]
    is_raw = table["measure"].str.endswith("_raw")
    parts = [(RELABELLED, table[~is_raw]), (RAW, table[is_raw])]
    alike: set[tuple[Any, ...]] = {
        (line["dataset"], line["measure"], *pair)
        for line in differences.to_dict("records")
        if not line["distinguishable"]
        for pair in ((line["method"], line["other"]), (line["other"], line["method"]))
    }
    return [_pivoted(caption, part, alike, datasets, methods) for caption, part in parts if len(part)]


def _pivoted(
    caption: str,
    part: pd.DataFrame,
    alike: set[tuple[Any, ...]],
    datasets: Mapping[str, str],
    methods: Mapping[str, str],
) -> dict[str, Any]:
    order = [*methods, *(name for name in part["method"].unique() if name not in methods)]
    columns = [
        (dataset, measure)
        for dataset in datasets
        for measure in part.loc[part["dataset"] == dataset, "measure"].unique()
    ]
    cells = {
        (row["dataset"], row["measure"], row["method"]): {
            "score": _number(row["score"]),
            "deviation": _number(row.get("standard_deviation")),
            "low": _number(row.get("interval_low")),
            "high": _number(row.get("interval_high")),
            "published": _number(row.get("published")),
            "difference": _number(row.get("difference")),
        }
        for row in part.to_dict("records")
    }
    best = {column: _best(part, *column) for column in columns}
    rows = []
    for method in order:
        found = [cells.get((*column, method)) for column in columns]
        if any(found):
            marked = [
                cell
                and {
                    **cell,
                    "best": method == best[column],
                    "alike": (*column, method, best[column]) in alike,
                }
                for cell, column in zip(found, columns, strict=True)
            ]
            rows.append({"method": methods.get(method, method), "cells": marked})
    return {
        "caption": caption,
        "groups": [
            {
                "label": datasets[dataset],
                "images": int(part.loc[part["dataset"] == dataset, "images"].max()),
                "columns": len(list(group)),
            }
            for dataset, group in groupby(columns, key=lambda column: column[0])
        ],
        "columns": [_measure_name(*column) for column in columns],
        "rows": rows,
    }


def _measure_name(dataset: str, measure: str) -> str:
    name = measure.removesuffix("_raw").removeprefix(dataset).strip("_")
    return {"pri": "PRI", "voi": "VoI (bits)", "": "mIOU"}.get(name, name.replace("_", " ").capitalize())


def _best(part: pd.DataFrame, dataset: str, measure: str) -> str | None:
    """Return the method with the best score of a column."""
    lines = part[(part["dataset"] == dataset) & (part["measure"] == measure)].dropna(subset=["score"])
    if lines.empty:
        return None
    scores = lines.set_index("method")["score"]
    # Variation of information is a distance.
    return str(scores.idxmin() if "voi" in measure.removeprefix(dataset) else scores.idxmax())


def _number(value: Any) -> float | None:
    return None if value is None or pd.isna(value) else float(value)
