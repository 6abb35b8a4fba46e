"""Finding one's way in a prepared dataset: its list of images and their files. Quick to import."""

import csv
from functools import lru_cache
from pathlib import Path

from dynseg.errors import UserError


def read_image_list(dataset_dir: str | Path) -> list[str]:
    """Return the ids of a prepared dataset's images, sorted.

    Raises
    ------
    UserError
        If there is no list of images.
    """
    path = Path(dataset_dir) / "images.txt"
    try:
        return path.read_text(encoding="utf-8").split()
    except OSError as error:
        raise UserError(f"{path} can't be read, so this is no prepared dataset: run `dynseg prepare`") from error


def read_image_sizes(dataset_dir: str | Path) -> dict[str, tuple[int, int]]:
    """Return the height and width of a prepared dataset's images in pixels, by their ids.

    Raises
    ------
    UserError
        If there is no list of sizes.
    """
    path = Path(dataset_dir) / "sizes.csv"
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return {row["image"]: (int(row["height"]), int(row["width"])) for row in csv.DictReader(file)}
    except (OSError, KeyError, ValueError) as error:
        raise UserError(f"{path} can't be read as a list of sizes: run `dynseg prepare` again") from error


def find_image(dataset_dir: str | Path, image_id: str) -> Path:
    """Return the path of an image of a prepared dataset.

    Raises
    ------
    UserError
        If the dataset has no such image.
    """
    folder = Path(dataset_dir) / "images"
    try:
        return _files(folder, folder.stat().st_mtime_ns)[image_id]
    except (OSError, KeyError) as error:
        raise UserError(f"{folder} has no image {image_id}: run `dynseg prepare` again") from error


@lru_cache(maxsize=64)
def _files(folder: Path, changed: int) -> dict[str, Path]:
    return {path.stem: path for path in folder.iterdir()}
