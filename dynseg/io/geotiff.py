"""Label maps as GeoTIFF, where their image lies on the earth: rasterio, an extra."""

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dynseg.errors import UserError
from dynseg.io.files import written_aside

if TYPE_CHECKING:
    from rasterio.io import DatasetReader, DatasetWriter

_LARGEST = 2**32 - 1
# GDAL's blocks are multiples of this in both directions.
_BLOCK = 16
# The images so far of which nothing says where they lie; None where each is said at once.
_unknown_places: ContextVar[dict[Path, None] | None] = ContextVar("unknown_places", default=None)


@dataclass(frozen=True)
class Georeference:
    """Where the pixels of an image lie on the earth, and how its file cuts them into blocks.

    Attributes
    ----------
    crs : rasterio.crs.CRS or None
        The reference system of the transform.
    transform : affine.Affine
        From columns and rows, counted from the image's corner, to coordinates; the identity if there is none.
    gcps : list of rasterio.control.GroundControlPoint
    gcps_crs : rasterio.crs.CRS or None
        The reference system of the ground control points.
    rpcs : rasterio.rpc.RPC or None
        Coefficients of rational polynomials.
    blocks : dict of str to Any
        Options of GDAL for the layout.
    tags : dict of str to str
        Whether coordinates are those of areas or of points.
    """

    crs: Any
    transform: Any
    gcps: list[Any] = field(default_factory=list)
    gcps_crs: Any = None
    rpcs: Any = None
    blocks: dict[str, Any] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def is_known(self) -> bool:
        """Whether anything says where the image lies."""
        return bool(self.crs is not None or not self.transform.is_identity or self.gcps or self.rpcs is not None)


def read_georeference(source: Path, shape: tuple[int, int]) -> Georeference:
    """Return what a file says of where its pixels lie; nothing is known of one that rasterio can't read.

    Parameters
    ----------
    source : path
    shape : (int, int)
        Height and width of the image as dynseg reads it: nothing is known where the file's own differ.
    """
    import rasterio
    from rasterio.errors import RasterioError

    with _quiet():
        try:
            with rasterio.open(source) as dataset:
                if dataset.shape == shape:
                    return _georeference_of(dataset)
        except RasterioError:
            pass
        return Georeference(None, rasterio.Affine.identity())


@contextmanager
def label_raster(
    path: Path, shape: tuple[int, int], largest: int, georeference: Georeference
) -> "Iterator[DatasetWriter]":
    """Open a label raster to be written, whole or by windows: `raster.write(labels, 1, window=window)`.

    It has one band of the smallest of uint8, uint16 and uint32, deflated, with 0 for no data, the georeference and
    the blocks of the image, and appears when the block ends without an exception.

    Parameters
    ----------
    path : path
    shape : (int, int)
        Height and width, in pixels.
    largest : int
        The largest label that will be written.
    georeference : Georeference

    Raises
    ------
    UserError
        If the file can't be written, or labels don't fit into 32 bits.
    """
    if largest > _LARGEST:
        raise UserError(f"{path} would have the label {largest}, beyond 32 bits: write fewer labels")
    import rasterio
    from rasterio.errors import RasterioError

    profile = {
        "driver": "GTiff",
        "height": shape[0],
        "width": shape[1],
        "count": 1,
        "dtype": next(kind for kind in ("uint8", "uint16", "uint32") if largest <= np.iinfo(kind).max),
        "nodata": 0,
        "compress": "deflate",
        "BIGTIFF": "IF_SAFER",
        **georeference.blocks,
    }
    with written_aside(path) as aside, _quiet():
        try:
            with rasterio.open(aside, "w", **profile) as raster:
                _set_georeference(raster, georeference)
                yield raster
        except RasterioError as error:
            raise UserError(f"{path} can't be written as a GeoTIFF ({error}): choose a writable folder") from error


def write_label_raster(path: Path, labels: NDArray[np.integer], georeference: Georeference) -> None:
    """Write a label map as a GeoTIFF; see `label_raster`.

    Parameters
    ----------
    path : path
    labels : ndarray, (H, W), integer
        From 1; 0 where a pixel has no data.
    georeference : Georeference
    """
    height, width = labels.shape
    with label_raster(path, (height, width), int(labels.max()), georeference) as raster:
        raster.write(labels.astype(raster.dtypes[0]), 1)


@contextmanager
def unknown_places_said() -> Iterator[None]:
    """Log, in one line at the end of a block, for how many images nothing said where they lie.

    They are those that `note_unknown_place` was told of.
    """
    sources: dict[Path, None] = {}
    token = _unknown_places.set(sources)
    try:
        yield
    finally:
        _unknown_places.reset(token)
        _say_unknown_places(list(sources))


def note_unknown_place(source: Path) -> None:
    """Note that nothing says where an image lies, to be logged at the end of `unknown_places_said`, or else at once."""
    sources = _unknown_places.get()
    if sources is None:
        _say_unknown_places([source])
    else:
        sources[source] = None


def _say_unknown_places(sources: Sequence[Path]) -> None:
    logger = logging.getLogger("dynseg")
    if len(sources) == 1:
        logger.warning("%s says nothing of where it lies: coordinates are columns and rows of its pixels", sources[0])
    elif sources:
        logger.warning(
            "%d images say nothing of where they lie, %s the first: coordinates are columns and rows of their pixels",
            len(sources),
            sources[0],
        )


def _georeference_of(dataset: "DatasetReader") -> Georeference:
    gcps, gcps_crs = dataset.gcps
    point = dataset.tags().get("AREA_OR_POINT")
    return Georeference(
        dataset.crs,
        dataset.transform,
        list(gcps),
        gcps_crs,
        dataset.rpcs,
        _blocks_of(dataset),
        {"AREA_OR_POINT": point} if point else {},
    )


def _blocks_of(dataset: "DatasetReader") -> dict[str, Any]:
    """Return the options for the same tiles or strips; nothing for what isn't a TIFF."""
    if dataset.driver != "GTiff":
        return {}
    height, width = dataset.block_shapes[0]
    if width == dataset.width:
        return {"blockysize": height}
    return {"tiled": True, "blockxsize": width, "blockysize": height} if not (height % _BLOCK or width % _BLOCK) else {}


def _set_georeference(raster: "DatasetWriter", georeference: Georeference) -> None:
    if georeference.gcps:
        raster.gcps = (georeference.gcps, georeference.gcps_crs)
    else:
        if georeference.crs is not None:
            raster.crs = georeference.crs
        if not georeference.transform.is_identity:
            raster.transform = georeference.transform
    if georeference.rpcs is not None:
        raster.rpcs = georeference.rpcs
    if georeference.tags:
        raster.update_tags(**georeference.tags)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep rasterio from warning of pictures without a georeference, which have a sentence of their own."""
    from rasterio.errors import NotGeoreferencedWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        yield
