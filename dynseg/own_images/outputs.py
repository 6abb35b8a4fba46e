"""What `dynseg segment` writes for an image: label maps, pictures of them, and other programs' formats."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dynseg.figures.palette import assign_colours, distinct_colours, draw_boundaries
from dynseg.hierarchy import Hierarchy
from dynseg.io.contour_maps import write_contour_map
from dynseg.io.files import written_aside
from dynseg.io.image_ids import image_id
from dynseg.io.label_maps import write_label_maps
from dynseg.own_images.coco import coco_annotations
from dynseg.result import Segmentation
from dynseg.viewer.data import data_of_segmentation
from dynseg.viewer.page import hierarchy_page

# The record of what made a folder of outputs; see `dynseg.own_images.record`.
RECORD = "dynseg-run.json"
_INDEXED = 256
# One pixel of line for this many along the longer side, so that lines are seen when a large picture is shown whole.
_PIXELS_PER_LINE_WIDTH = 600


@dataclass(frozen=True)
class Labelled:
    """An image with its result.

    Attributes
    ----------
    image : ndarray, (H, W, 3), uint8, or None
        None where it isn't at hand: formats that show it can't be written then.
    segmentation : Segmentation
    name : str
        The image's path below the folder that was named, with "/" between folders.
    provenance : mapping
        What made the label map; see `dynseg.provenance.describe_run`.
    shared_labels : bool
        Whether labels mean the same in several images: each then has one colour in all of them.
    image_id : str
        What label map files call the image; by default made from its name.
    source : path, optional
        The image's file, for formats that keep what else it says: where it lies on the earth, how large a pixel is.
    bands : ndarray, (H, W, channels), integer or floating, optional
        The channels that were segmented in the numbers of the file, for formats that tell of them.
    valid : ndarray, (H, W), bool, optional
        Which pixels have data; by default all.
    """

    image: NDArray[np.uint8] | None
    segmentation: Segmentation
    name: str
    provenance: Mapping[str, Any]
    shared_labels: bool = False
    image_id: str = ""
    source: Path | None = None
    bands: NDArray[Any] | None = None
    valid: NDArray[np.bool_] | None = None

    @cached_property
    def colours(self) -> NDArray[np.uint8]:
        """A colour for every label; see `label_colours`."""
        return label_colours(self.segmentation.labels, self.shared_labels)

    @property
    def shown(self) -> NDArray[np.uint8]:
        """The image, for formats that show it."""
        if self.image is None:
            raise ValueError(f"the image {self.name} isn't at hand")
        return self.image

    @property
    def hierarchy(self) -> Hierarchy:
        """The result's hierarchy, for formats that hold it."""
        if self.segmentation.hierarchy is None:
            raise ValueError(f"{self.name} has no hierarchy")
        return self.segmentation.hierarchy


def write_outputs(paths: Mapping[str, Path], labelled: Labelled) -> None:
    """Write the label map of an image in several formats; each file appears when it is whole.

    Parameters
    ----------
    paths : mapping from str to path
        Keys of `FORMATS`.
    labelled : Labelled

    Raises
    ------
    UserError
        If a file can't be written.
    """
    for name, path in paths.items():
        FORMATS[name].write(path, labelled)


def label_colours(labels: NDArray[np.integer], shared: bool = False) -> NDArray[np.uint8]:
    """Return a colour for every label.

    Parameters
    ----------
    labels : ndarray, (H, W), integer
        Label map.
    shared : bool
        Choose colours by the label alone, and not by the sizes and neighbours of segments.

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
        Label map, with labels up to 65535.
    colours : ndarray, (largest label + 1, 3), uint8
    """
    if len(colours) > _INDEXED:
        return Image.fromarray(labels.astype(np.uint16))
    picture = Image.fromarray(labels.astype(np.uint8)).convert("P")
    picture.putpalette(colours.ravel().tolist())
    return picture


def _write_png(path: Path, labelled: Labelled) -> None:
    with written_aside(path) as aside:
        indexed_picture(labelled.segmentation.labels, labelled.colours).save(aside)


def _write_overlay(path: Path, labelled: Labelled) -> None:
    painted = labelled.colours[labelled.segmentation.labels]
    with written_aside(path) as aside:
        Image.blend(Image.fromarray(labelled.shown), Image.fromarray(painted), 0.5).save(aside)


def _write_boundaries(path: Path, labelled: Labelled) -> None:
    labels = labelled.segmentation.labels
    width = max(1, round(max(labels.shape) / _PIXELS_PER_LINE_WIDTH))
    with written_aside(path) as aside:
        Image.fromarray(draw_boundaries(labelled.shown, labels, width)).save(aside)


def _write_npy(path: Path, labelled: Labelled) -> None:
    with written_aside(path) as aside:
        np.save(aside, labelled.segmentation.labels)


def _write_hdf5(path: Path, labelled: Labelled) -> None:
    name = labelled.image_id or image_id(labelled.name)
    write_label_maps(path, [(name, labelled.segmentation)], labelled.provenance)


def _write_coco(path: Path, labelled: Labelled) -> None:
    content = coco_annotations(labelled.segmentation.labels, PurePosixPath(labelled.name).name)
    with written_aside(path) as aside:
        aside.write_text(json.dumps(content) + "\n", encoding="utf-8")


def _write_contour_map(path: Path, labelled: Labelled) -> None:
    write_contour_map(path, labelled.hierarchy.ucm())


def _write_viewer(path: Path, labelled: Labelled) -> None:
    # Names of files may be no valid text.
    title = labelled.name.encode(errors="replace").decode()
    data = data_of_segmentation(labelled.shown, labelled.segmentation.labels, labelled.hierarchy, title)
    with written_aside(path) as aside:
        aside.write_text(hierarchy_page([data]), encoding="utf-8")


class Format(NamedTuple):
    """How a format's files end, the function that writes one, and what it can't be written without."""

    suffix: str
    write: Callable[[Path, Labelled], None]
    shows_image: bool = False
    needs_hierarchy: bool = False


FORMATS = {
    "png": Format(".png", _write_png),
    "overlay": Format(".overlay.png", _write_overlay, shows_image=True),
    "boundaries": Format(".boundaries.png", _write_boundaries, shows_image=True),
    "viewer": Format(".viewer.html", _write_viewer, shows_image=True, needs_hierarchy=True),
    "ucm": Format(".mat", _write_contour_map, needs_hierarchy=True),
    "npy": Format(".npy", _write_npy),
    "h5": Format(".h5", _write_hdf5),
    "json": Format(".json", _write_coco),
}
"""Formats by name."""
