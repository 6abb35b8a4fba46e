"""Files of annotations for tests."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from numpy.typing import NDArray

from dynseg.io.files import written_aside
from dynseg.io.ground_truth import store_annotations


def write_ground_truth(
    path: str | Path, annotations: Iterable[tuple[str, NDArray]], attributes: Mapping[str, str]
) -> None:
    """Write a ground_truth.h5 whole or not at all."""
    with written_aside(path) as aside:
        store_annotations(aside, annotations, attributes)
