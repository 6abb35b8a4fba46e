"""Finding one's way in a prepared dataset: its list of images and their files. Quick to import."""

import csv
import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from dynseg.datasets.layout import PreparedDataset
from dynseg.errors import UserError

if TYPE_CHECKING:
    from dynseg.io.images import Picture

READING_OPTIONS = ("channels", "range", "plane", "nodata")
"""What a dataset's entry may say of reading its images, as `dynseg segment` has it."""


@dataclass(frozen=True)
class StoredImage:
    """What is known of an image of a prepared dataset without reading it.

    Attributes
    ----------
    height, width : int
        Pixels.
    content : str
        The first 16 hexadecimal digits of its file's SHA-256: a picture may change without a newer time stamp.
    """

    height: int
    width: int
    content: str


def read_image_list(dataset_dir: str | Path) -> list[str]:
    """Return the ids of a prepared dataset's images, sorted.

    Raises
    ------
    UserError
        If there is no list of images.
    """
    path = PreparedDataset(dataset_dir).image_list
    try:
        return path.read_text(encoding="utf-8").split()
    except OSError as error:
        raise UserError(f"{path} can't be read, so this is no prepared dataset: run `dynseg prepare`") from error


def read_stored_images(dataset_dir: str | Path) -> dict[str, StoredImage]:
    """Return what is known of a prepared dataset's images, by their ids.

    Raises
    ------
    UserError
        If there is no table of them.
    """
    path = PreparedDataset(dataset_dir).sizes
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return {
                row["image"]: StoredImage(int(row["height"]), int(row["width"]), row["content"])
                for row in csv.DictReader(file)
            }
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise UserError(f"{path} can't be read as a list of sizes: run `dynseg prepare` again") from error


def read_image_sizes(dataset_dir: str | Path) -> dict[str, tuple[int, int]]:
    """Return the height and width of a prepared dataset's images in pixels, by their ids.

    Raises
    ------
    UserError
        If there is no table of them.
    """
    return {image_id: (image.height, image.width) for image_id, image in read_stored_images(dataset_dir).items()}


def find_image(dataset_dir: str | Path, image_id: str) -> Path:
    """Return the path of an image of a prepared dataset.

    Raises
    ------
    UserError
        If the dataset has no such image.
    """
    folder = PreparedDataset(dataset_dir).images
    try:
        return _files(folder, folder.stat().st_mtime_ns)[image_id]
    except (OSError, KeyError) as error:
        raise UserError(f"{folder} has no image {image_id}: run `dynseg prepare` again") from error


def read_stored_picture(dataset_dir: str | Path, image_id: str) -> "Picture":
    """Read an image of a prepared dataset as its entry says: channels, range, plane and the value of no data.

    Raises
    ------
    UserError
        If the dataset has no such image, or it can't be read.
    """
    from dynseg.io.images import Reading

    return Reading.from_texts(**reading_texts(dataset_dir)).read(find_image(dataset_dir, image_id))


def reading_texts(dataset_dir: str | Path) -> dict[str, str]:
    """Return what `dynseg prepare` was told of reading the images, by the names of its options; mostly nothing."""
    path = PreparedDataset(dataset_dir).reading
    try:
        texts = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise UserError(f"{path} can't be read ({error}): run `dynseg prepare` again") from error
    if not isinstance(texts, dict) or not texts.keys() <= set(READING_OPTIONS):
        raise UserError(f"{path} doesn't say how to read images: run `dynseg prepare` again")
    return {name: str(text) for name, text in texts.items()}


@lru_cache(maxsize=64)
def _files(folder: Path, changed: int) -> dict[str, Path]:
    return {path.stem: path for path in folder.iterdir()}
