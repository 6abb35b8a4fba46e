"""From an archive or a folder to a prepared dataset."""

from pathlib import Path

from dynseg.datasets import find_kind
from dynseg.datasets.reading import READING_OPTIONS
from dynseg.datasets.selection import Select, all_images
from dynseg.datasets.writing import write_dataset
from dynseg.errors import UserError
from dynseg.io.archives import archive_hash


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
        A key of `dynseg.datasets.MODULES`.
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
    reader = find_kind(kind)
    given = {option: value for option, value in options.items() if value is not None}
    for option in given:
        if option not in reader.options:
            known = ", ".join(reader.options) or "none"
            raise UserError(f"{option} doesn't fit a dataset of kind {kind}: leave it out (its options: {known})")
    archive = Path(archive)
    chosen = {**{option: entry.default for option, entry in reader.options.items()}, **given}
    attributes = {
        "dataset": name,
        "kind": kind,
        "archive": archive.resolve().name,
        "archive_sha256": archive_hash(archive),
        **{option: str(chosen.get(option) or "") for option in ("split", "masks", "void")},
    }
    reading = {option: str(chosen[option]) for option in READING_OPTIONS if chosen.get(option) is not None}
    others = {option: value for option, value in chosen.items() if option not in READING_OPTIONS}
    return write_dataset(output, reader.read_examples(archive, select, **others), attributes, reading)
