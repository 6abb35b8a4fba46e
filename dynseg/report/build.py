"""Build the report: one HTML file that needs nothing else."""

import json
import platform
from collections.abc import Mapping
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
import yaml
from markupsafe import Markup

from dynseg import __version__
from dynseg.errors import UserError
from dynseg.io.files import written_aside
from dynseg.report.gallery import gallery_index, gallery_pictures
from dynseg.report.pictures import figure_data
from dynseg.report.results import Results, read_results, segmentation_facts, stage_times
from dynseg.report.score_tables import score_tables
from dynseg.workflow.layout import ResultsTree

# What a figure shows, by the folder that it lies in.
FIGURE_KINDS = {
    "panels": "Images, ground truth and label maps",
    "sensitivity": "mIOU against μ, with bootstrap intervals",
    "scatter": "Score of every image under two methods",
    "dynamics": "Number of clusters, weight and losses during training",
}
_PACKAGES = ("numpy", "scipy", "scikit-image", "pillow", "h5py")


def build_report(folder: Path, config: Mapping[str, Any], output: Path) -> None:
    """Write the report of a results tree.

    Parameters
    ----------
    folder : Path
        The workflow's `results`: datasets, label maps, scores, tables/*.csv, figures/*/*.png and, where there
        are any, Snakemake's benchmarks/STAGE/.
    config : mapping
        The resolved configuration, shown in the report; says which datasets and methods are shown, and under which
        labels. May be empty.
    output : Path
        The HTML file. The same results give the same bytes.

    Raises
    ------
    UserError
        If a file of the tree can't be read or the report can't be written.
    """
    results = read_results(folder, config)
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("dynseg", "report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["script_json"] = _script_json
    environment.filters["score"] = _score
    environment.filters["signed"] = _signed
    environment.filters["duration"] = _duration
    facts = segmentation_facts(results)
    page = environment.get_template("report.html").generate(
        style=Markup(_resource("report.css")),
        script=Markup(_resource("report.js")),
        results=results,
        tables=score_tables(_read_table(results), _read_differences(results), results.datasets, results.methods),
        figures=_figures(folder, config),
        facts=facts,
        versions=_versions(facts),
        stages=stage_times(folder),
        config=yaml.safe_dump(dict(config), allow_unicode=True, sort_keys=False) if config else "",
        index=gallery_index(results),
        pictures=gallery_pictures(results),
        image_count=sum(map(len, results.images.values())),
    )
    with written_aside(output) as aside, aside.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(page)


def read_config(path: Path) -> dict[str, Any]:
    """Read a resolved configuration, YAML or JSON.

    Raises
    ------
    UserError
        If the file can't be read or isn't a mapping.
    """
    try:
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise UserError(f"{path} can't be read as YAML or JSON: give a resolved configuration") from error
    if not isinstance(config, dict):
        raise UserError(f"{path} holds no mapping of keys: give a resolved configuration")
    return config


def _read_table(results: Results) -> pd.DataFrame:
    path = ResultsTree(results.folder).table("csv")
    columns = ["dataset", "method", "measure", "score", "images"]
    if not path.exists():
        return pd.DataFrame({column: pd.Series(dtype=str) for column in columns})
    try:
        table = pd.read_csv(path, dtype={"dataset": str, "method": str, "measure": str})
        return table[[*columns, *(column for column in table if column not in columns)]]
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
    """Of each kind the figures that the configuration names, or all where it has no such section."""
    found = []
    kinds = list(FIGURE_KINDS)
    for path in sorted(
        ResultsTree(folder).figures.rglob("*.png"),
        key=lambda path: (kinds.index(path.parent.name) if path.parent.name in kinds else len(kinds), str(path)),
    ):
        if path.stem not in config.get(path.parent.name, [path.stem]):
            continue
        source, (width, height) = figure_data(path)
        kind = FIGURE_KINDS.get(path.parent.name)
        caption = f"{kind}: {path.stem}" if kind else path.stem
        found.append({"source": source, "width": width, "height": height, "caption": caption})
    return found


def _versions(facts: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Versions that made the label maps, and those that made this report where they differ or are missing there."""
    found: dict[str, set[str]] = {}
    for fact in facts:
        for name, number in fact["versions"].items():
            found.setdefault(name, set()).add(str(number))
    found.setdefault("dynseg", {__version__})
    found.setdefault("python", {platform.python_version()})
    for package in _PACKAGES:
        found.setdefault(package, {version(package)})
    return [(name, ", ".join(sorted(numbers))) for name, numbers in found.items()]


def _resource(name: str) -> str:
    return files("dynseg.report").joinpath(name).read_text(encoding="utf-8")


def _score(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _signed(value: float) -> str:
    text = f"{value:+.3f}".replace("-", "−")
    return "0.000" if text[1:] == "0.000" else text


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "–"
    if seconds < 100:
        return f"{seconds:.1f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min"


def _script_json(value: Any) -> Markup:
    """JSON that can stand inside a script element, whatever texts it holds."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))
