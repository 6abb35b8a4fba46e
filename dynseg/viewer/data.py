"""What the browser needs of an image and its hierarchy, small enough to stand in a page."""

import base64
import io
import zlib
from typing import Any, TypedDict

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from dynseg.hierarchy import Hierarchy
from dynseg.metrics.components import connected_components

PREVIEW_SIDE = 1000
_QUALITY = 80


class HierarchyData(TypedDict):
    """An image and its hierarchy as JSON; arrays are little-endian, zlib-compressed and in base64.

    `size` and `full_size` are (width, height) of the preview and of the image, in pixels. `picture` is a WebP.
    `leaves` holds each row of the preview's leaf map less the row above it, int32. `parents` (2n − 1, int32) and
    `altitudes` (of the n − 1 internal nodes, float32) are the tree; `areas` (n, int32, pixels of the whole image) and
    `colours` (n × 3, uint8, mean sRGB) describe its leaves.
    """

    title: str
    size: tuple[int, int]
    full_size: tuple[int, int]
    suggested: int | None
    picture: str
    leaves: str
    parents: str
    altitudes: str
    areas: str
    colours: str


def hierarchy_data(
    image: NDArray[np.uint8],
    leaves: NDArray[np.integer],
    parents: NDArray[np.integer],
    altitudes: NDArray[np.floating],
    title: str,
    suggested: int | None = None,
    longest_side: int = PREVIEW_SIDE,
) -> HierarchyData:
    """Return what `dynsegHierarchy(element, data)` shows in the browser.

    The tree is a binary partition tree as Higra stores it: nodes 0 to n − 1 are the leaves, those after them are
    merges in the order in which they are made, and the last one, the root, is its own parent. K regions are what the
    first n − K merges leave.

    Parameters
    ----------
    image : ndarray, (H, W, 3) uint8
        sRGB.
    leaves : ndarray, (H, W), integer
        The leaf of every pixel, 0 to n − 1, each of them at least once.
    parents : ndarray, (2n − 1,), integer
    altitudes : ndarray, (2n − 1,), floating
        Where each node appears: 0 for leaves, not decreasing over merges.
    title : str
        What the image is called. Any text: it is never read as markup.
    suggested : int, optional
        Number of regions to begin with, 1 to n.
    longest_side : int
        Of the preview, in pixels. Leaf maps are reduced by nearest neighbour; areas and colours are those of the whole
        image whatever the preview leaves out.

    Raises
    ------
    ValueError
        If the arrays don't belong together.

    Examples
    --------
    >>> import numpy as np
    >>> image = np.zeros((2, 3, 3), dtype=np.uint8)
    >>> leaves = np.array([[0, 1, 1], [0, 1, 2]])
    >>> data = hierarchy_data(image, leaves, np.array([3, 3, 4, 4, 4]), np.array([0, 0, 0, 0.2, 0.7]), "a photograph")
    >>> data["size"]
    (3, 2)
    """
    areas = _leaf_areas(image, leaves, parents, altitudes, suggested)
    height, width = leaves.shape
    size = _preview_size(width, height, longest_side)
    picture = Image.fromarray(image)
    if picture.size != size:
        picture = picture.resize(size, Image.Resampling.LANCZOS)
    return {
        "title": title,
        "size": size,
        "full_size": (width, height),
        "suggested": suggested,
        "picture": webp_data(picture, _QUALITY),
        "leaves": _packed(_row_differences(_nearest(leaves, size)), np.int32),
        "parents": _packed(parents, np.int32),
        "altitudes": _packed(altitudes[len(areas) :], np.float32),
        "areas": _packed(areas, np.int32),
        "colours": _packed(_leaf_colours(image, leaves, areas), np.uint8),
    }


def data_of_segmentation(
    image: NDArray[np.uint8],
    labels: NDArray[np.integer],
    hierarchy: Hierarchy,
    title: str,
    longest_side: int = PREVIEW_SIDE,
) -> HierarchyData:
    """Return what `hierarchy_data` does of a method's result; it begins with as many regions as the label map has.

    Parameters
    ----------
    image : ndarray, (H, W, 3) uint8
        sRGB.
    labels : ndarray, (H, W), integer
        The label map.
    hierarchy : Hierarchy
        Of the image's size.
    title, longest_side
        As for `hierarchy_data`.

    Raises
    ------
    ValueError
        If the image and the hierarchy differ in size.
    """
    # The page knows no pixels without data: they are a region of their own.
    hierarchy = hierarchy.with_gaps_as_leaf()
    return hierarchy_data(
        image,
        hierarchy.leaves,
        hierarchy.parents,
        np.concatenate([np.zeros(hierarchy.leaf_count), hierarchy.altitudes]),
        title,
        suggested=min(int(connected_components(labels).max()), hierarchy.leaf_count),
        longest_side=longest_side,
    )


def webp_data(picture: Image.Image, quality: int) -> str:
    """Return a picture as WebP in base64."""
    buffer = io.BytesIO()
    picture.save(buffer, format="WEBP", quality=quality, method=4)
    return base64.b64encode(buffer.getvalue()).decode()


def _leaf_areas(
    image: NDArray[Any], leaves: NDArray[Any], parents: NDArray[Any], altitudes: NDArray[Any], suggested: int | None
) -> NDArray[np.int64]:
    """Count the pixels of each leaf, and refuse arrays that don't belong together."""
    areas = np.bincount(leaves.ravel())
    count = len(areas)
    if image.shape != (*leaves.shape, 3) or image.dtype != np.uint8:
        raise ValueError(
            f"an image (H, W, 3) uint8 with the leaves' H and W is needed, not {image.shape} {image.dtype}"
        )
    if not areas.all() or not len(parents) == len(altitudes) == 2 * count - 1:
        raise ValueError(f"{count} leaves, each with pixels, need {2 * count - 1} parents and altitudes")
    nodes = np.arange(2 * count - 1)
    if parents[-1] != nodes[-1] or not (parents[:-1] > np.maximum(nodes[:-1], count - 1)).all():
        raise ValueError(
            "parents must come after their children, and the root must be the last node and its own parent"
        )
    if suggested is not None and not 1 <= suggested <= count:
        raise ValueError(f"the suggested number of regions must lie between 1 and {count}, not be {suggested}")
    return areas


def _leaf_colours(image: NDArray[np.uint8], leaves: NDArray[Any], areas: NDArray[Any]) -> NDArray[np.uint8]:
    sums = [np.bincount(leaves.ravel(), weights=image[:, :, band].ravel()) for band in range(3)]
    means: NDArray[np.float64] = np.stack(sums, axis=1) / areas[:, np.newaxis]
    return np.rint(means).astype(np.uint8)


def _preview_size(width: int, height: int, longest_side: int) -> tuple[int, int]:
    factor = min(1.0, longest_side / max(width, height))
    return max(1, round(width * factor)), max(1, round(height * factor))


def _nearest(leaves: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    """Take the leaf at the centre of each pixel of the preview; `size` is (width, height)."""
    columns, rows = (
        ((np.arange(small) + 0.5) * large / small).astype(np.intp)
        for small, large in zip(size, reversed(leaves.shape), strict=True)
    )
    return leaves[np.ix_(rows, columns)]


def _row_differences(leaves: NDArray[Any]) -> NDArray[np.int32]:
    rows = leaves.astype(np.int32)
    return np.concatenate([rows[:1], rows[1:] - rows[:-1]])


def _packed(values: ArrayLike, dtype: type[np.generic]) -> str:
    little_endian = np.asarray(values).astype(np.dtype(dtype).newbyteorder("<"))
    return base64.b64encode(zlib.compress(little_endian.tobytes(), 9)).decode()
