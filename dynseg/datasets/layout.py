"""Where everything lies in a prepared dataset."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class PreparedDataset:
    """The paths of a prepared dataset.

    Attributes
    ----------
    folder : path
        The dataset's folder.
    """

    folder: Path | str

    @property
    def images(self) -> Path:
        """The folder of the pictures, each named by its id."""
        return Path(self.folder) / "images"

    @property
    def image_list(self) -> Path:
        """The list of the image ids."""
        return Path(self.folder) / "images.txt"

    @property
    def sizes(self) -> Path:
        """The table of each image's height, width and digest."""
        return Path(self.folder) / "sizes.csv"

    @property
    def reading(self) -> Path:
        """What to take of the pictures, where that isn't all; see `dynseg.io.images.Reading`."""
        return Path(self.folder) / "reading.json"

    @property
    def ground_truth(self) -> Path:
        """The store of the annotations."""
        return Path(self.folder) / "ground_truth.h5"
