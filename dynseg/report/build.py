"""Build the report: one HTML file that needs nothing else."""

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from markupsafe import Markup

from dynseg.errors import UserError
from dynseg.io.files import written_aside
from dynseg.provenance import versions
from dynseg.report.gallery import gallery_entries, gallery_index
from dynseg.report.pictures import figure_data
from dynseg.report.results import Results, read_results, segmentation_facts, stage_times
from dynseg.scoring.bootstrap import FEWEST_IMAGES, TOO_FEW_IMAGES
from dynseg.scoring.tables import (
    SCALE_NOTE,
    Cell,
    Column,
    ResultsTable,
    TableText,
    columns_of,
    csv_text,
    latex_texts,
    pivot,
    scale_columns_of,
    signed,
    three_decimals,
)
from dynseg.viewer.page import base_style, fragment_script, fragment_style, read_resource, templates
from dynseg.workflow.layout import ResultsTree

# What a figure shows, by the folder that it lies in.
FIGURE_KINDS = {
    "panels": "Images, ground truth and label maps",
    "sensitivity": "mIOU against μ, with bootstrap intervals",
    "scatter": "Score of every image under two methods",
    "dynamics": "Number of clusters, weight and losses during training",
}

# Packages whose versions the page shows, also where no label map names them.
_PACKAGES = ("numpy", "scipy", "scikit-image", "pillow", "h5py")

# What is read of a configuration, here and in `dynseg.workflow`.
_CONFIG_KEYS = ("datasets", "methods", "figure_methods", "tuning", "training", "seeds", "images_per_job")

# Captions of the tables of relabelled and of raw predictions.
_CAPTIONS = {
    False: "Relabelled predictions: unconnected parts of a cluster are segments of their own",
    True: "Raw predictions: a cluster is one segment",
}
_SCALES_CAPTION = "Over scales: ODS, OIS, Best"
_FILE_NAMES = {_CAPTIONS[False]: "scores", _CAPTIONS[True]: "scores_raw", _SCALES_CAPTION: "scores_over_scales"}


def build_report(folder: Path, config: Mapping[str, Any], output: Path) -> None:
    """Write the report of a results tree.

    Parameters
    ----------
    folder : Path
        The workflow's `results`: datasets, label maps, scores, tables/*.csv, figures/*/*.png and, where there
        are any, Snakemake's benchmarks/STAGE/.
    config : mapping
        The resolved configuration, as `read_config` returns it: says which datasets and methods are shown, and under
        which labels, and is shown itself.
    output : Path
        The HTML file. The same results give the same bytes.

    Raises
    ------
    UserError
        If a file of the tree can't be read or the report can't be written.
    """
    results = read_results(folder, config)
    environment = templates("report")
    environment.filters["score"] = three_decimals
    environment.filters["signed"] = _signed
    environment.filters["duration"] = _duration
    facts = segmentation_facts(results)
    page = environment.get_template("report.html").generate(
        style=Markup(base_style() + read_resource("report", "report.css") + fragment_style()),
        fragment_script=Markup(fragment_script()),
        script=Markup(read_resource("report", "report.js")),
        tables_script=Markup(read_resource("report", "tables.js")),
        results=results,
        tables=_tables(
            ResultsTable(_read_table(results), _read_differences(results), results.datasets, results.methods)
        ),
        figures=_figures(folder, config),
        facts=facts,
        versions=_all_versions(facts),
        stages=stage_times(folder),
        config=yaml.safe_dump(dict(config), allow_unicode=True, sort_keys=False),
        index=gallery_index(results),
        entries=gallery_entries(results),
        image_count=sum(map(len, results.images.values())),
    )
    with written_aside(output) as aside, aside.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(page)


def read_config(path: Path) -> dict[str, Any]:
    """Read the resolved configuration that the workflow writes as `results/config.json`.

    Raises
    ------
    UserError
        If the file can't be read or isn't such a configuration.
    """
    advice = "give the config.json that the workflow writes into its results"
    try:
        config: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path} can't be read as JSON: {advice}") from error
    missing = [key for key in _CONFIG_KEYS if not isinstance(config, dict) or key not in config]
    if missing:
        raise UserError(f"{path} has no key {missing[0]}: {advice}")
    return config


@dataclass(frozen=True)
class _Table:
    """A table of scores as the page shows it.

    Attributes
    ----------
    caption : str
    groups : list of (str, str, int)
        Label, words on the number of images, and number of columns of each dataset.
    headings : list of str
        The names of the measures.
    rows : list of (str, list of Cell or None)
        Label and cells of each method.
    data : dict
        What tables.js sorts and saves: `values` (rows of scores or None), `smaller_is_better` (of each column), and
        by the ending of a `files` its parts, each with a `head`, the lines of its `rows` and a `foot`; and the `name`
        of the files.
    note : str
        What a reader must know of it beside the caption; may be empty.
    """

    caption: str
    groups: list[tuple[str, str, int]]
    headings: list[str]
    rows: list[tuple[str, list[Cell | None]]]
    data: dict[str, Any]
    note: str = ""


def _tables(results: ResultsTable) -> list[_Table]:
    """Return the tables of relabelled and of raw predictions and over scales, as far as there are any."""
    shown = {
        caption: columns_of(results, lambda measure, raw=raw: measure.raw == raw)  # type: ignore[misc]
        for raw, caption in _CAPTIONS.items()
    }
    shown[_SCALES_CAPTION] = scale_columns_of(results)
    tables = []
    for caption, columns in shown.items():
        if columns:
            cells = {method: row for method, row in pivot(results, columns).items() if any(row)}
            named = replace(results, methods={method: results.methods.get(method, method) for method in cells})
            rows = [(label, cells[method]) for method, label in named.methods.items()]
            headings = [_heading(column) for column in columns]
            note = SCALE_NOTE.strip() if caption == _SCALES_CAPTION else ""
            data = {
                "name": _FILE_NAMES[caption],
                "values": [[cell and cell.score for cell in row] for row in cells.values()],
                "smaller_is_better": [column.measure.smaller_is_better for column in columns],
                "files": {
                    "csv": [_part(csv_text(named, columns))],
                    "tex": [_part(text) for text in latex_texts(named, columns, caption)],
                },
            }
            tables.append(_Table(caption, _groups(results, columns), headings, rows, data, note))
    return tables


def _part(text: TableText) -> dict[str, Any]:
    return {**asdict(text), "rows": list(text.rows.values())}


def _groups(results: ResultsTable, columns: Sequence[Column]) -> list[tuple[str, str, int]]:
    groups = []
    for dataset, of_dataset in itertools.groupby(columns, key=lambda column: column.dataset):
        images = int(results.table.loc[results.table["dataset"] == dataset, "images"].max())
        few = f", {TOO_FEW_IMAGES}" if images < FEWEST_IMAGES else ""
        groups.append((results.datasets[dataset], f"{images} images{few}", len(list(of_dataset))))
    return groups


def _heading(column: Column) -> str:
    heading, unit = column.heading or "mIOU", column.measure.unit
    if not column.of_single_annotator:
        heading = f"{heading[0].upper()}{heading[1:]}"
    return f"{heading} ({unit})" if unit else heading


def _read_table(results: Results) -> pd.DataFrame:
    path = ResultsTree(results.folder).table("csv")
    columns = ["dataset", "method", "measure", "score", "images"]
    if not path.exists():
        return pd.DataFrame({column: pd.Series(dtype=str) for column in columns})
    try:
        table = pd.read_csv(path, dtype={"dataset": str, "method": str, "measure": str})
        # A table of earlier versions, or made by hand, may not say how many seeds it rests on.
        return table[[*columns, *(column for column in table if column not in columns)]].assign(
            seeds=table.get("seeds", 1)
        )
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"{path} isn't a results table in long form: make the table again") from error


def _read_differences(results: Results) -> pd.DataFrame:
    path = ResultsTree(results.folder).differences
    columns = ["dataset", "measure", "method", "other", "distinguishable"]
    if not path.exists():
        return pd.DataFrame(columns=columns)
    try:
        return pd.read_csv(path, dtype=dict.fromkeys(columns[:4], str))[columns]
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"{path} isn't a table of differences: make the table again") from error


def _figures(folder: Path, config: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the figures that the configuration names, by kind."""
    found = []
    kinds = list(FIGURE_KINDS)
    for path in sorted(
        ResultsTree(folder).figures.rglob("*.png"),
        key=lambda path: (kinds.index(path.parent.name) if path.parent.name in kinds else len(kinds), str(path)),
    ):
        # A folder that is no kind of figure holds something of the user's own.
        if path.stem not in config.get(path.parent.name, [path.stem]):
            continue
        source, (width, height) = figure_data(path)
        kind = FIGURE_KINDS.get(path.parent.name)
        caption = f"{kind}: {path.stem}" if kind else path.stem
        found.append({"source": source, "width": width, "height": height, "caption": caption})
    return found


def _all_versions(facts: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Versions that made the label maps, and those that made this report where they differ or are missing there."""
    found: dict[str, set[str]] = {}
    for fact in facts:
        for name, number in fact["versions"].items():
            found.setdefault(name, set()).add(str(number))
    for name, number in versions(_PACKAGES).items():
        found.setdefault(name, {number})
    return [(name, ", ".join(sorted(numbers))) for name, numbers in found.items()]


def _signed(difference: float) -> str:
    return signed(difference).replace("-", "−")


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "–"
    if seconds < 100:
        return f"{seconds:.1f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min"
