"""The range of a picture's values: found, or given, and scaled to that from 0 to 1."""

import math
from collections.abc import Sequence
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from dynseg.errors import UserError
from dynseg.io.planes import Refusal

ValueRange = Literal["auto", "type", "percentile", "minmax"] | tuple[float, float]
NAMED_RANGES = ("auto", "type", "percentile", "minmax")

# Hot and dead pixels are fewer.
PERCENTILES = (0.1, 99.9)


def parse_value_range(text: str) -> ValueRange:
    """Read what a user says of the range: a name, or two numbers with a comma between.

    Raises
    ------
    UserError
        If it is neither.

    Examples
    --------
    >>> parse_value_range("minmax"), parse_value_range("0,4095")
    ('minmax', (0.0, 4095.0))
    """
    if text in NAMED_RANGES:
        return cast(ValueRange, text)
    try:
        low, high = (float(part) for part in text.split(","))
    except ValueError:
        low = high = math.nan
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise UserError(
            f"the range {text!r} isn't known: give {', '.join(NAMED_RANGES)}, or LOW,HIGH, the smaller first"
        )
    return low, high


def scale_values(
    values: NDArray[Any],
    value_range: ValueRange,
    *,
    of_type: tuple[float, float],
    together: bool,
    valid: NDArray[np.bool_] | None = None,
) -> tuple[NDArray[np.float32], tuple[tuple[float, float], ...]]:
    """Scale values so that their range becomes that from 0 to 1; what lies beyond is set to the nearer of the two.

    Parameters
    ----------
    values : ndarray, (H, W, C), integer or floating, finite where they are valid
    value_range : "auto", "type", "percentile", "minmax" or (float, float)
        "percentile": from the 0.1th to the 99.9th percentile; "minmax": from the smallest to the largest value; "type":
        all that the type can hold; "auto": "type" with 8 bits a value, "percentile" with more.
    of_type : (float, float)
        What "type" means.
    together : bool
        Whether all channels have one range, as those of a colour picture do, or each its own.
    valid : ndarray, (H, W), bool, optional
        The pixels that the range is found from; by default all.

    Returns
    -------
    scaled : ndarray, (H, W, C), float32
    ranges : tuple of (float, float)
        The values that became 0 and 1: one pair, or one for each channel.

    Raises
    ------
    Refusal
        If values lie beyond the range of their type ("type" of floating-point ones).
    """
    parts = [values] if together else [values[:, :, channel] for channel in range(values.shape[2])]
    ranges = tuple(_range(part if valid is None else part[valid], value_range, of_type) for part in parts)
    scaled = np.empty(values.shape, np.float32)
    for channel in range(values.shape[2]):
        low, high = ranges[0 if together else channel]
        spread = np.asarray(values[:, :, channel], np.float64) - low
        spread /= (high - low) or 1
        scaled[:, :, channel] = np.clip(spread, 0, 1)
    return scaled, ranges


def say_ranges(ranges: Sequence[tuple[float, float]]) -> str:
    """Say which values became 0 and 1."""
    return "values " + ", ".join(f"{low:g} to {high:g}" for low, high in dict.fromkeys(ranges))


def _range(values: NDArray[Any], value_range: ValueRange, of_type: tuple[float, float]) -> tuple[float, float]:
    if isinstance(value_range, tuple):
        return value_range
    if values.size == 0:
        return of_type
    lowest, highest = float(values.min()), float(values.max())
    if value_range == "type" or (value_range == "auto" and values.dtype.itemsize == 1):
        if lowest < of_type[0] or highest > of_type[1]:
            raise Refusal(
                f"has values from {lowest:g} to {highest:g}, beyond {of_type[0]:g} to {of_type[1]:g}: "
                "give --range minmax"
            )
        return of_type
    if value_range != "minmax":
        low = float(np.percentile(values, PERCENTILES[0], method="lower"))
        high = float(np.percentile(values, PERCENTILES[1], method="higher"))
        if low < high:
            return low, high
    return lowest, highest
