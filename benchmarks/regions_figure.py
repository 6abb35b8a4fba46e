"""Draw docs/figures/regions.png: photographs, cuts of their hierarchies, and graph-based segmentation beside them."""

from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from skimage.segmentation import felzenszwalb

import dynseg
from dynseg.datasets.photographs import picture_path
from dynseg.figures.palette import draw_boundaries, mean_colours

PICTURES = ("astronaut.png", "coffee.png", "chelsea.png", "rocket.jpg")
CUTS = (5, 20, 100)
WIDTH = 230


@click.command()
@click.option("--output", type=click.Path(path_type=Path), default=Path("docs/figures/regions.png"), show_default=True)
def main(output: Path) -> None:
    """Draw a row for each photograph."""
    rows = [np.concatenate([_shrunk(picture) for picture in _pictures(name)], axis=1) for name in PICTURES]
    # Areas in one colour: a palette loses nothing that is seen.
    Image.fromarray(np.concatenate(rows)).quantize(256, dither=Image.Dither.NONE).save(output, optimize=True)


def _pictures(name: str) -> list[NDArray[np.uint8]]:
    image = dynseg.read_image(picture_path(name))
    result = dynseg.segment_regions(image, device="cpu")
    assert result.hierarchy is not None
    label_maps = [result.labels, *(result.hierarchy.cut_into(count) for count in CUTS)]
    label_maps.append(felzenszwalb(image / 255, scale=500, sigma=0.8, min_size=100))
    painted = [mean_colours(image, labels) for labels in label_maps]
    return [image, *(draw_boundaries(each, labels) for each, labels in zip(painted, label_maps, strict=True))]


def _shrunk(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height = round(WIDTH * picture.shape[0] / picture.shape[1])
    return np.asarray(Image.fromarray(picture).resize((WIDTH, height), Image.Resampling.LANCZOS))


if __name__ == "__main__":
    main()
