"""What `dynseg segment` writes for an image: label maps, pictures of them, and other programs' formats."""

import json
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dynseg.figures.palette import assign_colours, distinct_colours, draw_boundaries
from dynseg.io.files import written_aside
from dynseg.io.image_ids import image_id
from dynseg.io.label_maps import write_label_maps
from dynseg.own_images.coco import coco_annotations
from dynseg.result import Segmentation

# The end of a file's name by format.
FORMATS = {
    "png": ".png",
    "overlay": ".overlay.png",
    "boundaries": ".boundaries.png",
    "npy": ".npy",
    "h5": ".h5",
    "json": ".json",
}
_INDEXED = 256
# One pixel of line for this many along the longer side, so that lines are seen when a large picture is shown whole.
_PIXELS_PER_LINE_WIDTH = 600


def write_outputs(
    paths: Mapping[str, Path],
    image: NDArray[np.uint8],
    segmentation: Segmentation,
    name: str,
    provenance: Mapping[str, Any],
    shared_labels: bool = False,
) -> None:
    """Write the label map of an image in several formats; each file appears when it is whole.

    Parameters
    ----------
    paths : mapping from str to path
        Keys of `FORMATS`.
    image : ndarray, (H, W, 3), uint8
    segmentation : Segmentation
    name : str
        The image's path below the folder that was named, with "/" between folders.
    provenance : mapping
        What made the label map; see `dynseg.provenance.describe_run`.
    shared_labels : bool
        Whether labels mean the same in several images: each then has one colour in all of them.

    Raises
    ------
    UserError
        If a file can't be written.
    """
    labels = segmentation.labels
    colours = label_colours(labels, shared_labels) if paths.keys() & {"png", "overlay"} else None
    for kind, path in paths.items():
        if kind == "h5":
            write_label_maps(path, [(image_id(name), segmentation)], provenance)
            continue
        with written_aside(path) as aside:
            if kind == "npy":
                np.save(aside, labels)
            elif kind == "json":
                aside.write_text(
                    json.dumps(coco_annotations(labels, PurePosixPath(name).name)) + "\n", encoding="utf-8"
                )
            elif kind == "boundaries":
                width = max(1, round(max(labels.shape) / _PIXELS_PER_LINE_WIDTH))
                Image.fromarray(draw_boundaries(image, labels, width)).save(aside)
            elif colours is not None and kind == "overlay":
                Image.blend(Image.fromarray(image), Image.fromarray(colours[labels]), 0.5).save(aside)
            elif colours is not None:
                indexed_picture(labels, colours).save(aside)


def label_colours(labels: NDArray[np.integer], shared: bool = False) -> NDArray[np.uint8]:
    """Return a colour for every label.

    Parameters
    ----------
    labels : ndarray, (H, W), integer
        Label map.
    shared : bool
        Choose colours by the label alone, and not by size and neighbours.

    Returns
    -------
    ndarray, (largest label + 1, 3), uint8
        sRGB.
    """
    palette = distinct_colours()
    if shared:
        return palette[np.arange(int(labels.max()) + 1) % len(palette)]
    chosen = np.zeros(int(labels.max()) + 1, dtype=np.uint8)
    chosen[labels.ravel()] = assign_colours(labels).ravel()
    return palette[chosen]


def indexed_picture(labels: NDArray[np.integer], colours: NDArray[np.uint8]) -> Image.Image:
    """Return a picture whose pixel values are exactly the labels: with a palette, or 16-bit grey above 255 labels.

    Parameters
    ----------
    labels : ndarray, (H, W), integer
        Up to 65535.
    colours : ndarray, (largest label + 1, 3), uint8
    """
    if len(colours) > _INDEXED:
        return Image.fromarray(labels.astype(np.uint16))
    picture = Image.fromarray(labels.astype(np.uint8)).convert("P")
    picture.putpalette(colours.ravel().tolist())
    return picture
