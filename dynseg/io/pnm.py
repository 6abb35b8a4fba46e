"""Netpbm pictures (PGM, PPM) with more than 8 bits a channel, which Pillow scales or cuts.

The format is described in the manual pages pgm(5) and ppm(5) of Netpbm.
"""

import re

import numpy as np

from dynseg.io.planes import Planes, TooManyPixels

# Magic number, width, height and largest value, with comments between.
_HEADER = re.compile(rb"P([56])(?:\s|#[^\n]*\n)+(\d+)(?:\s|#[^\n]*\n)+(\d+)(?:\s|#[^\n]*\n)+(\d+)(?:#[^\n]*\n)?\s")
_HEADER_BYTES = 4096


def has_16_bits(content: bytes) -> bool:
    """Tell whether a file is a binary PGM or PPM with more than 8 bits a channel."""
    header = _HEADER.match(content[:_HEADER_BYTES])
    return header is not None and 255 < int(header[4]) < 65_536


def read_pnm(content: bytes, largest_plane: int) -> Planes:
    """Read a picture of which `has_16_bits` is true.

    Raises
    ------
    ValueError
        If it is truncated, or has more pixels than `largest_plane`.
    """
    header = _HEADER.match(content[:_HEADER_BYTES])
    if header is None:
        raise ValueError("its header is broken")
    width, height, largest = int(header[2]), int(header[3]), int(header[4])
    if width * height > largest_plane:
        raise TooManyPixels
    channels = 1 if header[1] == b"5" else 3
    if len(content) - header.end() < height * width * channels * 2 or not width * height:
        raise ValueError("it ends too early")
    values = np.frombuffer(content, ">u2", height * width * channels, header.end())
    return Planes(values=values.reshape(height, width, channels).astype(np.uint16), is_colour=True, largest=largest)
