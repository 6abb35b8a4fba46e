"""Parameters: read from text, checked, written back."""

import dataclasses
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from dynseg.errors import UserError
from dynseg.methods.cnn import CnnParameters
from dynseg.parameters import make_parameters, parameter_class, parse_settings, settings_of
from dynseg.training.parameters import TrainingParameters


@parameter_class
class Example:
    name: str
    count: int = 3
    share: float = 0.5
    loud: bool = False


@given(
    st.builds(
        Example,
        st.text(max_size=5),
        st.integers(-5, 5),
        st.floats(allow_nan=False, allow_infinity=False),
        st.booleans(),
    )
)
def test_settings_are_read_back(example: Example) -> None:
    assert make_parameters(Example, parse_settings(settings_of(example))) == example


def test_whole_numbers_and_decimals_are_the_same_setting() -> None:
    assert settings_of(make_parameters(Example, {"name": "a", "share": 1})) == settings_of(Example("a", share=1.0))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"name": "a", "cuont": 1}, "'cuont'.*count"),
        ({}, "name is missing"),
        ({"name": "a", "count": "3.5"}, "count must be a whole number"),
        ({"name": "a", "count": 3.5}, "count must be a whole number"),
        ({"name": "a", "count": True}, "count must be a number"),
        ({"name": "a", "share": "much"}, "share must be a number"),
        ({"name": "a", "share": "nan"}, "share must be a finite number"),
        ({"name": "a", "loud": "perhaps"}, "loud must be true or false"),
    ],
)
def test_wrong_values_are_named(values: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        make_parameters(Example, values)


@pytest.mark.parametrize(
    "setting",
    ["scheme=fsv", "mu=0", "mu=-1", "iterations=0", "momentum=1", "scale=0", "scale=2", "stop=never", "channels=0"],
)
def test_values_out_of_bounds_are_named(setting: str) -> None:
    values = {"scheme": "fsf", "mu": "15", **parse_settings([setting])}
    with pytest.raises(UserError, match=setting.partition("=")[0]):
        make_parameters(CnnParameters, values)


@pytest.mark.parametrize("settings", [["mu"], ["mu=1", "mu=2"]])
def test_texts_that_are_no_settings_are_named(settings: list[str]) -> None:
    with pytest.raises(UserError, match="mu"):
        parse_settings(settings)


@parameter_class
class Optional:
    """A parameter that may be left out."""

    threshold: Annotated[float | None, Field(ge=0)] = None


def test_what_is_not_given_is_no_setting_and_is_read_back_so() -> None:
    assert settings_of(Optional()) == []
    assert settings_of(Optional(0.5)) == ["threshold=0.5"]
    assert make_parameters(Optional, parse_settings(settings_of(Optional()))) == Optional()
    with pytest.raises(UserError, match="threshold must be at least 0, not -1"):
        Optional(-1)


def test_objects_are_frozen_and_a_changed_copy_is_checked_like_a_new_one() -> None:
    parameters = CnnParameters(scheme="fsf", mu=15)
    with pytest.raises(dataclasses.FrozenInstanceError):
        parameters.mu = 3  # type: ignore[misc]
    assert dataclasses.replace(parameters, mu=3) == CnnParameters(scheme="fsf", mu=3.0)
    with pytest.raises(UserError, match="mu must be above 0, not -3"):
        dataclasses.replace(parameters, mu=-3)


@given(
    st.fixed_dictionaries(
        {"momentum": st.floats(), "scale": st.floats(), "iterations": st.integers(), "stop": st.text(max_size=7)}
    )
)
def test_values_are_taken_exactly_within_their_bounds(values: dict[str, Any]) -> None:
    allowed = {
        "momentum": 0 <= values["momentum"] < 1,
        "scale": 0 < values["scale"] <= 1,
        "iterations": values["iterations"] >= 1,
        "stop": values["stop"] in ("settled", "fixed"),
    }
    for name, value in values.items():
        if allowed[name]:
            assert getattr(make_parameters(TrainingParameters, {name: str(value)}), name) == value
        else:
            with pytest.raises(UserError, match=f"^{name} must be ") as caught:
                make_parameters(TrainingParameters, {name: value})
            assert "\n" not in str(caught.value)
