"""A picture as its file has it, before its values are scaled."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


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

    @property
    def of_type(self) -> tuple[float, float]:
        """The smallest and the largest value that the file may have; 0 and 1 of floating-point numbers."""
        if self.values.dtype.kind not in "iu":
            return 0.0, 1.0
        bounds = np.iinfo(self.values.dtype)
        return float(bounds.min), float(self.largest or bounds.max)
