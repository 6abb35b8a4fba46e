"""Parameters: read from text, checked, written back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynseg.errors import UserError
from dynseg.methods.cnn import CnnParameters
from dynseg.parameters import make_parameters, parameter_class, parse_settings, settings_of


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
