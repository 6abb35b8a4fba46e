"""Which images of a dataset are taken: all of them, some at random, or those of a list."""

import random
from collections.abc import Callable, Sequence
from pathlib import Path

from dynseg.errors import UserError

Select = Callable[[Sequence[str]], list[str]]


def all_images(ids: Sequence[str]) -> list[str]:
    """Select every image."""
    return list(ids)


def sampled(size: int, seed: int, warn: Callable[[str], None]) -> Select:
    """Make a selection of `size` images at random, the same on every machine for the same ids and seed.

    Parameters
    ----------
    size : int
        Number of images; where there are fewer, all are taken and `warn` is called.
    seed : int
        Seed of the choice.
    warn : callable
        Takes a sentence for the user.
    """

    def select(ids: Sequence[str]) -> list[str]:
        if size > len(ids):
            warn(f"a sample of {size} images was asked for and there are {len(ids)}: all are taken")
        return random.Random(seed).sample(sorted(ids), min(size, len(ids)))

    return select


def listed(file: str | Path) -> Select:
    """Make a selection of the ids that a text file lists, one a line.

    Raises
    ------
    UserError
        If the file can't be read, lists no id or, when the selection is made, an id that isn't there.
    """
    try:
        lines = Path(file).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{file} can't be read as a list of image ids: give a text file, one id a line") from error
    wanted = list(dict.fromkeys(line.strip() for line in lines if line.strip()))
    if not wanted:
        raise UserError(f"{file} lists no image id: write one a line")

    def select(ids: Sequence[str]) -> list[str]:
        unknown = sorted(set(wanted) - set(ids))
        if unknown:
            raise UserError(
                f"{file} lists {unknown[0]!r}, which isn't an image of the dataset: take it out of the list"
            )
        return wanted

    return select
