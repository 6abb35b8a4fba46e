"""Classes of parameters: each field is declared once, with its type, bounds, default and description.

A field reads `name: Annotated[type, Field(bounds, description="…")] = default`, as in pydantic. Checks, conversion from
text, and the schema and tables of the configuration all come from that one line.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any, TypeVar, dataclass_transform, overload

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, ValidationInfo, field_validator
from pydantic.dataclasses import dataclass
from pydantic_core import PydanticCustomError

from dynseg.errors import UserError

Parameters = TypeVar("Parameters")
Text = Annotated[str, Field(min_length=1)]

_CONFIG = ConfigDict(extra="forbid", allow_inf_nan=False, coerce_numbers_to_str=True)
# What depends on a property comes after all of them, so that a reader knows its default by then.
_LAST = ("allOf", "if", "then", "else", "unevaluatedProperties")
_BOUNDS = {
    "minimum": "at least {:g}",
    "exclusiveMinimum": "above {:g}",
    "maximum": "at most {:g}",
    "exclusiveMaximum": "below {:g}",
}


class Section(BaseModel):
    """Keys of the configuration; others are refused. What may be None may be left out."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@overload
def parameter_class(cls: type[Parameters]) -> type[Parameters]: ...


@overload
def parameter_class(*, kw_only: bool) -> Callable[[type[Parameters]], type[Parameters]]: ...


@dataclass_transform(frozen_default=True, field_specifiers=(Field,))
def parameter_class(cls: Any = None, *, kw_only: bool = False) -> Any:
    """Turn a class into a frozen dataclass whose values are checked, and converted where they are text.

    An object that is made with a value that isn't allowed raises a UserError; see `make_parameters`.

    Parameters
    ----------
    cls : type
        Its fields are int, float, str, bool, `Literal` or one of them or None; None means "not given".
    kw_only : bool
        Whether its fields must be named when an object is made.
    """
    if cls is None:
        return functools.partial(parameter_class, kw_only=kw_only)
    cls._refuse_booleans = field_validator("*", mode="before")(classmethod(_refuse_booleans))
    made: Any = dataclass(cls, frozen=True, kw_only=kw_only, config=_CONFIG)
    check = made.__init__

    @functools.wraps(check)
    def __init__(self: Any, /, *args: Any, **values: Any) -> None:
        try:
            check(self, *args, **values)
        except ValidationError as error:
            raise UserError(_sentence(made, error)) from error

    made.__init__ = __init__
    return made


def is_parameter_class(cls: Any) -> bool:
    """Tell whether `parameter_class` made a class."""
    return isinstance(cls, type) and dataclasses.is_dataclass(cls) and hasattr(cls, "_refuse_booleans")


def check_parameter(name: str, value: Any, allowed: bool, expected: str) -> None:
    """Raise a UserError that names the parameter, what was expected and what was given, unless `allowed`."""
    if not allowed:
        raise UserError(f"{name} must be {expected}, not {value!r}: correct it where it is given")


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


def make_parameters(cls: type[Parameters], values: Mapping[str, Any]) -> Parameters:
    """Make an object of a parameter class from values that may be text.

    Parameters
    ----------
    cls : type
        Made by `parameter_class`.
    values : mapping
        From field names to values; a field without one keeps its default.

    Raises
    ------
    UserError
        If a name is no field, a field without a default is missing, or a value isn't of its field's type or not
        within its bounds.
    """
    return cls(**values)


def values_of(parameters: Any) -> dict[str, Any]:
    """Return the values of an object's parameters by name, without those that aren't given (None)."""
    return {name: value for name, value in dataclasses.asdict(parameters).items() if value is not None}


def settings_of(parameters: Any) -> list[str]:
    """Return `values_of` as texts "name=value", sorted: equal lists exactly for equal parameters."""
    return sorted(f"{name}={value}" for name, value in values_of(parameters).items())


def parameter_schema(cls: type) -> dict[str, Any]:
    """Return the JSON schema of a parameter class, or of another type that pydantic can describe.

    It has no titles, and says of a field that may be None how to give it a value; to leave it out is to say None.
    """
    schema: dict[str, Any] = _tidied(TypeAdapter(cls).json_schema())
    return schema


def expected_value(schema: Mapping[str, Any]) -> str:
    """Return what a JSON schema allows as words, for example "a whole number of at least 1" or "above 0"."""
    if "enum" in schema:
        return f"one of {', '.join(map(str, schema['enum']))}"
    kind = {"integer": "a whole number", "number": "a number", "boolean": "true or false"}.get(schema["type"], "text")
    if schema.get("minLength"):
        kind += " that isn't empty"
    bounds = " and ".join(words.format(schema[name]) for name, words in _BOUNDS.items() if name in schema)
    if not bounds or schema["type"] == "number":
        return bounds or kind
    return f"{kind} of {bounds}" if bounds.startswith("at") else f"{kind} {bounds}"


def _refuse_booleans(cls: Any, value: Any, info: ValidationInfo) -> Any:
    kind = cls.__pydantic_fields__[info.field_name].annotation
    if isinstance(value, bool) and kind in (int, float):
        raise PydanticCustomError("boolean", "a number")
    return value


def _sentence(cls: Any, error: ValidationError) -> str:
    """Return the first thing that is wrong with the values of a class as one sentence."""
    found = min(error.errors(include_url=False), key=lambda each: each["type"] != "unexpected_keyword_argument")
    names = [field.name for field in dataclasses.fields(cls)]
    place, kind = found["loc"][0], found["type"]
    name = names[place] if isinstance(place, int) else place
    if kind == "unexpected_keyword_argument":
        return f"there is no parameter {name!r} here: use one of {', '.join(names)}"
    if kind.startswith("missing"):
        return f"the parameter {name} is missing: give it a value"
    if kind == "boolean":
        expected = found["msg"]
    elif kind in ("float_parsing", "float_type"):
        expected = "a number"
    elif kind == "finite_number":
        expected = "a finite number"
    elif kind == "value_error":
        expected = str(found["ctx"]["error"])
    else:
        expected = expected_value(parameter_schema(cls)["properties"][name])
    return f"{name} must be {expected}, not {found['input']!r}: correct it where it is given"


def _tidied(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_tidied(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    keys = (
        sorted(schema, key=lambda key: _LAST.index(key) if key in _LAST else -1) if "properties" in schema else schema
    )
    tidy = {key: _tidied(schema[key]) for key in keys if not (key == "title" and isinstance(schema[key], str))}
    if {"type": "null"} in tidy.get("anyOf", []):
        given = [part for part in tidy.pop("anyOf") if part != {"type": "null"}]
        tidy.pop("default", None)
        tidy = {**(given[0] if len(given) == 1 else {"anyOf": given}), **tidy}
    return tidy
