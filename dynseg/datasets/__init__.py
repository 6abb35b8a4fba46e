"""Datasets: each module turns an archive or a folder into images and annotations; one registry for all of them."""

import importlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dynseg.datasets.example import Example
from dynseg.errors import UserError
from dynseg.parameters import Section

__all__ = ["MODULES", "OFFICIAL_ARCHIVE", "Kind", "KnownArchive", "Option", "UnhashedMirror", "find_kind", "kind_names"]

# What the key `archive` of a kind with an official archive means.
OFFICIAL_ARCHIVE = (
    "path of a local archive (any subset of the official one) or an address; the official one if left out, from the "
    "folder `archives` or downloaded"
)


@dataclass(frozen=True)
class KnownArchive:
    """Where a benchmark's official archive is to be had, and what it must be.

    Attributes
    ----------
    urls : tuple of str
        Mirrors, the first to try first.
    size : int
        Bytes.
    sha256 : str
        Hash in hexadecimal digits.
    """

    urls: tuple[str, ...]
    size: int
    sha256: str

    @property
    def name(self) -> str:
        """The archive's file name, by which it is looked for in a folder of archives."""
        return self.urls[0].rpartition("/")[2]


@dataclass(frozen=True)
class UnhashedMirror:
    """Where the same data is to be had in an archive that has no stable hash.

    Attributes
    ----------
    url : str
    check_complete : callable
        Takes the archive's path and raises a UserError unless it holds the whole benchmark.
    """

    url: str
    check_complete: Callable[[Path], None]


@dataclass(frozen=True)
class Option:
    """An option of `dynseg prepare` that a kind of dataset has.

    Attributes
    ----------
    meaning : str
        What it decides, for `--help`.
    default : str or None
        Its value where none is given.
    is_path : bool
        Whether it names a file or folder.
    """

    meaning: str
    default: str | None = None
    is_path: bool = False


@dataclass(frozen=True)
class Kind:
    """How one kind of dataset is had and read.

    Attributes
    ----------
    read_examples : callable
        Takes the archive, a selection and the options, and yields examples.
    options : mapping of str to Option
        What `read_examples` takes beside the archive and the selection.
    annotated : bool
        Whether its images always have annotations.
    archive : KnownArchive or None
        The official archive, for a kind that can be downloaded.
    unhashed_mirror : UnhashedMirror or None
        The last resort where no mirror of `archive` answers.
    made_as : str or None
        For a kind that dynseg makes itself: the end of the made archive's or folder's name.
    keys : type
        The keys of a configuration's entry of this kind, beside those that every kind has.
    expected : callable, optional
        From a configuration's entry to the sizes (height, width) of the images, in pixels, before they are prepared: of
        most kinds one size for all; none where that takes reading it. It decides no result.
    """

    read_examples: Callable[..., Iterator[Example]]
    options: Mapping[str, Option] = field(default_factory=dict)
    annotated: bool = False
    archive: KnownArchive | None = None
    unhashed_mirror: UnhashedMirror | None = None
    made_as: str | None = None
    keys: type[Section] = Section
    expected: Callable[[Mapping[str, Any]], list[tuple[int, int]]] | None = None

    @property
    def needs_archive(self) -> bool:
        """Whether the user has to bring the data."""
        return self.archive is None and self.made_as is None


# Each name's module has an object `kind`. Loading on demand keeps planning quick.
MODULES = {
    "bsd500": "dynseg.datasets.bsd500",
    "voc2012": "dynseg.datasets.voc2012",
    "folder": "dynseg.datasets.folder",
    "mosaic": "dynseg.datasets.mosaic",
    "photographs": "dynseg.datasets.photographs",
}


def kind_names(wanted: Callable[[Kind], bool] = lambda kind: True) -> list[str]:
    """Return the names of all kinds of datasets, or of those that fulfil a condition.

    Examples
    --------
    >>> kind_names(lambda kind: kind.archive is not None)
    ['bsd500', 'voc2012']
    """
    return [name for name in MODULES if wanted(find_kind(name))]


def find_kind(name: str) -> Kind:
    """Return a kind of dataset by its name.

    Raises
    ------
    UserError
        If there is no such kind.
    """
    if name not in MODULES:
        raise UserError(f"kind {name!r} isn't known: choose {', '.join(MODULES)}")
    kind: Kind = importlib.import_module(MODULES[name]).kind
    return kind
