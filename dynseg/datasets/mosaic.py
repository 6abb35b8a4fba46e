"""The embedded benchmark: mosaics of real textures and photographs, whose ground truth is exact.

Everything comes from the pictures inside the scikit-image wheel, so nothing is downloaded. A mosaic is written in
BSD500's archive layout and takes the same path as BSD500 from there on.
"""

import gzip
import io
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import Field
from scipy.io import savemat
from scipy.ndimage import binary_dilation, gaussian_filter

from dynseg.datasets import Kind, bsd500
from dynseg.datasets.photographs import MODIFIED, picture_path
from dynseg.io.files import written_aside
from dynseg.io.images import read_image, shown_as_rgb
from dynseg.metrics.relabelling import relabel
from dynseg.parameters import Section

SIZE = (160, 120)

_MAT_TEXT = b"MATLAB 5.0 MAT-file, written by dynseg"
_MAT_TEXT_BYTES = 116
_REGIONS = 5
_BRIGHTNESS = (0.65, 1.15)
_SUPERSAMPLING = 2
_PLACES = 12


@dataclass(frozen=True)
class Material:
    """A texture: a part of one of the wheel's pictures.

    Attributes
    ----------
    picture : str
        File name.
    box : tuple of int
        Left, top, right and bottom of the part, in pixels.
    scale : float
        How much it is enlarged, for a mosaic of the default size.
    tint : tuple of int
        What 255 becomes (red, green, blue), more than 255 to make it lighter.
    """

    picture: str
    box: tuple[int, int, int, int]
    scale: float
    tint: tuple[int, int, int] = (255, 255, 255)


MATERIALS = {
    "grass": Material("grass.png", (0, 0, 512, 512), 0.4, (190, 280, 120)),
    "gravel": Material("gravel.png", (0, 0, 512, 512), 0.36, (255, 250, 240)),
    "brick": Material("brick.png", (0, 0, 512, 512), 0.27, (330, 160, 125)),
    "sand": Material("moon.png", (0, 180, 300, 512), 0.5, (400, 340, 245)),
    "sky": Material("rocket.jpg", (110, 0, 520, 95), 0.6, (480, 500, 480)),
    "wood": Material("coffee.png", (430, 0, 600, 90), 0.7),
    "tissue": Material("ihc.png", (10, 10, 180, 140), 0.6),
    "stars": Material("hubble_deep_field.jpg", (0, 0, 1000, 872), 0.35),
}


@dataclass(frozen=True)
class CutOut:
    """A thing: a part of one of the wheel's pictures inside an ellipse or a silhouette.

    Attributes
    ----------
    picture : str
        File name of what fills it.
    box : tuple of int
        Left, top, right and bottom of the part.
    height : float
        Its height as a part of the mosaic's.
    silhouette : str or None
        File name of a picture whose dark pixels are the thing; the ellipse in the box if None.
    tint : tuple of int
        What 255 becomes (red, green, blue).
    """

    picture: str
    box: tuple[int, int, int, int]
    height: float
    silhouette: str | None = None
    tint: tuple[int, int, int] = (255, 255, 255)


CUT_OUTS = (
    CutOut("chelsea.png", (215, 5, 330, 85), 0.7, "horse.png", (330, 300, 270)),
    CutOut("coffee.png", (172, 16, 405, 160), 0.35),
    CutOut("retina.jpg", (8, 8, 1402, 1402), 0.4),
    CutOut("coins.png", (305, 14, 363, 71), 0.35, None, (255, 215, 120)),
    CutOut("chelsea.png", (60, 10, 390, 300), 0.5),
)


def compose_mosaic(archive_path: str | Path, images: int = 6, size: tuple[int, int] = SIZE, seed: int = 0) -> None:
    """Write mosaics with their ground truth as an archive in the layout of BSD500, all in its test split.

    Every mosaic has curved regions of real textures and on them one or two things cut out of photographs. Its three
    annotators are of different fineness: every region; the two neighbouring regions of one material as
    one; things and ground.

    Parameters
    ----------
    archive_path : path
        The .tgz to write; the same images, size and seed make the same bytes.
    images : int
        Number of mosaics; every third one stands upright.
    size : tuple of int
        Width and height in pixels of those that lie.
    seed : int
        Seed of every random choice; mosaic i is the same whatever their number.

    Raises
    ------
    UserError
        If the archive can't be written or scikit-image was installed without its pictures.
    """
    with (
        written_aside(archive_path) as aside,
        aside.open("wb") as raw,
        gzip.GzipFile(filename="", fileobj=raw, mode="wb", mtime=0) as compressed,
        tarfile.open(fileobj=compressed, mode="w", format=tarfile.USTAR_FORMAT) as archive,
    ):
        for index in range(images):
            width, height = size if index % 3 != 2 else size[::-1]
            image, annotations = mosaic(np.random.default_rng([seed, index]), height, width)
            name = f"mosaic{index + 1:03d}"
            _add(archive, f"BSR/BSDS500/data/images/test/{name}.png", _png(image))
            _add(archive, f"BSR/BSDS500/data/groundTruth/test/{name}.mat", _mat(annotations))


def mosaic(rng: np.random.Generator, height: int, width: int) -> tuple[NDArray[np.uint8], list[NDArray[np.uint16]]]:
    """Compose one mosaic.

    Parameters
    ----------
    rng : Generator
        Source of every random choice.
    height, width : int
        Its size in pixels.

    Returns
    -------
    image : ndarray, (height, width, 3) uint8
    annotations : list of ndarray, (height, width) uint16
        Label maps from 1, the finest first.
    """
    # Composed at twice the size, so that regions meet in mixed pixels as they do in photographs.
    shape = (height * _SUPERSAMPLING, width * _SUPERSAMPLING)
    regions = _curved_regions(rng, shape, _REGIONS)
    materials = list(rng.choice(list(MATERIALS), size=_REGIONS, replace=False))
    # The last region is of the same material as one beside it, only lighter or darker.
    twin = int(rng.choice(_neighbours(regions, _REGIONS - 1)))
    materials[-1] = materials[twin]
    image = np.zeros((*shape, 3))
    brightness = rng.permutation(np.linspace(*_BRIGHTNESS, _REGIONS))
    brightness[[twin, -1]] = rng.permutation(_BRIGHTNESS)
    for region, material in enumerate(materials):
        inside = regions == region
        image[inside] = brightness[region] * _texture(rng, MATERIALS[material], shape)[inside]
    things = np.zeros(shape, dtype=np.intp)
    for number, cut_out in enumerate(rng.choice(len(CUT_OUTS), size=int(rng.integers(1, 3)), replace=False), start=1):
        _paste(rng, image, things, CUT_OUTS[cut_out], number)
    image *= 1 + 0.12 * _smooth_noise(rng, shape, shape[0] / 3)[:, :, np.newaxis]
    image = image.reshape(height, _SUPERSAMPLING, width, _SUPERSAMPLING, 3).mean(axis=(1, 3))
    pixels = np.rint(image.clip(0, 255)).astype(np.uint8)
    regions, things = (labels[::_SUPERSAMPLING, ::_SUPERSAMPLING] for labels in (regions, things))
    merged = np.where(regions == _REGIONS - 1, twin, regions)
    return pixels, [
        _numbered(np.where(things > 0, _REGIONS + things, regions)),
        _numbered(np.where(things > 0, _REGIONS + things, merged)),
        _numbered(things),
    ]


def _curved_regions(rng: np.random.Generator, shape: tuple[int, int], count: int) -> NDArray[np.intp]:
    """Divide the plane into Voronoi cells of points far from each other, seen through a smooth distortion."""
    candidates = rng.random((count, 30, 2)) * shape
    points = candidates[0, :1]
    for more in candidates[1:]:
        distances = np.linalg.norm(more[:, np.newaxis] - points, axis=2).min(axis=1)
        points = np.vstack([points, more[distances.argmax()]])
    grid = np.moveaxis(np.indices(shape).astype(float), 0, -1)
    grid += 0.06 * max(shape) * np.stack([_smooth_noise(rng, shape, shape[0] / 9) for _ in range(2)], axis=-1)
    nearest: NDArray[np.intp] = np.linalg.norm(grid[:, :, np.newaxis] - points, axis=3).argmin(axis=2)
    return nearest


def _neighbours(regions: NDArray[np.intp], region: int) -> NDArray[np.intp]:
    beside = binary_dilation(regions == region) & (regions != region)
    return np.unique(regions[beside])


def _smooth_noise(rng: np.random.Generator, shape: tuple[int, int], scale: float) -> NDArray[np.float64]:
    noise: NDArray[np.float64] = gaussian_filter(rng.standard_normal(shape), scale)
    return noise / float(noise.std())


def _texture(rng: np.random.Generator, material: Material, shape: tuple[int, int]) -> NDArray[np.float64]:
    """Cut a patch of the given size out of a material at a random place."""
    scale = material.scale * min(shape) / min(SIZE)
    texture = _tinted(material.picture, material.box, scale, scale, material.tint)
    missing = [max(0, wanted - there) for wanted, there in zip(shape, texture.shape, strict=False)]
    texture = np.pad(texture, ((0, missing[0]), (0, missing[1]), (0, 0)), mode="symmetric")
    top, left = (int(rng.integers(there - wanted + 1)) for wanted, there in zip(shape, texture.shape, strict=False))
    return texture[top : top + shape[0], left : left + shape[1]]


def _paste(
    rng: np.random.Generator, image: NDArray[np.float64], things: NDArray[np.intp], cut_out: CutOut, number: int
) -> None:
    """Lay a thing on the image at a random place where it is whole and hides little of others, and note its number."""
    outline = _ellipse(cut_out) if cut_out.silhouette is None else _silhouette(cut_out.silhouette)
    scale = cut_out.height * min(image.shape[:2]) / outline.shape[0]
    height, width = (round(scale * length) for length in outline.shape)
    inside = np.asarray(Image.fromarray(outline).resize((width, height), Image.Resampling.BOX)) > 127
    left, top, right, bottom = cut_out.box
    filling = _tinted(cut_out.picture, cut_out.box, width / (right - left), height / (bottom - top), cut_out.tint)
    places = rng.integers(0, (image.shape[0] - height, image.shape[1] - width), (_PLACES, 2), endpoint=True)
    y, x = min(places.tolist(), key=lambda place: _covered(things, place, inside))
    image[y : y + height, x : x + width][inside] = filling[inside]
    things[y : y + height, x : x + width][inside] = number


def _covered(things: NDArray[np.intp], place: list[int], inside: NDArray[np.bool_]) -> int:
    y, x = place
    return int(np.count_nonzero(things[y : y + inside.shape[0], x : x + inside.shape[1]][inside]))


def _ellipse(cut_out: CutOut) -> NDArray[np.uint8]:
    left, top, right, bottom = cut_out.box
    y, x = np.mgrid[-1 : 1 : (bottom - top) * 1j, -1 : 1 : (right - left) * 1j]
    return np.where(x**2 + y**2 < 0.97, 255, 0).astype(np.uint8)


def _silhouette(name: str) -> NDArray[np.uint8]:
    outline = 255 - _picture(name)[:, :, 0]
    rows, columns = np.nonzero(outline > 127)
    return outline[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]


def _tinted(
    name: str, box: tuple[int, int, int, int], horizontal: float, vertical: float, tint: tuple[int, int, int]
) -> NDArray[np.float64]:
    left, top, right, bottom = box
    size = round((right - left) * horizontal), round((bottom - top) * vertical)
    part = Image.fromarray(_picture(name)).resize(size, Image.Resampling.LANCZOS, box)
    return np.asarray(part) * (np.array(tint) / 255)


def _numbered(labels: NDArray[np.intp]) -> NDArray[np.uint16]:
    return (relabel(labels)[1] + 1).astype(np.uint16)


@cache
def _picture(name: str) -> NDArray[np.uint8]:
    return shown_as_rgb(read_image(picture_path(name)))


def _png(image: NDArray[np.uint8]) -> bytes:
    content = io.BytesIO()
    Image.fromarray(image).save(content, "PNG")
    return content.getvalue()


def _mat(annotations: list[NDArray[np.uint16]]) -> bytes:
    """Write annotations as BSD500 has them: `groundTruth{i}.Segmentation` and `.Boundaries`."""
    cells = np.empty((1, len(annotations)), dtype=object)
    for number, segmentation in enumerate(annotations):
        boundaries = np.zeros(segmentation.shape, dtype=np.uint8)
        boundaries[1:] |= segmentation[1:] != segmentation[:-1]
        boundaries[:, 1:] |= segmentation[:, 1:] != segmentation[:, :-1]
        cells[0, number] = {"Segmentation": segmentation, "Boundaries": boundaries}
    content = io.BytesIO()
    savemat(content, {"groundTruth": cells}, do_compression=True)
    # SciPy writes the time of day at the start.
    return _MAT_TEXT.ljust(_MAT_TEXT_BYTES) + content.getvalue()[_MAT_TEXT_BYTES:]


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    member.mtime = MODIFIED
    archive.addfile(member, io.BytesIO(content))


class Keys(Section):
    """Keys of a configuration's entry of this kind."""

    images: Annotated[int, Field(ge=1, description="how many mosaics to compose")] = 6
    seed: Annotated[int, Field(ge=0, description="seed of their composition")] = 0


def expected(entry: Mapping[str, Any]) -> list[tuple[int, int]]:
    """Return the sizes of the mosaics; see `dynseg.datasets.Kind`."""
    width, height = SIZE
    return [(height, width)] * int(entry.get("images", 6))


kind = Kind(
    bsd500.read_examples,
    keys=Keys,
    options=bsd500.OPTIONS,
    annotated=True,
    made_as="mosaic.tgz",
    expected=expected,
)
