"""Small archives in the layouts of the benchmarks."""

import gzip
import io
import tarfile
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.io import savemat


def picture(height: int = 4, width: int = 6, kind: str = "JPEG", mode: str = "RGB") -> bytes:
    content = io.BytesIO()
    Image.new(mode, (width, height), 90).save(content, kind)
    return content.getvalue()


def label_png(labels: np.ndarray) -> bytes:
    """A palette PNG as VOC has them."""
    image = Image.new("P", labels.shape[::-1])
    image.putpalette([value for index in range(256) for value in (index, 255 - index, index // 2)])
    image.putdata(labels.ravel().tolist())
    content = io.BytesIO()
    image.save(content, "PNG")
    return content.getvalue()


def bsd_mat(*segmentations: np.ndarray) -> bytes:
    cells = np.empty((1, len(segmentations)), dtype=object)
    for number, segmentation in enumerate(segmentations):
        cells[0, number] = {"Segmentation": segmentation, "Boundaries": segmentation > 1}
    content = io.BytesIO()
    savemat(content, {"groundTruth": cells}, do_compression=True)
    return content.getvalue()


def tgz(path: Path, files: dict[str, bytes]) -> Path:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(data), 1_000_000_000
            archive.addfile(info, io.BytesIO(data))
    path.write_bytes(gzip.compress(content.getvalue()))
    return path


def folder(path: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data)
    return path
