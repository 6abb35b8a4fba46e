"""Cuts of hierarchies that are saved already: `dynseg cut`."""

import dataclasses
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from dynseg.errors import UserError
from dynseg.hierarchy import Hierarchy
from dynseg.io.geotiff import unknown_places_said
from dynseg.io.hdf5 import smallest_unsigned
from dynseg.io.hierarchies import NO_HIERARCHY
from dynseg.io.images import Reading, shown_as_rgb
from dynseg.io.label_maps import read_attributes, read_image_ids, read_segmentation
from dynseg.methods.regions import RegionsParameters, cut
from dynseg.metrics import connected_components
from dynseg.own_images.outputs import FORMATS, Labelled, check_formats, write_outputs
from dynseg.regions.few_leaves import warn_of_few_leaves
from dynseg.result import VALID_PIXELS, Segmentation

_logger = logging.getLogger("dynseg")


class SavedHierarchy(NamedTuple):
    """A hierarchy in a file, and the files that its cut goes to.

    Attributes
    ----------
    file : path
    image_id : str
    outputs : dict of str to path
        The files to write, by format.
    """

    file: Path
    image_id: str
    outputs: dict[str, Path]


def plan_cuts(files: Sequence[Path], output: Path, formats: Sequence[str]) -> list[SavedHierarchy]:
    """Plan the outputs of the hierarchies in some files.

    Outputs have the name of the file, or the ids of its images if it has several.

    Parameters
    ----------
    files : sequence of path
        HDF5 files, as `dynseg segment --format h5` writes them.
    output : path
        The folder of outputs.
    formats : sequence of str
        Keys of `dynseg.own_images.outputs.FORMATS`.

    Raises
    ------
    UserError
        If a file can't be read, an output would replace another one or one of the files, two formats write the same
        files, or one needs a package that is missing.
    """
    check_formats(formats)
    inputs = {file.resolve() for file in files}
    planned: list[SavedHierarchy] = []
    taken: dict[Path, str] = {}
    for file in files:
        image_ids = read_image_ids(file)
        for image_id in image_ids:
            name = file.stem if len(image_ids) == 1 else image_id
            outputs = {kind: output / f"{name}{FORMATS[kind].suffix}" for kind in formats}
            for path in outputs.values():
                if path.resolve() in inputs:
                    raise UserError(f"{path} would be replaced by its own cut: choose another folder for --output")
                if path.resolve() in taken:
                    raise UserError(f"{path} would be that of {taken[path.resolve()]} and of {file}: cut one at a time")
                taken[path.resolve()] = str(file)
            planned.append(SavedHierarchy(file, image_id, outputs))
    return planned


def cut_saved(saved: SavedHierarchy, segments: int | None, scale: float | None, photograph: Path | None) -> str:
    """Cut a hierarchy and write the outputs; return the line that tells of it.

    Parameters
    ----------
    saved : SavedHierarchy
    segments : int, optional
        How many regions.
    scale : float, optional
        The threshold to cut at. Without either the label map that was saved beside the hierarchy is written.
    photograph : path, optional
        The image, for formats that show it or tell of its values.

    Raises
    ------
    UserError
        If the file can't be read or has no hierarchy, the photograph has another size, or an output can't be written.
    """
    stored = read_segmentation(saved.file, saved.image_id)
    if stored.hierarchy is None:
        raise UserError(f"{saved.file} {NO_HIERARCHY}")
    provenance = {
        name: value for name, value in read_attributes(saved.file, saved.image_id).items() if name not in stored.facts
    }
    _logger.info("%s: at most %d regions, made by: %s", saved.file, stored.hierarchy.leaf_count, listed(provenance))
    result = _cut_again(stored, stored.hierarchy, segments, scale)
    valid = result.labels > 0 if VALID_PIXELS in stored.facts else None
    labelled = Labelled(None, result, saved.image_id, provenance, image_id=saved.image_id, valid=valid)
    if photograph is not None:
        labelled = _with_photograph(labelled, photograph, saved.file)
    with unknown_places_said():
        write_outputs(saved.outputs, labelled)
    outputs = ", ".join(str(path) for path in saved.outputs.values())
    return f"{saved.file}: {counted(result)} -> {outputs}"


def _cut_again(stored: Segmentation, hierarchy: Hierarchy, segments: int | None, scale: float | None) -> Segmentation:
    if segments is None and scale is None:
        return stored
    if segments is not None:
        warn_of_few_leaves(hierarchy, segments)
    result = cut(hierarchy, RegionsParameters(segments=segments, threshold=scale))
    facts = {**stored.facts, **result.facts}
    # Where a mask left nothing out, the cut numbers regions from 0 all the same.
    shift = int(VALID_PIXELS in facts and hierarchy.valid is None)
    return dataclasses.replace(stored, labels=smallest_unsigned(result.labels + shift), facts=facts)


def listed(values: Mapping[str, Any]) -> str:
    """Return names and values in a line, without those that are long, as arrays are."""
    texts = {
        name: listed(value) if isinstance(value, Mapping) else str(value)
        for name, value in values.items()
        if isinstance(value, Mapping | str | int | float | bool | np.number)
    }
    return ", ".join(f"{name} {text}" for name, text in texts.items())


def counted(result: Segmentation) -> str:
    """Return how many labels or regions a result has, and the threshold of a cut."""
    components, labels = connected_components(result.labels), len(np.unique(result.labels))
    regions = int(components.max())
    if VALID_PIXELS in result.facts:
        # 0 is no label then.
        inside = result.labels > 0
        regions, labels = (len(np.unique(each[inside])) for each in (components, result.labels))
    found = f"{regions} region{'s' * (regions != 1)}"
    if result.hierarchy is None or labels != regions:
        return f"{labels} label{'s' * (labels != 1)} in {found}"
    text = found
    if regions == result.hierarchy.leaf_count:
        text += ", all there are"
    return f"{text} at threshold {result.facts['threshold']:.4f}" if "threshold" in result.facts else text


def _with_photograph(labelled: Labelled, path: Path, hierarchy: Path) -> Labelled:
    picture, shape = Reading().read(path), labelled.segmentation.labels.shape
    height, width = picture.pixels.shape[:2]
    if (height, width) != shape:
        raise UserError(
            f"{path} is {width} × {height} pixels and the regions in {hierarchy} are {shape[1]} × "
            f"{shape[0]}: give the image that they were made of"
        )
    # Which pixels count is what the saved label map says.
    return dataclasses.replace(
        labelled,
        image=shown_as_rgb(picture.pixels),
        name=path.name,
        source=path,
        bands=picture.bands,
        channel_names=picture.channel_names,
    )
