"""What `dynseg segment` writes for an image: label maps, pictures of them, and other programs' formats."""

import importlib.util
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dynseg import __version__
from dynseg.errors import UserError
from dynseg.figures.palette import assign_colours, distinct_colours, draw_boundaries
from dynseg.hierarchy import Hierarchy
from dynseg.io.contour_maps import write_contour_map
from dynseg.io.files import written_aside
from dynseg.io.geotiff import Georeference, note_unknown_place, read_georeference, write_label_raster
from dynseg.io.image_ids import image_id
from dynseg.io.label_maps import write_label_maps
from dynseg.io.ome_writing import write_ome_tiff, write_ome_zarr
from dynseg.io.ome_zarr import is_ome_zarr, read_version
from dynseg.io.pixel_sizes import PixelSize, read_pixel_size
from dynseg.own_images.coco import coco_annotations
from dynseg.own_images.cvat import write_cvat_archive
from dynseg.own_images.geopackage import write_label_polygons
from dynseg.own_images.label_studio import label_studio_task
from dynseg.own_images.labelme import labelme_annotations
from dynseg.result import Segmentation
from dynseg.viewer.data import data_of_segmentation
from dynseg.viewer.page import hierarchy_page

if TYPE_CHECKING:
    import pandas as pd

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
        Which pixels count; the label 0 is that of the others. None where all do, and 0 is a label as any other.
    channel_names : tuple of str
        What the file calls the channels, all of them or none.
    first_label : int
        The smallest number that a label can have, whether this image has it or not.
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
    channel_names: tuple[str, ...] = ()
    first_label: int = 0

    @cached_property
    def colours(self) -> NDArray[np.uint8]:
        """A colour for every label, black for pixels without data; see `label_colours`."""
        colours = label_colours(self.segmentation.labels, self.shared_labels)
        if self.valid is not None:
            colours[0] = 0
        return colours

    @property
    def numbered_from_one(self) -> NDArray[np.integer]:
        """The label map with labels from 1, and 0 where a pixel has no data: one more than elsewhere if all have."""
        labels = self.segmentation.labels
        return labels if self.valid is not None else labels.astype(np.int64) + 1

    @property
    def shown(self) -> NDArray[np.uint8]:
        """The image, for formats that show it."""
        if self.image is None:
            raise ValueError(f"the image {self.name} isn't at hand")
        return self.image

    @property
    def shift(self) -> int:
        """What to add to labels for formats in which 0 means that a pixel has none: 0 if it does so already, or 1."""
        labels = self.segmentation.labels
        may_be_0 = self.shared_labels and self.first_label == 0 and self.valid is None
        return int(may_be_0 or bool((labels == 0).any() if self.valid is None else (labels[self.valid] == 0).any()))

    @property
    def pixel_size(self) -> PixelSize | None:
        """How large a pixel is, if the image's file says so."""
        height, width = self.segmentation.labels.shape
        return None if self.source is None else read_pixel_size(self.source, (height, width))

    @property
    def hierarchy(self) -> Hierarchy:
        """The result's hierarchy, for formats that hold it."""
        if self.segmentation.hierarchy is None:
            raise ValueError(f"{self.name} has no hierarchy")
        return self.segmentation.hierarchy


def check_formats(names: Sequence[str]) -> None:
    """Raise a UserError where formats would write the same file, or one needs a package that isn't there.

    Parameters
    ----------
    names : sequence of str
        Keys of `FORMATS`.

    Examples
    --------
    >>> check_formats(["png", "json"])
    """
    by_suffix: dict[str, str] = {}
    for name in names:
        suffix, package, extra = FORMATS[name].suffix, FORMATS[name].package, FORMATS[name].extra
        other = by_suffix.setdefault(suffix, name)
        if other != name:
            raise UserError(f"--format {other} and --format {name} both write NAME{suffix}: write them to two folders")
        if package and importlib.util.find_spec(package) is None:
            raise UserError(f"--format {name} needs another package: pip install 'dynseg[{extra}]'")


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
    found = coco_annotations(labelled.segmentation.labels, labelled.name, labelled.valid, labelled.shift)
    _write_json(path, found)


def _write_label_studio(path: Path, labelled: Labelled) -> None:
    labels, maker = labelled.segmentation.labels, f"dynseg {__version__}"
    _write_json(path, label_studio_task(labels, labelled.colours, _local_address(labelled), maker, labelled.valid))


def _local_address(labelled: Labelled) -> str:
    """Return the address that Label Studio has for an image if it serves the parent of the folder that was named."""
    name = PurePosixPath(labelled.name)
    if labelled.source is not None:
        folder = Path(os.path.abspath(labelled.source)).parents[len(name.parts) - 1]
        name = PurePosixPath(folder.name) / name
    return f"/data/local-files/?d={quote(str(name).encode(errors='surrogateescape'))}"


def _write_labelme(path: Path, labelled: Labelled) -> None:
    image = labelled.name if labelled.source is None else _path_from(path.parent, labelled.source)
    _write_json(path, labelme_annotations(labelled.segmentation.labels, image, labelled.valid))


def _path_from(folder: Path, file: Path) -> str:
    try:
        return Path(os.path.relpath(file.parent.resolve() / file.name, folder.resolve())).as_posix()
    except ValueError:
        # Windows has no path from one drive to another.
        return str(file.absolute())


def _write_cvat(path: Path, labelled: Labelled) -> None:
    # An image id has no suffix.
    name = labelled.name if labelled.source is None else str(PurePosixPath(labelled.name).with_suffix(""))
    name = name.encode(errors="replace").decode()
    with written_aside(path) as aside, aside.open("wb") as file:
        write_cvat_archive(file, labelled.segmentation.labels, name, labelled.valid)


def _write_csv(path: Path, labelled: Labelled) -> None:
    table = _table(labelled)
    table["neighbours"] = [";".join(map(str, labels)) for labels in table["neighbours"]]
    with written_aside(path) as aside:
        table.to_csv(aside, index=False, lineterminator="\n")


def _write_parquet(path: Path, labelled: Labelled) -> None:
    table = _table(labelled)
    with written_aside(path) as aside:
        table.to_parquet(aside, engine="pyarrow", index=False)


def _table(labelled: Labelled) -> "pd.DataFrame":
    # pandas takes half a second to import, and most runs write no table.
    from dynseg.own_images.tables import region_table

    return region_table(labelled.segmentation.labels, labelled.bands, labelled.valid)


def _write_json(path: Path, content: Any) -> None:
    with written_aside(path) as aside:
        aside.write_text(json.dumps(content) + "\n", encoding="utf-8")


def _write_ome_tiff(path: Path, labelled: Labelled) -> None:
    labels = labelled.segmentation.labels.astype(np.int64) + labelled.shift
    write_ome_tiff(path, labels, labelled.pixel_size, _title(labelled))


def _write_ome_zarr(path: Path, labelled: Labelled) -> None:
    source, shift = labelled.source, labelled.shift
    write_ome_zarr(
        path,
        labelled.shown if labelled.bands is None else labelled.bands,
        labelled.segmentation.labels.astype(np.int64) + shift,
        np.pad(labelled.colours, ((shift, 0), (0, 0))),
        size=labelled.pixel_size,
        channel_names=labelled.channel_names,
        name=_title(labelled),
        version=read_version(source) if source is not None and is_ome_zarr(source) else "",
    )


def _title(labelled: Labelled) -> str:
    # Names of files may be no valid text.
    return labelled.name.encode(errors="replace").decode()


def _write_contour_map(path: Path, labelled: Labelled) -> None:
    write_contour_map(path, labelled.hierarchy.ucm())


def _write_viewer(path: Path, labelled: Labelled) -> None:
    data = data_of_segmentation(labelled.shown, labelled.segmentation.labels, labelled.hierarchy, _title(labelled))
    with written_aside(path) as aside:
        aside.write_text(hierarchy_page([data]), encoding="utf-8")


def _write_geotiff(path: Path, labelled: Labelled) -> None:
    write_label_raster(path, labelled.numbered_from_one, _georeference(labelled))


def _write_geopackage(path: Path, labelled: Labelled) -> None:
    labels = labelled.numbered_from_one
    write_label_polygons(path, labels, labelled.bands, _georeference(labelled), path.stem)


def _georeference(labelled: Labelled) -> Georeference:
    if labelled.source is None:
        raise ValueError(f"the file of {labelled.name} isn't at hand")
    height, width = labelled.segmentation.labels.shape
    georeference = read_georeference(labelled.source, (height, width))
    if not georeference.is_known:
        note_unknown_place(labelled.source)
    return georeference


class Format(NamedTuple):
    """How a format's files end, the function that writes one, and what it can't be written without.

    Attributes
    ----------
    suffix : str
    write : callable
    shows_image : bool
        Whether it shows the image, or names the file of it for a program that does.
    needs_hierarchy : bool
        Whether it holds the hierarchy, which the labels of one network haven't.
    package, extra : str
        A package that the base installation hasn't, and the extra of dynseg that has it.
    takes_image : bool
        Whether it says more where the image is at hand.
    reads_file : bool
        Whether it keeps what the image's file says beside the pixels.
    """

    suffix: str
    write: Callable[[Path, Labelled], None]
    shows_image: bool = False
    needs_hierarchy: bool = False
    package: str = ""
    extra: str = ""
    takes_image: bool = False
    reads_file: bool = False

    @property
    def needs_image(self) -> bool:
        """Whether the image's file must be at hand."""
        return self.shows_image or self.reads_file


FORMATS = {
    "png": Format(".png", _write_png),
    "overlay": Format(".overlay.png", _write_overlay, shows_image=True),
    "boundaries": Format(".boundaries.png", _write_boundaries, shows_image=True),
    "viewer": Format(".viewer.html", _write_viewer, shows_image=True, needs_hierarchy=True),
    "ucm": Format(".mat", _write_contour_map, needs_hierarchy=True),
    "npy": Format(".npy", _write_npy),
    "h5": Format(".h5", _write_hdf5),
    "json": Format(".json", _write_coco),
    "ome-tiff": Format(".ome.tif", _write_ome_tiff, takes_image=True),
    "ome-zarr": Format(".ome.zarr", _write_ome_zarr, shows_image=True, package="ome_zarr", extra="ome"),
    "geotiff": Format(".tif", _write_geotiff, package="rasterio", extra="geo", reads_file=True),
    "gpkg": Format(".gpkg", _write_geopackage, package="pyogrio", extra="geo", reads_file=True),
    "csv": Format(".csv", _write_csv, takes_image=True),
    "parquet": Format(".parquet", _write_parquet, package="pyarrow", extra="tables", takes_image=True),
    "labelstudio": Format(".labelstudio.json", _write_label_studio, shows_image=True),
    "cvat": Format(".cvat.zip", _write_cvat, takes_image=True),
    "labelme": Format(".json", _write_labelme, shows_image=True),
}
"""Formats by name."""
