"""Parameters of methods: frozen dataclasses, read from text, checked, and written back as text."""

import dataclasses
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from dynseg.errors import UserError


def check_parameter(name: str, value: Any, allowed: bool, expected: str) -> None:
    """Raise a UserError that names the parameter, what was expected and what was given, unless `allowed`."""
    if not allowed:
        raise UserError(f"{name} must be {expected}, not {value!r}: correct it in the methods section or option")


@dataclass(frozen=True)
class NetworkParameters:
    """The network and its optimiser: what every method that trains the paper's network shares.

    Attributes
    ----------
    components : int
        M, the number of 3×3 components.
    channels : int
        p = q, the width of every layer and the largest number of clusters.
    iterations : int
        T, the largest number of iterations.
    learning_rate, momentum : float
        Of stochastic gradient descent.
    minimum_labels : int
        Training stops when q′ is at or below this.
    """

    components: int = 3
    channels: int = 100
    iterations: int = 1000
    learning_rate: float = 0.1
    momentum: float = 0.9
    minimum_labels: int = 3

    def __post_init__(self) -> None:
        for name in ("components", "channels", "iterations", "minimum_labels"):
            check_parameter(name, getattr(self, name), getattr(self, name) >= 1, "a whole number of at least 1")
        check_parameter("learning_rate", self.learning_rate, self.learning_rate > 0, "above 0")
        check_parameter("momentum", self.momentum, 0 <= self.momentum < 1, "at least 0 and below 1")


@dataclass(frozen=True)
class TrainingParameters(NetworkParameters):
    """Adds the choice of initial weights, and what makes training cheaper; each is switchable on its own.

    Attributes
    ----------
    initialisation : {"pytorch", "xavier"}
        Of the weights; see `dynseg.training.network.initial_network`.
    stop : {"settled", "fixed"}
        "settled": also stop when the label map stands still. "fixed": as published, only T and `minimum_labels`.
    settled_share : float
        The label map stands still when a smaller share of pixels than this has another label than
        `settled_iterations` iterations ago.
    settled_iterations : int
        Iterations between the two label maps that are compared.
    scale : float
        Train on the image reduced by this factor, then apply the network once to the full-size image. 1: as published.
    step : {"fast", "plain"}
        The implementation of an iteration on the CPU: the same mathematics.
    precision : {"float32", "tf32", "bfloat16"}
        Of the network on a GPU. The CPU always computes in float32.
    """

    initialisation: str = "pytorch"
    stop: str = "settled"
    settled_share: float = 0.005
    settled_iterations: int = 50
    scale: float = 1.0
    step: str = "fast"
    precision: str = "float32"

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, choices in CHOICES.items():
            check_parameter(name, getattr(self, name), getattr(self, name) in choices, f"one of {', '.join(choices)}")
        check_parameter("settled_share", self.settled_share, 0 <= self.settled_share <= 1, "between 0 and 1")
        check_parameter(
            "settled_iterations", self.settled_iterations, self.settled_iterations >= 1, "a whole number of at least 1"
        )
        check_parameter("scale", self.scale, 0 < self.scale <= 1, "above 0 and at most 1")


CHOICES = {
    "initialisation": ("pytorch", "xavier"),
    "stop": ("settled", "fixed"),
    "step": ("fast", "plain"),
    "precision": ("float32", "tf32", "bfloat16"),
}


def reduced_size(height: int, width: int, scale: float) -> tuple[int, int]:
    """Return the height and width of an image reduced by a factor: rounded, and at least 1."""
    return max(1, round(height * scale)), max(1, round(width * scale))


def parse_settings(settings: Iterable[str]) -> dict[str, str]:
    """Read texts like "mu=15" into a mapping from parameter names to values as text.

    Raises
    ------
    UserError
        If a text has no "=" or a name comes twice.
    """
    values: dict[str, str] = {}
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals:
            raise UserError(f"{setting!r} isn't a setting: write it as name=value")
        if name in values:
            raise UserError(f"the setting {name} is given twice: leave one out")
        values[name] = text
    return values


def make_parameters(cls: type, values: Mapping[str, Any]) -> Any:
    """Make an object of a parameter dataclass from values that may be text.

    Parameters
    ----------
    cls : type
        A dataclass whose fields are int, float, str or bool.
    values : mapping
        From field names to values; a field without one keeps its default.

    Raises
    ------
    UserError
        If a name is no field, a field without a default is missing, or a value isn't of its field's type.
    """
    known = {field.name: field for field in fields(cls)}
    for name in values:
        if name not in known:
            raise UserError(f"there is no parameter {name!r} here: use one of {', '.join(known)}")
    for name, field in known.items():
        if name not in values and field.default is dataclasses.MISSING:
            raise UserError(f"the parameter {name} is missing: give it a value")
    return cls(**{name: _convert(name, value, known[name].type) for name, value in values.items()})


def settings_of(parameters: Any) -> list[str]:
    """Return every parameter as a text "name=value", sorted: equal lists exactly for equal parameters."""
    return sorted(f"{name}={value}" for name, value in dataclasses.asdict(parameters).items())


def _convert(name: str, value: Any, kind: Any) -> Any:
    if kind is bool:
        if str(value).lower() in ("true", "false"):
            return str(value).lower() == "true"
        raise UserError(f"{name} must be true or false, not {value!r}")
    if kind is not str and isinstance(value, bool):
        raise UserError(f"{name} must be a number, not {value!r}")
    if kind is int and isinstance(value, float) and not value.is_integer():
        raise UserError(f"{name} must be a whole number, not {value!r}")
    try:
        converted = kind(value)
    except (TypeError, ValueError, OverflowError) as error:
        expected = {int: "a whole number", float: "a number"}.get(kind, f"of type {kind.__name__}")
        raise UserError(f"{name} must be {expected}, not {value!r}") from error
    if kind is float and not math.isfinite(converted):
        raise UserError(f"{name} must be a finite number, not {value!r}")
    return converted
