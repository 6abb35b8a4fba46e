"""Datasets: each module turns an archive or a folder into images, their list and their ground truth."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from dynseg.datasets import bsd500, folder, voc2012
from dynseg.datasets.writing import Example, Select, all_images, listed, sampled, write_dataset
from dynseg.errors import UserError
from dynseg.io.archives import archive_hash
from dynseg.io.image_ids import IMAGE_ID_PATTERN, image_id

__all__ = ["IMAGE_ID_PATTERN", "KINDS", "Kind", "Select", "all_images", "image_id", "listed", "prepare", "sampled"]


@dataclass(frozen=True)
class Kind:
    """How one kind of dataset is read.

    Attributes
    ----------
    read_examples : callable
        Takes the archive, a selection and the options, and yields examples.
    options : dict of str to str or None
        Its options with their defaults.
    """

    read_examples: Callable[..., Iterator[Example]]
    options: dict[str, str | None]


KINDS = {
    "bsd500": Kind(bsd500.read_examples, {"split": "test"}),
    "voc2012": Kind(voc2012.read_examples, {"split": "val", "masks": "object", "void": "background"}),
    "folder": Kind(folder.read_examples, {"annotations": None, "void": "segment"}),
    "mosaic": Kind(bsd500.read_examples, {"split": "test"}),
    "photographs": Kind(folder.read_examples, {}),
}


def prepare(
    kind: str,
    archive: str | Path,
    output: str | Path,
    name: str,
    select: Select = all_images,
    **options: str | Path | None,
) -> list[str]:
    """Turn an archive or a folder into a prepared dataset.

    Parameters
    ----------
    kind : str
        A key of `KINDS`.
    archive : path
        The archive or folder.
    output : path
        The folder that gets `images/`, `images.txt`, `sizes.csv` and `ground_truth.h5`.
    name : str
        The dataset's name.
    select : callable
        Takes the ids of all images and returns the wanted ones: `all_images`, `sampled` or `listed`.
    **options : str or path
        Options of this kind; None stands for the default.

    Returns
    -------
    list of str
        The ids of the images, sorted.

    Raises
    ------
    UserError
        If the input is broken or doesn't fit, or the output can't be written; what was there before is still there.
    """
    if kind not in KINDS:
        raise UserError(f"kind {kind!r} isn't known: choose {', '.join(KINDS)}")
    given = {option: value for option, value in options.items() if value is not None}
    for option in given:
        if option not in KINDS[kind].options:
            known = ", ".join(KINDS[kind].options) or "none"
            raise UserError(f"{option} doesn't fit a dataset of kind {kind}: leave it out (its options: {known})")
    archive = Path(archive)
    chosen = {**KINDS[kind].options, **given}
    attributes = {
        "dataset": name,
        "kind": kind,
        "archive": archive.resolve().name,
        "archive_sha256": archive_hash(archive),
        "split": str(chosen.get("split", "")),
        "masks": str(chosen.get("masks", "")),
        "void": str(chosen.get("void", "")),
    }
    return write_dataset(output, KINDS[kind].read_examples(archive, select, **chosen), attributes)
