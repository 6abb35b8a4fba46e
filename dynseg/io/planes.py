"""A picture as its file has it, before its values are scaled."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

MAX_BYTES = 1 << 32

_AXIS_NAMES = {"t": "time", "z": "depth", "page": "page"}


class Refusal(ValueError):
    """A whole file has what isn't read; the text goes on after the file's name, says what, and what to do."""


class TooManyPixels(ValueError):
    """A picture declares more pixels than a picture may have."""


@dataclass(frozen=True, kw_only=True)
class Planes:
    """The channels of a picture in the numbers of its file.

    Attributes
    ----------
    values : ndarray, (H, W, C), integer or floating
    is_colour : bool
        Whether the channels are red, green and blue, or one grey.
    alpha : ndarray, (H, W), float32, optional
        Opacity from 0 to 1.
    is_premultiplied : bool
        Whether the values were multiplied by the opacity.
    is_inverted : bool
        Whether the smallest value is white.
    no_data : tuple of float
        Values of pixels that have none.
    inside : ndarray, (H, W), bool, optional
        The pixels inside of a mask; by default all.
    largest : int, optional
        The largest value that the file may have, where that isn't its type's.
    note : str
        What was chosen of the file; empty if that is all of it.
    channel_names : tuple of str
        What the file calls its channels, all of them or none.
    """

    values: NDArray[Any]
    is_colour: bool
    alpha: NDArray[np.float32] | None = None
    is_premultiplied: bool = False
    is_inverted: bool = False
    no_data: tuple[float, ...] = ()
    inside: NDArray[np.bool_] | None = None
    largest: int | None = None
    note: str = ""
    channel_names: tuple[str, ...] = ()

    @property
    def of_type(self) -> tuple[float, float]:
        """The smallest and the largest value that the file may have; 0 and 1 of floating-point numbers."""
        if self.values.dtype.kind not in "iu":
            return 0.0, 1.0
        bounds = np.iinfo(self.values.dtype)
        return float(bounds.min), float(self.largest or bounds.max)


def choose_planes(
    names: Mapping[int, str], shape: Sequence[int], plane: Mapping[str, int] | None, advice: str = ""
) -> tuple[dict[int, int], str]:
    """Find the plane that is wanted of several.

    Parameters
    ----------
    names : mapping of int to str
        The names of the axes of which one place has to be chosen, by their number in the array.
    shape : sequence of int
        The array's.
    plane : mapping of str to int, optional
        Which place to take, numbered from 1, by an axis's name.
    advice : str
        What to do if none is chosen; by default how to choose one.

    Returns
    -------
    index : dict of int to int
        The place along each of the axes, numbered from 0.
    said : str
        What that is, in words.

    Raises
    ------
    Refusal
        If no place is chosen along an axis, or one that isn't there.

    Examples
    --------
    >>> choose_planes({0: "z"}, (5, 30, 40), {"z": 3})
    ({0: 2}, 'depth 3 of 5')
    """
    wanted = dict(plane or {})
    index, said = {}, []
    for place, name in names.items():
        length = shape[place]
        if name not in wanted:
            counts = ", ".join(f"{shape[place]} along {_in_words(name)}" for place, name in names.items())
            raise Refusal(f"has several planes ({counts}): {advice or how_to_choose(names.values())}")
        number = wanted.pop(name)
        if not 1 <= number <= length:
            raise Refusal(f"has no plane {number} along {_in_words(name)}: choose one from 1 to {length}")
        index[place] = number - 1
        said.append(f"{_in_words(name)} {number} of {length}")
    if wanted:
        raise Refusal(f"has no planes along {_in_words(next(iter(wanted)))}: leave that out of --plane")
    return index, ", ".join(said)


def how_to_choose(names: Collection[str]) -> str:
    """Say how to choose one plane along some axes.

    Examples
    --------
    >>> how_to_choose(["t", "z"])
    'choose one with --plane t=1,z=1'
    """
    return "choose one with --plane " + ",".join(f"{name}=1" for name in names)


def channel_numbers(channels: Sequence[int | str], names: Sequence[str]) -> tuple[int, ...]:
    """Return channels, chosen by number or name, as numbers from 1.

    Parameters
    ----------
    channels : sequence of int or str
    names : sequence of str
        What the file calls its channels, "" for one without a name; none if it names none.

    Raises
    ------
    Refusal
        If no channel has a name, several have it, or one is chosen twice.

    Examples
    --------
    >>> channel_numbers([3, "DAPI"], ["GFP", "DAPI", ""])
    (3, 2)
    """
    numbers = tuple(_number_of(channel, names) if isinstance(channel, str) else channel for channel in channels)
    if twice := [number for number in numbers if numbers.count(number) > 1]:
        raise Refusal(f"was to give channel {twice[0]} twice: name each channel once with --channels")
    return numbers


def _number_of(name: str, names: Sequence[str]) -> int:
    there = [" ".join(each.split()) for each in names]
    if not any(there):
        raise Refusal(f"doesn't name its channels, so that none is {name!r}: choose by number, from 1, with --channels")
    count = there.count(" ".join(name.split()))
    if count > 1:
        raise Refusal(f"has {count} channels with the name {name!r}: choose one by its number, from 1, with --channels")
    if count == 0:
        # A name with a comma would read as two.
        choice = ", ".join(repr(each) if "," in each else each for each in there if each)
        raise Refusal(f"has no channel {name!r}: choose from {choice} with --channels")
    return there.index(" ".join(name.split())) + 1


def _in_words(axis: str) -> str:
    return _AXIS_NAMES.get(axis, axis)
