"""What the configuration says of methods: their parameters, seeds, batches and labels.

Nothing here reads data or imports torch: the workflow calls it each time it is started.
"""

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from dynseg.code_version import label_map_code
from dynseg.errors import UserError
from dynseg.methods import Method, find_method
from dynseg.parameters import make_parameters, settings_of
from dynseg.training.parameters import TrainingParameters
from dynseg.workflow.contents import files_digest
from dynseg.workflow.cost import Size, choose_images_per_job
from dynseg.workflow.resolved import Config

# Options of a method's entry that aren't parameters of the method.
ENTRY_KEYS = ("method", "published", "label", "images_per_job", "scales")


@dataclass(frozen=True)
class DescribedMethod:
    """What the jobs of a method need of the configuration.

    Attributes
    ----------
    method : str
        Its name in the registry.
    parameters : object
        Of the method's own class.
    settings : list of str
        The parameters as texts name=value.
    uses_gpu : bool
        Whether it uses a GPU where there is one.
    scales : list of str
        The option of `dynseg segment-batch` that names the parameter and the values of the scores over scales; none
        without them.
    code, predictions : str
        Digests of the code that decides its label maps, and of the files that it reads them from.
    """

    method: str
    parameters: Any
    settings: list[str]
    uses_gpu: bool
    scales: list[str]
    code: str
    predictions: str


def describe_method(config: Config, method_id: str) -> DescribedMethod:
    """Return what the jobs of a method need of the configuration."""
    parameters, method = method_parameters(config, method_id), method_of(config, method_id)
    return DescribedMethod(
        method=every_method(config)[method_id]["method"],
        parameters=parameters,
        settings=settings_of(parameters),
        uses_gpu=method.uses_gpu and (method.gpu_pays or config["device"] != "auto"),
        scales=[
            f"--scales={name}={','.join(map(number_text, values))}"
            for name, values in method_scales(config, method_id).items()
        ],
        code=method_code_version(config, method_id),
        predictions=predictions_contents(config, method_id),
    )


def every_method(config: Config) -> dict[str, Any]:
    """Return the entries of all methods by id: those of the table, those that only figures show, and grids' points."""
    points = {point_id: entry for grid_id in config["tuning"]["grids"] for point_id, entry in grid(config, grid_id)}
    return {**config["methods"], **config["figure_methods"], **points}


def grid(config: Config, grid_id: str) -> list[tuple[str, dict[str, Any]]]:
    """Return the points of a grid of the tuning section: their ids and their entries as methods."""
    swept = swept_parameters(config, grid_id)
    points = [dict(zip(swept, values, strict=True)) for values in itertools.product(*swept.values())]
    return [
        (
            ".".join(["tune", grid_id, *(f"{name}{number_text(value)}" for name, value in point.items())]),
            {**config["tuning"]["grids"][grid_id], **point},
        )
        for point in points
    ]


def number_text(value: float) -> str:
    """Return a number as the shortest decimal text that stands for no other number; an exponent has no place in ids."""
    return format(Decimal(str(value)).normalize(), "f")


def swept_parameters(config: Config, grid_id: str) -> dict[str, list[Any]]:
    """Return the parameters of a grid that have several values."""
    return {name: value for name, value in config["tuning"]["grids"][grid_id].items() if isinstance(value, list)}


def method_of(config: Config, method_id: str) -> Method:
    """Return the method behind an entry of the methods or figure_methods section."""
    return find_method(every_method(config)[method_id]["method"])


def method_parameters(config: Config, method_id: str, **changes: Any) -> Any:
    """Return the parameters of an entry of the methods or figure_methods section, of its method's own class.

    Shared training parameters come from the training section, the entry's own override them, and `changes` override
    both.
    """
    entry = every_method(config)[method_id]
    own = {name: value for name, value in entry.items() if name not in ENTRY_KEYS}
    method = find_method(entry["method"])
    shared = config["training"] if issubclass(method.parameters, TrainingParameters) else {}
    try:
        return method.make_parameters({**shared, **own, **changes})
    except UserError as error:
        raise UserError(f"config: methods/{method_id}: {error}") from error


def method_settings(config: Config, method_id: str, **changes: Any) -> list[str]:
    """Return the parameters of an entry as texts name=value, sorted: see `method_parameters`."""
    return settings_of(method_parameters(config, method_id, **changes))


def method_scales(config: Config, method_id: str) -> dict[str, list[float]]:
    """Return the parameter that the scores over scales sweep and its values, checked; nothing without them.

    Raises
    ------
    UserError
        If the values don't ascend, or the method doesn't take one of them.
    """
    scales: dict[str, list[float]] = every_method(config)[method_id].get("scales") or {}
    for name, values in scales.items():
        if any(later <= earlier for earlier, later in itertools.pairwise(values)):
            raise UserError(f"config: methods/{method_id}/scales/{name}: {values} doesn't ascend: sort the values")
        for value in values:
            method_parameters(config, method_id, **{name: value})
    return scales


def method_seeds(config: Config, method_id: str) -> list[int]:
    """Return the seeds that a method runs with: all of them, or the first for a method that draws nothing."""
    seeds: list[int] = config["seeds"]
    return seeds if method_of(config, method_id).uses_seed else seeds[:1]


def images_per_job(config: Config, method_id: str, sizes: Iterable[Size]) -> int:
    """Return how many images a job of a method takes; all points of a grid have the same batches.

    Parameters
    ----------
    config : mapping
    method_id : str
    sizes : iterable of (int, int)
        Height and width of all images of the dataset, in pixels; looked at for "auto" alone.
    """
    wanted = images_per_job_setting(config, method_id)
    if wanted != "auto":
        return int(wanted)
    grids = ([point_id for point_id, _ in grid(config, grid_id)] for grid_id in config["tuning"]["grids"])
    beside = next((points for points in grids if method_id in points), [method_id])
    parameters = [method_parameters(config, each) for each in beside]
    return choose_images_per_job(method_of(config, method_id), parameters, sizes)


def images_per_job_setting(config: Config, method_id: str) -> Any:
    """Return what the configuration says of a method's images a job: a number or "auto"."""
    return every_method(config)[method_id].get("images_per_job", config["images_per_job"])


def published_scores(config: Config) -> list[str]:
    """Return the published scores as texts METHOD:MEASURE=VALUE."""
    return [
        f"{method_id}:{measure}={value:g}"
        for method_id, entry in config["methods"].items()
        for measure, value in entry.get("published", {}).items()
    ]


def method_code_version(config: Config, method_id: str) -> str:
    """Return a digest of the code that decides the method's label maps."""
    return label_map_code(method_of(config, method_id))


def predictions_contents(config: Config, method_id: str) -> str:
    """Return a digest of the files that a method reads its label maps from; of nothing for other methods."""
    entry = every_method(config)[method_id]
    return files_digest([entry["predictions"]] if "predictions" in entry else [])


def method_label(config: Config, method_id: str) -> str:
    """Return a method's name in tables and figures."""
    return str(every_method(config)[method_id].get("label", method_id))


def settings_beside_scheme(config: Config, method_id: str) -> list[str]:
    """Return the parameters of a method of `cnn` other than its scheme and μ, as texts name=value."""
    settings = method_settings(config, method_id)
    return [text for text in settings if text.partition("=")[0] not in ("scheme", "mu")]


def sensitivity_methods(config: Config, figure: Mapping[str, Any]) -> dict[str, tuple[str, float]]:
    """Return the scheme and μ of the methods that a sensitivity figure compares, by the method's id.

    They are those that it names, or all `cnn` methods of the table that change nothing else of the training section.
    """
    shared = settings_of(make_parameters(TrainingParameters, config["training"]))
    methods = figure.get("methods") or [
        method_id
        for method_id, entry in config["methods"].items()
        if entry["method"] == "cnn" and settings_beside_scheme(config, method_id) == shared
    ]
    entries = every_method(config)
    return {method_id: (entries[method_id]["scheme"], float(entries[method_id]["mu"])) for method_id in methods}
