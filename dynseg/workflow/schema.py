"""What a configuration may hold: one class a section, whose fields say type, bounds, default and description.

`python -m dynseg.workflow.schema` writes what follows from it: workflow/schemas/config.schema.yaml and the tables of
parameters in config/README.md.
"""

import dataclasses
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field

from dynseg.datasets import MODULES as DATASET_MODULES
from dynseg.datasets import find_kind
from dynseg.methods import MODULES, find_method
from dynseg.parameters import Section, Text, parameter_schema
from dynseg.training.parameters import LARGEST_SEED, NetworkParameters, TrainingParameters

# "$" alone lets a line end follow.
_ID = {
    "description": "letters, digits, dots, hyphens and underscores, the first no dot or hyphen",
    "type": "string",
    "pattern": r"^[A-Za-z0-9_][A-Za-z0-9._-]*(?!\n)$",
}
_BY_ID: dict[str, Any] = {"propertyNames": _ID}
_DIFFERENT: dict[str, Any] = {"uniqueItems": True}

Seed = Annotated[int, Field(ge=0, le=LARGEST_SEED)]
ImagesPerJob = Annotated[int, Field(ge=1)] | Literal["auto"]
Images = Annotated[int, Field(ge=1)] | Annotated[list[str], Field(min_length=1)]
MethodIds = Annotated[list[str], Field(min_length=1, json_schema_extra=_DIFFERENT)]

_IMAGES_PER_JOB = (
    "images that a segmentation job takes: a number, 1 for one job of each image, or auto, which sizes jobs by their "
    "estimated time"
)
_SCORED = "id of a dataset with ground truth"


def _add_keys_of_kinds(schema: dict[str, Any]) -> None:
    schema["allOf"] = [_if_named("kind", name, parameter_schema(find_kind(name).keys)) for name in DATASET_MODULES]
    schema["unevaluatedProperties"] = False


class Dataset(BaseModel):
    """An entry of the datasets section; further keys depend on its kind."""

    model_config = ConfigDict(json_schema_extra=_add_keys_of_kinds)

    kind: Annotated[
        str,
        Field(
            description="how the data is laid out; may be left out where the id is a kind's name",
            json_schema_extra={"enum": list(DATASET_MODULES)},
        ),
    ]
    sample: Annotated[int | None, Field(ge=1, description="number of images to draw; all if left out")] = None
    sample_seed: Annotated[int, Field(ge=0, description="seed of that draw")] = 0
    ids: Annotated[Text | None, Field(description="a file that lists the ids of the images to take, one a line")] = None
    label: Annotated[str | None, Field(min_length=1, description="name in tables; the id if left out")] = None


def _add_keys_of_methods(schema: dict[str, Any]) -> None:
    schema["allOf"] = [_if_named("method", name, _method_schema(name)) for name in MODULES]


def _method_schema(name: str) -> dict[str, Any]:
    """Return the schema of a method's parameters; what the training section gives has no default in an entry."""
    parameters = find_method(name).parameters
    schema = parameter_schema(parameters)
    shared = _shared_names(parameters)
    if issubclass(parameters, TrainingParameters):
        for key in shared:
            del schema["properties"][key]["default"]
    ordered = sorted(schema["properties"], key=lambda key: key in shared)
    return {**schema, "properties": {key: schema["properties"][key] for key in ordered}}


def _shared_names(parameters: type) -> set[str]:
    """Return the names of those fields that the training section has too, with the same meaning."""
    if not issubclass(parameters, NetworkParameters):
        return set()
    names = {field.name for field in dataclasses.fields(parameters)}
    return names & {field.name for field in dataclasses.fields(TrainingParameters)}


class MethodEntry(BaseModel):
    """An entry of the methods section; further keys are its method's parameters."""

    model_config = ConfigDict(json_schema_extra=_add_keys_of_methods)

    method: Annotated[str, Field(description="a method's name in the registry: see docs/methods.md")] = "cnn"
    label: Annotated[str | None, Field(min_length=1, description="name in tables and figures; the id if left out")] = (
        None
    )
    images_per_job: Annotated[ImagesPerJob | None, Field(description=_IMAGES_PER_JOB)] = None
    published: Annotated[
        dict[str, float] | None,
        Field(
            description="published scores to compare with, by measure; from 0 to 1, and above only for VoI",
            json_schema_extra={
                "patternProperties": {"_voi(_raw)?$": {"type": "number", "minimum": 0}},
                "additionalProperties": {"type": "number", "minimum": 0, "maximum": 1},
            },
        ),
    ] = None
    scales: Annotated[
        dict[str, Annotated[list[float], Field(min_length=2)]] | None,
        Field(
            min_length=1,
            max_length=1,
            description="one parameter and an ascending list of at least two values: the method runs with each of them "
            "too, for the scores over scales",
        ),
    ] = None


class Scoring(Section):
    """The scoring section."""

    connectivity: Annotated[
        Literal[4, 8], Field(description="neighbours that make pixels of one cluster one segment, 4 or 8")
    ] = 4


class Shown(Section):
    """What a panel shows of a dataset."""

    dataset: Annotated[str, Field(description="id of a dataset")]
    images: Annotated[Images, Field(description="image ids, or how many images to choose evenly from the list")] = 5


class PanelMethod(Section):
    """A method of a panel that differs between its datasets."""

    label: Annotated[str, Field(min_length=1, description="name in the figure")]
    by_dataset: Annotated[
        dict[str, str], Field(min_length=1, description="another method for each dataset: its id by the dataset's")
    ]


def _add_shown(schema: dict[str, Any]) -> None:
    shown = parameter_schema(Shown)
    several = {"description": "images of several datasets", "type": "array", "minItems": 1, "items": shown}
    alone = {key: shown[key] for key in ("properties", "required")}
    schema |= {"if": {"required": ["show"]}, "then": {"properties": {"show": several}}, "else": alone}
    schema["unevaluatedProperties"] = False


class Panel(BaseModel):
    """A figure of label maps; it has the keys of `Shown`, or a list of such entries as `show`."""

    model_config = ConfigDict(json_schema_extra=_add_shown)

    methods: Annotated[
        list[str | PanelMethod] | None,
        Field(min_length=1, description="ids of methods, in order; all but the blank image if left out"),
    ] = None
    ground_truth: Annotated[bool, Field(description="show the annotation with most segments, where there is one")] = (
        True
    )
    seed: Annotated[int | None, Field(ge=0, description="which seed's label maps; the first of seeds if left out")] = (
        None
    )
    images_as: Annotated[Literal["rows", "columns"], Field(description="whether an image is a row or a column")] = (
        "rows"
    )
    colours: Annotated[
        Literal["distinct", "mean", "boundaries"],
        Field(
            description="how clusters are drawn: in distinct colours, in the mean of their pixels, or as boundaries "
            "over the photograph"
        ),
    ] = "distinct"
    width: Annotated[Literal["one-column", "two-columns"], Field(description="width of the figure on a page")] = (
        "two-columns"
    )


class Sensitivity(Section):
    """A figure of scores against μ."""

    dataset: Annotated[str, Field(description=_SCORED)]
    methods: Annotated[
        MethodIds | None,
        Field(description="ids of cnn methods that differ in scheme and mu alone; all such of the table if left out"),
    ] = None
    measures: Annotated[
        list[Literal["all", "fine", "coarse", "mean", "covering", "pri", "voi", "boundary"]],
        Field(min_length=1, description="what is drawn, an axis each", json_schema_extra=_DIFFERENT),
    ] = ["mean"]


class Dynamics(Section):
    """A figure of what happens in training."""

    dataset: Annotated[str, Field(description="id of a dataset")]
    image: Annotated[str, Field(description="id of the image")]
    methods: Annotated[MethodIds, Field(description="ids of cnn methods")]
    iterations: Annotated[
        list[Annotated[int, Field(ge=1)]],
        Field(
            description="iterations whose label maps are shown above the curves; each costs a run of that length",
            json_schema_extra=_DIFFERENT,
        ),
    ] = []


class Scatter(Section):
    """A figure of the score of each image under two methods."""

    dataset: Annotated[str, Field(description=_SCORED)]
    methods: Annotated[
        list[str],
        Field(
            min_length=2,
            max_length=2,
            description="ids of two methods, the first for the horizontal axis",
            json_schema_extra=_DIFFERENT,
        ),
    ]


def _allow_swept_values(schema: dict[str, Any]) -> None:
    values = {"type": "array", "items": {"type": "number"}, "minItems": 2, "uniqueItems": True}
    schema["additionalProperties"] = {"oneOf": [values, {"type": ["number", "string", "boolean"]}]}


class Grid(BaseModel):
    """An entry as in the methods section, with a list of numbers for each swept parameter."""

    model_config = ConfigDict(json_schema_extra=_allow_swept_values)

    method: Annotated[str, Field(description="a method's name in the registry")] = "cnn"
    images_per_job: Annotated[ImagesPerJob | None, Field(description=_IMAGES_PER_JOB)] = None


class Tuning(Section):
    """The tuning section."""

    dataset: Annotated[
        Dataset,
        Field(
            description="a dataset's entry: the images that parameters are chosen on",
            json_schema_extra={"default": {"kind": "bsd500", "split": "trainval"}},
        ),
    ] = Dataset(kind="bsd500")
    measure: Annotated[
        Literal[
            "all",
            "fine",
            "coarse",
            "mean",
            "raw_all",
            "raw_fine",
            "raw_coarse",
            "raw_mean",
            "covering",
            "pri",
            "voi",
            "boundary",
        ],
        Field(description="what the best point is chosen by"),
    ] = "mean"
    grids: Annotated[
        dict[str, Grid],
        Field(
            description="grids of parameters by id; lists are swept, all combinations of them",
            json_schema_extra=_BY_ID,
        ),
    ] = {}


class Configuration(Section):
    """Every key with its meaning and its default. config/README.md is the same for reading."""

    results: Annotated[
        Text, Field(description="folder of everything that the workflow makes, relative to the working directory")
    ] = "results"
    resources: Annotated[
        Text, Field(description="folder of downloaded archives and of the embedded datasets' own archives")
    ] = "resources"
    archives: Annotated[
        Text | None,
        Field(
            description="folder where official archives are looked for by their official file names, and used in "
            "place, before they are downloaded"
        ),
    ] = None
    device: Annotated[
        Literal["auto", "cpu", "cuda", "mps"],
        Field(description="where networks are trained: auto takes a GPU with CUDA if there is one"),
    ] = "auto"
    threads: Annotated[
        int,
        Field(ge=1, description="processor cores of a segmentation job; many jobs of one core use a machine best"),
    ] = 1
    images_per_job: Annotated[ImagesPerJob, Field(description=_IMAGES_PER_JOB)] = 1
    seeds: Annotated[
        list[Seed],
        Field(
            min_length=1,
            description="seeds of the initial weights and of every other random choice; each is a run of its own",
            json_schema_extra=_DIFFERENT,
        ),
    ] = [0]
    datasets: Annotated[
        dict[str, Dataset],
        Field(
            min_length=1,
            description="what is segmented, by an id that appears in paths and in the names of measures",
            json_schema_extra=_BY_ID,
        ),
    ]
    methods: Annotated[
        dict[str, MethodEntry],
        Field(
            min_length=1, description="the rows of the table, by an id that appears in paths", json_schema_extra=_BY_ID
        ),
    ]
    figure_methods: Annotated[
        dict[str, MethodEntry],
        Field(
            description="methods that only figures show, run on no other images; entries as in methods, under other "
            "ids",
            json_schema_extra=_BY_ID,
        ),
    ] = {}
    training: Annotated[
        TrainingParameters,
        Field(
            description="what all methods that train a network share; an entry of the methods section may override "
            "each",
        ),
    ] = TrainingParameters()
    scoring: Annotated[Scoring, Field(description="the scoring protocol")] = Scoring()
    panels: Annotated[
        dict[str, Panel],
        Field(
            description="figures of label maps beside photograph and ground truth, by an id that is the file's name",
            json_schema_extra=_BY_ID,
        ),
    ] = {}
    sensitivity: Annotated[
        dict[str, Sensitivity],
        Field(
            description="figures of the score against μ for each weighting scheme, by an id that is the file's name",
            json_schema_extra=_BY_ID,
        ),
    ] = {}
    dynamics: Annotated[
        dict[str, Dynamics],
        Field(
            description="figures of what happens in training on one image, by an id that is the file's name",
            json_schema_extra=_BY_ID,
        ),
    ] = {}
    scatter: Annotated[
        dict[str, Scatter],
        Field(
            description="figures of the score of each image under two methods, by an id that is the file's name",
            json_schema_extra=_BY_ID,
        ),
    ] = {}
    tuning: Annotated[
        Tuning, Field(description="what `snakemake tune` does; nothing of it enters the table by itself")
    ] = Tuning()


def _if_named(key: str, name: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    further = {part: schema[part] for part in ("required", "properties") if part in schema}
    return {"if": {"properties": {key: {"const": name}}, "required": [key]}, "then": further}


@cache
def config_schema() -> dict[str, Any]:
    """Return the JSON schema of a configuration."""
    schema = parameter_schema(Configuration)
    for part in schema["$defs"].values():
        # A message that shows it would say what the class is, not what is expected.
        part.pop("description", None)
    for key in ("training", "scoring", "tuning"):
        schema["properties"][key]["default"] = {}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Configuration of the dynseg workflow",
        **schema,
    }


def training_table() -> str:
    """Return the Markdown table of the training section."""
    properties = parameter_schema(TrainingParameters)["properties"]
    rows = [(f"`{key}`", f"`{entry['default']}`", entry["description"]) for key, entry in properties.items()]
    return _markdown(("key", "default", "meaning"), rows)


def method_table() -> str:
    """Return the Markdown table of the parameters that methods have beside those of the training section."""
    rows = []
    for name in MODULES:
        parameters = find_method(name).parameters
        schema = parameter_schema(parameters)
        shared = _shared_names(parameters)
        for key, entry in schema["properties"].items():
            if key not in shared:
                missing = "required" if key in schema.get("required", []) else "none"
                default = f"`{entry['default']}`" if "default" in entry else missing
                rows.append((name, f"`{key}`", default, entry["description"]))
        if shared and not issubclass(parameters, TrainingParameters):
            common = {key: entry["default"] for key, entry in schema["properties"].items() if key in shared}
            keys, defaults = (", ".join(f"`{value}`" for value in part) for part in (common, common.values()))
            rows.append((name, keys, defaults, "as in `training`, whose values it doesn't take"))
    return _markdown(("method", "key", "default", "meaning"), rows)


def _markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def generated_files(repository: Path) -> dict[Path, str]:
    """Return the content of the files of a checkout that follow from this module and the classes of parameters."""
    readme = repository / "config/README.md"
    text = readme.read_text(encoding="utf-8")
    for name, table in (("method", method_table()), ("training", training_table())):
        start, end = f"<!-- {name} table: make schema -->\n", f"\n<!-- end of {name} table -->"
        text = re.sub(f"{start}.*?{end}", lambda _: f"{start}{table}{end}", text, flags=re.DOTALL)  # noqa: B023
    schema = yaml.safe_dump(config_schema(), sort_keys=False, allow_unicode=True, width=120)
    note = "# Made by `make schema` from dynseg/workflow/schema.py.\n"
    return {readme: text, repository / "workflow/schemas/config.schema.yaml": note + schema}


if __name__ == "__main__":
    for path, content in generated_files(Path.cwd()).items():
        path.write_text(content, encoding="utf-8")
