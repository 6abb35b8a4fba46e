"""Label maps as archives that CVAT imports: its format "Segmentation mask 1.1", which is that of PASCAL VOC."""

import io
import zipfile
from typing import IO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dynseg.own_images.masks import connected_regions, label_name

MAX_INSTANCES = 255
"""The most regions that the colours of CVAT's instances tell apart."""

_BACKGROUND = "background"


def write_cvat_archive(
    file: IO[bytes], labels: NDArray[np.integer], name: str, valid: NDArray[np.bool_] | None = None
) -> None:
    """Write a label map as an archive for CVAT's import of annotations.

    Parameters
    ----------
    file : binary file
    labels : ndarray, (H, W), integer
        Label map.
    name : str
        The image's name in CVAT without its suffix, with "/" between folders.
    valid : ndarray, (H, W), bool, optional
        Which pixels have data; by default all. The others are background.

    Notes
    -----
    The archive has the names and colours of the labels, a picture of them, and a picture of the connected regions if
    these are no more than `MAX_INSTANCES`. Without it CVAT takes all pixels of a label for one mask.

    Examples
    --------
    >>> import io, zipfile
    >>> import numpy as np
    >>> file = io.BytesIO()
    >>> write_cvat_archive(file, np.array([[0, 7]]), "a")
    >>> print(zipfile.ZipFile(file).read("labelmap.txt").decode(), end="")
    # label:color_rgb:parts:actions
    background:0,0,0::
    label 0:128,0,0::
    label 7:0,128,0::
    """
    regions = connected_regions(labels, valid)
    present, places = np.unique(labels[regions > 0], return_inverse=True)
    classes = np.zeros(labels.shape, dtype=np.int64)
    classes[regions > 0] = places + 1
    colours = _colours(len(present) + 1)
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("labelmap.txt", _label_map(present, colours))
        archive.writestr("ImageSets/Segmentation/default.txt", f"{name}\n")
        archive.writestr(f"SegmentationClass/{name}.png", _png(classes, colours))
        if (count := int(regions.max())) <= MAX_INSTANCES:
            archive.writestr(f"SegmentationObject/{name}.png", _png(regions, _colours(count + 1)))


def _label_map(labels: NDArray[np.integer], colours: NDArray[np.uint8]) -> str:
    names = [_BACKGROUND, *(label_name(int(label)) for label in labels)]
    lines = [f"{name}:{','.join(map(str, colour))}::\n" for name, colour in zip(names, colours.tolist(), strict=True)]
    return f"# label:color_rgb:parts:actions\n{''.join(lines)}"


def _colours(count: int) -> NDArray[np.uint8]:
    """Return the first colours of PASCAL VOC, all different: the bits of a number are dealt out to the channels."""
    numbers = np.arange(count)
    colours = np.zeros((count, 3), dtype=np.int64)
    for bit in range(8):
        for channel in range(3):
            colours[:, channel] |= (numbers >> 3 * bit + channel & 1) << 7 - bit
    return colours.astype(np.uint8)


def _png(numbers: NDArray[np.integer], colours: NDArray[np.uint8]) -> bytes:
    content = io.BytesIO()
    Image.fromarray(colours[numbers]).save(content, format="PNG")
    return content.getvalue()
