"""Which images a job takes: one, or the share of all images that a stable hash gives it."""

import hashlib
import math
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from dynseg.errors import UserError
from dynseg.workflow.layout import batch_file

# "@" is in no image id, so a batch's name is never an image's.
BATCH_NAME = re.compile(r"batch@(\d+)of([1-9]\d*)")


def batches(image_ids: Sequence[str], images_per_job: int) -> dict[str, list[str]]:
    """Return the batches that the images fall into: their names, and the ids of their images, all sorted.

    Parameters
    ----------
    image_ids : sequence of str
    images_per_job : int
        1: each image is a batch of its own, named by its id. More: about that many images share a batch. The
        number of batches is a power of two, so that adding or dropping a few images touches only their batches.
    """
    if images_per_job == 1:
        return {image_id: [image_id] for image_id in sorted(image_ids)}
    count = 2 ** max(0, math.ceil(math.log2(len(image_ids) / images_per_job))) if image_ids else 1
    buckets: dict[int, list[str]] = {}
    for image_id in sorted(image_ids):
        buckets.setdefault(_bucket(image_id, count), []).append(image_id)
    return {f"batch@{index}of{count}": buckets[index] for index in sorted(buckets)}


def batch_images(image_ids: Iterable[str], batch: str) -> list[str]:
    """Return the images of a batch by its name, sorted.

    Raises
    ------
    UserError
        If no image is in the batch.
    """
    match = BATCH_NAME.fullmatch(batch)
    if match:
        index, count = int(match[1]), int(match[2])
        chosen = sorted(image_id for image_id in image_ids if _bucket(image_id, count) == index)
    else:
        chosen = [image_id for image_id in image_ids if image_id == batch]
    if not chosen:
        raise UserError(f"the dataset has no image in {batch!r}: give an image id of images.txt, or batch@INDEXofCOUNT")
    return chosen


def run_files(folder: str | Path, image_ids: Sequence[str], images_per_job: int) -> list[Path]:
    """Return the label map files of a run, beside which files of other batches may lie.

    Parameters
    ----------
    folder : path
        `ResultsTree.label_maps` gives it.
    image_ids : sequence of str
    images_per_job : int
        As for `batches`.
    """
    return [batch_file(folder, name) for name in batches(image_ids, images_per_job)]


def _bucket(image_id: str, count: int) -> int:
    return int.from_bytes(hashlib.sha256(image_id.encode()).digest()[:8]) % count
