"""The part of a layer's array that is one image."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dynseg.errors import UserError
from dynseg.io.planes import Planes
from dynseg.io.value_range import ValueRange, scale_values

Pixels = NDArray[np.uint8] | NDArray[np.float32]


@dataclass(frozen=True)
class Plane:
    """A plane of an array of any number of axes.

    Attributes
    ----------
    rows, columns : int
        Its two axes, in the array's order.
    at : tuple of int
        The index on every axis; those of the plane's own axes and of the channels say nothing.
    channels : int, optional
        The axis of the channels.
    """

    rows: int
    columns: int
    at: tuple[int, ...]
    channels: int | None = None

    @classmethod
    def shown(cls, order: Sequence[int], at: Sequence[int], channels: int | None = None) -> "Plane":
        """Return the plane that a viewer shows.

        Parameters
        ----------
        order : sequence of int
            The array's axes; the viewer shows the last two of them.
        at : sequence of int
            Where the viewer stands on each axis.
        channels : int, optional
            The axis of the channels, which is no axis of the plane even if the viewer shows it.

        Raises
        ------
        UserError
            If fewer than two axes are left.

        Examples
        --------
        >>> Plane.shown((0, 1, 2), (5, 0, 0))
        Plane(rows=1, columns=2, at=(5, 0, 0), channels=None)
        >>> Plane.shown((0, 1, 2), (0, 0, 3), channels=2).rows
        0
        """
        left = [axis for axis in order if axis != channels]
        if len(left) < 2:
            raise UserError("the image has only two axes, so none of them is one of channels: choose this layer alone")
        rows, columns = sorted(left[-2:])
        of_one_plane = (rows, columns, channels)
        return cls(
            rows, columns, tuple(0 if axis in of_one_plane else index for axis, index in enumerate(at)), channels
        )

    def pixels(self, values: Any, is_rgb: bool = False) -> Pixels:
        """Return the plane of an array as an image.

        Parameters
        ----------
        values : array-like, integer, bool or floating
            Of an RGB image with one axis more, which is the last.
        is_rgb : bool

        Returns
        -------
        ndarray, (H, W, C), uint8 or float32 from 0 to 1
            Values other than of 8 bits are scaled as those of files are: from their 0.1th to their 99.9th percentile,
            each channel by itself. Floating-point RGB is in [0, 1] already. Transparency is laid on white.

        Raises
        ------
        UserError
            If values are infinite, complex or no numbers.

        Examples
        --------
        >>> import numpy as np
        >>> stack = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
        >>> Plane.shown((0, 1, 2), (1, 0, 0)).pixels(stack)[0, :, 0].tolist()
        [12, 13, 14, 15]
        """
        shown = self._slice(values, (self.rows, self.columns, self.channels))
        if self.channels is not None and not is_rgb:
            # The plane's axes are in the array's order, the channels wherever they were.
            shown = np.moveaxis(shown, sum(axis < self.channels for axis in (self.rows, self.columns)), 2)
        return _scaled(shown if shown.ndim == 3 else shown[:, :, np.newaxis], is_rgb)

    def marks(self, values: Any) -> NDArray[np.integer]:
        """Return the labels of an array on the plane; where channels are an axis of it, the largest of all channels.

        Parameters
        ----------
        values : array-like, integer
            Of the image's axes, or of the plane's alone.

        Returns
        -------
        ndarray, (H, W), integer
        """
        if np.ndim(values) == 2:
            return np.asarray(values)
        if np.ndim(values) != len(self.at):
            raise UserError(
                f"the scribbles have {np.ndim(values)} axes and the image {len(self.at)}: draw them in a labels layer "
                "of the image's shape"
            )
        shown = self._slice(values, (self.rows, self.columns, self.channels))
        if self.channels is not None:
            shown = shown.max(axis=sum(axis < self.channels for axis in (self.rows, self.columns)))
        return shown

    def _slice(self, values: Any, whole: tuple[int | None, ...]) -> NDArray[Any]:
        """Return the array at the plane's place on all axes but some."""
        sizes = np.shape(values)
        place = tuple(
            slice(None) if axis in whole else min(index, sizes[axis] - 1) for axis, index in enumerate(self.at)
        )
        return np.asarray(values[place])


def join_channels(images: Sequence[Pixels]) -> Pixels:
    """Return images of one size as one with the channels of all of them.

    One channel is repeated, as in grey files.

    Examples
    --------
    >>> import numpy as np
    >>> join_channels([np.zeros((2, 3, 1), np.uint8), np.ones((2, 3, 1), np.uint8)]).shape
    (2, 3, 2)
    """
    channels: list[NDArray[Any]] = list(images)
    if any(image.dtype != np.uint8 for image in images):
        channels = [image / np.float32(255) if image.dtype == np.uint8 else image for image in channels]
    joined: NDArray[Any] = np.concatenate(channels, axis=2)
    return np.repeat(joined, 3, axis=2) if joined.shape[2] == 1 else joined


def _scaled(values: NDArray[Any], is_rgb: bool) -> Pixels:
    """Return (H, W, C) of any type as an image."""
    if values.dtype == np.bool_:
        values = values.astype(np.uint8) * np.uint8(255)
    if values.dtype.kind not in "iuf":
        raise UserError(f"the layer's values are {values.dtype}: convert them to whole or floating-point numbers")
    if not np.isfinite(values).all():
        count = np.count_nonzero(~np.isfinite(values).all(axis=2))
        raise UserError(f"the layer has {count:,} pixels that are infinite or no numbers (NaN): give them values")
    pixels: Pixels
    if values.dtype == np.uint8:
        pixels = values
    else:
        of_type = Planes(values=values, is_colour=is_rgb).of_type
        value_range: ValueRange = of_type if is_rgb and values.dtype.kind == "f" else "auto"
        pixels, _ = scale_values(values, value_range, of_type=of_type, together=is_rgb)
    return _on_white(pixels) if is_rgb and pixels.shape[2] == 4 else pixels


def _on_white(pixels: Pixels) -> Pixels:
    largest = 255 if pixels.dtype == np.uint8 else 1
    if (pixels[:, :, 3] == largest).all():
        return pixels[:, :, :3]
    opacity = pixels[:, :, 3:] / np.float32(largest)
    laid = pixels[:, :, :3] * opacity + largest * (1 - opacity)
    return np.rint(laid).astype(np.uint8) if pixels.dtype == np.uint8 else laid.astype(np.float32)
