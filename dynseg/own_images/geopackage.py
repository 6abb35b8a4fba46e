"""Label maps as polygons in a GeoPackage: rasterio, shapely and pyogrio, an extra."""

import shutil
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dynseg.errors import UserError
from dynseg.io.files import written_aside
from dynseg.io.geotiff import Georeference


def write_label_polygons(
    path: Path, labels: NDArray[np.integer], bands: NDArray[Any] | None, georeference: Georeference, layer: str
) -> None:
    """Write a label map as one multipolygon a label, along the borders of pixels: neighbours share their edges.

    Fields are `label`; `area`, in square units of the reference system if that is projected, else in pixels; `count`,
    in pixels; and for every band, in the numbers of its file, `mean_1`, `mean_2` … and the standard deviations
    `std_1`, `std_2` … over the label's pixels.

    Parameters
    ----------
    path : path
    labels : ndarray, (H, W), integer
        From 1; 0 where a pixel has no data.
    bands : ndarray, (H, W, bands), integer or floating, optional
        The image in the numbers of its file.
    georeference : Georeference
        Without a transform, coordinates are columns and rows of pixels.
    layer : str
        The name of the layer.

    Raises
    ------
    UserError
        If the file can't be written.
    """
    import shapely
    from pyogrio import raw
    from pyogrio.errors import DataSourceError

    found, shapes = _multipolygons(labels, georeference.transform)
    fields = {"label": found, **_areas(labels, found, georeference), **_statistics(labels, found, bands)}
    # The driver wants to make the file itself, and takes "!" and ";" in paths for archives and parameters.
    with written_aside(path) as aside, tempfile.TemporaryDirectory(prefix="dynseg") as folder:
        made = Path(folder) / "labels.gpkg"
        try:
            with warnings.catch_warnings():
                # Without a reference system coordinates are pixels, which is said elsewhere.
                warnings.filterwarnings("ignore", "'crs' was not provided", UserWarning)
                raw.write(
                    made,
                    shapely.to_wkb(shapes),
                    list(fields.values()),
                    list(fields),
                    layer=layer,
                    driver="GPKG",
                    geometry_type="MultiPolygon",
                    crs=None if georeference.crs is None else georeference.crs.to_wkt(),
                )
        except DataSourceError as error:
            raise UserError(f"{path} can't be written as a GeoPackage ({error}): choose a writable folder") from error
        shutil.copyfile(made, aside)


def _multipolygons(labels: NDArray[np.integer], transform: Any) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """Return the labels but 0, ascending, and the multipolygon of each."""
    import shapely
    from rasterio.features import shapes

    traced = list(shapes(labels.astype(np.int32), mask=labels > 0, connectivity=4, transform=transform))
    owners = np.array([int(label) for _, label in traced], np.int64)
    polygons = np.array([shapely.geometry.shape(geometry) for geometry, _ in traced], object)
    order = np.argsort(owners, kind="stable")
    found, places = np.unique(owners[order], return_inverse=True)
    return found, np.asarray(shapely.multipolygons(polygons[order], indices=places)) if found.size else polygons


def _areas(labels: NDArray[np.integer], found: NDArray[np.int64], georeference: Georeference) -> dict[str, Any]:
    counts = np.bincount(labels.ravel(), minlength=1)[found]
    is_projected = georeference.crs is not None and georeference.crs.is_projected
    side = abs(georeference.transform.determinant) if is_projected else 1.0
    return {"area": counts * side, "count": counts}


def _statistics(
    labels: NDArray[np.integer], found: NDArray[np.int64], bands: NDArray[Any] | None
) -> dict[str, NDArray[np.float64]]:
    if bands is None:
        return {}
    names = {
        f"{kind}_{band + 1}": f"intensity_{kind}-{band}" for kind in ("mean", "std") for band in range(bands.shape[2])
    }
    if not found.size:
        return {name: np.empty(0) for name in names}
    # pandas, which comes with it, takes half a second to import.
    from dynseg.own_images.tables import band_statistics

    statistics = band_statistics(np.where(labels > 0, np.searchsorted(found, labels) + 1, 0), bands)
    return {name: statistics[other] for name, other in names.items()}
