"""The images of a batch that are done, kept until the batch is, so that neither a kill nor a bad image undoes them."""

import hashlib
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from dynseg.errors import UserError
from dynseg.io.label_maps import read_segmentation, write_label_maps
from dynseg.result import Segmentation


def segment_once(
    output: Path, image_id: str, made_by: bytes, segment: Callable[[], Segmentation], provenance: Mapping[str, Any]
) -> Segmentation:
    """Return what an earlier attempt at a batch kept of an image, or segment it and keep it.

    Parameters
    ----------
    output : path
        The batch's file; what is kept lies beside it until `forget` is called.
    image_id : str
    made_by : bytes
        All that decides the result; what was made by something else isn't returned.
    segment : callable
    provenance : mapping
        As `write_label_maps` takes it.
    """
    kept = _folder(output) / f"{hashlib.sha256(made_by).hexdigest()}.h5"
    if kept.exists():
        try:
            return read_segmentation(kept, image_id)
        except UserError:
            # Another process may have finished the batch meanwhile.
            pass
    segmentation = segment()
    write_label_maps(kept, [(image_id, segmentation)], provenance)
    return segmentation


def forget(output: Path) -> None:
    """Remove all that is kept of a batch."""
    shutil.rmtree(_folder(output), ignore_errors=True)


def _folder(output: Path) -> Path:
    return output.with_name(f".{output.stem}.unfinished")
