"""What is known of a benchmark's official archive."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class KnownArchive:
    """Where an archive is to be had, and what it must be.

    Attributes
    ----------
    urls : sequence of str
        Mirrors, the first to try first.
    size : int
        Bytes.
    sha256 : str
        Hash in hexadecimal digits.
    """

    urls: Sequence[str]
    size: int
    sha256: str
