"""Label maps and annotations that somebody else made, found by image; and contour maps."""

import logging
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
from numpy.typing import NDArray

from dynseg.errors import UserError
from dynseg.hierarchy import Hierarchy
from dynseg.io.annotations import group_annotators, numbered_segments
from dynseg.io.contour_hierarchy import hierarchy_of_contour_map
from dynseg.io.contour_maps import CONTOUR_THRESHOLDS, cut_at_thresholds, cut_contour_map
from dynseg.io.ground_truth import read_annotated_ids, read_segments
from dynseg.io.hdf5 import member, names, opened_hdf5
from dynseg.io.image_ids import image_id as id_of_path
from dynseg.io.images import has_palette
from dynseg.io.label_files import LABEL_SUFFIXES, as_label_map, read_label_maps
from dynseg.io.label_maps import read_hierarchy, read_series
from dynseg.io.mat73_files import read_matlab_array
from dynseg.io.mat_files import is_mat, read_mat_contour_map, read_mat_label_map_series
from dynseg.metrics.contingency import count_labels
from dynseg.result import LabelMapSeries

HDF5_SUFFIXES = frozenset({".h5", ".hdf5"})
PREDICTION_SUFFIXES = LABEL_SUFFIXES | HDF5_SUFFIXES
ANNOTATION_SUFFIXES = LABEL_SUFFIXES

# A picture with more colours than 16 bits can number is no label map.
MAX_LABELS = 65_535

_PICTURES = frozenset({".png", ".tif", ".tiff"})

# Index of the border in masks of PASCAL VOC, which isn't scored.
VOC_BORDER = 255


class Prediction(NamedTuple):
    """Where a label map is.

    Attributes
    ----------
    file : Path
    name : str
        The group or dataset inside an HDF5 file; empty for other files.
    """

    file: Path
    name: str = ""

    def __str__(self) -> str:
        return f"{self.file}: {self.name}" if self.name else str(self.file)


class Pair(NamedTuple):
    """A prediction and the annotations to score it against.

    Attributes
    ----------
    image_id : str
    prediction : Prediction
    read_segments : callable
        Returns the annotations, (annotators, H, W) unsigned integer, numbered from 1; 0 isn't scored.
    """

    image_id: str
    prediction: Prediction
    read_segments: Callable[[], NDArray[np.unsignedinteger]]


def find_prediction(source: str | Path, image_id: str) -> Prediction:
    """Find the label map of one image.

    Parameters
    ----------
    source : path
        A folder with a PNG, TIFF, .mat, .npy or .h5 file for each image, named by its id (or by its path below the
        folder, as ids are made from paths); or one such file. An HDF5 file may hold many images: a dataset, or a group
        with a dataset `labels`, for each.
    image_id : str

    Raises
    ------
    UserError
        If there is no label map of this image or several, or the source can't be read.
    """
    return _only(list_predictions(source), source, image_id)


def list_predictions(source: str | Path) -> dict[str, list[Prediction]]:
    """List the label maps in a folder or a file by image id; more than one under an id is for the user to mend.

    Raises
    ------
    UserError
        If there is nothing to read.
    """
    source = Path(source)
    if not source.exists():
        raise UserError(f"{source} doesn't exist: give a file or a folder of label maps")
    predictions: dict[str, list[Prediction]] = defaultdict(list)
    for relative, file in _files(source, PREDICTION_SUFFIXES).items():
        if file.suffix.lower() in HDF5_SUFFIXES:
            for image_id, name in _images_of_hdf5(file).items():
                predictions[image_id].append(Prediction(file, name))
        else:
            # A file may be named by the image's path or by its id, in which special characters are encoded.
            for image_id in {id_of_path(relative), relative.removesuffix(file.suffix)}:
                predictions[image_id].append(Prediction(file))
    return dict(predictions)


def pair_up(prediction: str | Path, ground_truth: str | Path, void: Collection[int] = ()) -> list[Pair]:
    """Find the prediction for each annotated image.

    The label map of one image and the annotation of one image are a pair whatever their names are; a file with the
    label map of one image is scored against the annotation of its name; otherwise each annotated image needs its
    prediction.

    Parameters
    ----------
    prediction : path
        A file or a folder, as `find_prediction` describes them.
    ground_truth : path
        A ground_truth.h5; a folder of .mat (as in BSD500), .png, .tif or .npy files named by image, several annotators
        being `name.1.png`, `name.2.png`; one such file; or an HDF5 file of label maps.
    void : collection of int
        Labels of the annotations whose pixels aren't scored. Where there is none and a PNG with a palette has the
        border of PASCAL VOC's masks, a warning is logged when the first is read.

    Raises
    ------
    UserError
        If either can't be read, `void` is given beside a ground_truth.h5, nothing is annotated, or an annotated image
        has no prediction or several.
    """
    prediction, ground_truth = Path(prediction), Path(ground_truth)
    predictions = list_predictions(prediction)
    annotations = _list_annotations(ground_truth, predictions, void)
    single = {each for of_image in predictions.values() for each in of_image}
    if prediction.is_file() and len(single) == 1:
        if len(annotations) > 1:
            annotations = {image_id: read for image_id, read in annotations.items() if image_id in predictions}
        if not annotations:
            raise UserError(f"{ground_truth} has no annotation of the image that {prediction} is named by: rename it")
        return [Pair(image_id, each, read) for image_id, read in annotations.items() for each in single]
    return [Pair(image_id, _only(predictions, prediction, image_id), read) for image_id, read in annotations.items()]


def read_prediction(
    prediction: Prediction, size: tuple[int, int], contour_threshold: float | None = None
) -> NDArray[np.integer]:
    """Read a label map.

    Parameters
    ----------
    prediction : Prediction
    size : (int, int)
        Height and width that it must have.
    contour_threshold : float, optional
        Where to cut a contour map (`ucm2` in a .mat file of the BSDS).

    Returns
    -------
    ndarray, (H, W), integer
        The labels as they are: palette indices or grey values of a picture (a coloured one has one label a colour).

    Raises
    ------
    UserError
        If the file can't be read, has another size, or negative or fractional labels; or if it is a contour map and
        there is no threshold, or the other way round.
    """
    if is_contour_map(prediction):
        if contour_threshold is None:
            raise UserError(f"{prediction} is a contour map: give the threshold to cut it at")
        return cut_contour_map(read_contour_map(prediction, size), contour_threshold)
    if contour_threshold is not None:
        raise UserError(f"{prediction} has no contour map `ucm2` to cut: leave the threshold out")
    label_maps = _read_label_maps(prediction)
    if len(label_maps) > 1:
        raise UserError(f"{prediction} has {len(label_maps)} label maps: give one label map for each image")
    _check_size(prediction, label_maps[0].shape, size)
    return label_maps[0]


def read_prediction_scales(prediction: Prediction, size: tuple[int, int]) -> Hierarchy | LabelMapSeries | None:
    """Read what a file has of an image at several scales.

    Parameters
    ----------
    prediction : Prediction
    size : (int, int)
        Height and width of the image.

    Returns
    -------
    Hierarchy, LabelMapSeries or None
        Of an HDF5 file of dynseg the series of label maps or else the hierarchy; of a .mat file of the BSDS with
        `ucm2` the hierarchy of the contour map, and with `segs` its label maps, numbered from 1. None if it is one
        label map.

    Raises
    ------
    UserError
        If it can't be read or has another size.
    """
    if prediction.file.suffix.lower() in HDF5_SUFFIXES:
        return _read_scales_of_group(prediction, size)
    if is_contour_map(prediction):
        return contour_map_scales(read_contour_map(prediction, size))
    content = _content(prediction.file)
    label_maps = read_mat_label_map_series(content, str(prediction)) if is_mat(content) else None
    if label_maps is None:
        return None
    maps = np.stack([as_label_map(labels, str(prediction)) for labels in label_maps])
    _check_size(prediction, maps.shape[1:], size)
    return LabelMapSeries(np.arange(1.0, len(maps) + 1), maps)


def contour_map_scales(contour_map: NDArray[np.float64]) -> Hierarchy | LabelMapSeries:
    """Return the hierarchy of a contour map, or its cuts at the benchmark's thresholds where it has none."""
    hierarchy = hierarchy_of_contour_map(contour_map)
    if hierarchy is not None:
        return hierarchy
    return LabelMapSeries(CONTOUR_THRESHOLDS, np.stack(list(cut_at_thresholds(contour_map, CONTOUR_THRESHOLDS))))


def _read_scales_of_group(prediction: Prediction, size: tuple[int, int]) -> Hierarchy | LabelMapSeries | None:
    image_id, _, name = prediction.name.partition("/")
    if name != "labels":
        return None
    series = read_series(prediction.file, image_id)
    if series is not None:
        _check_size(prediction, series.label_maps.shape[1:], size)
        return series
    hierarchy = read_hierarchy(prediction.file, image_id)
    if hierarchy is not None:
        _check_size(prediction, hierarchy.leaves.shape, size)
        return hierarchy.with_gaps_as_leaf()
    return None


def _check_size(prediction: Prediction, shape: tuple[int, ...], size: tuple[int, int]) -> None:
    if shape != size:
        raise UserError(
            f"{prediction} has {_size(shape)} pixels (height × width), but its image {_size(size)}:"
            " give a label map of the image's own size"
        )


def has_own_label_map(prediction: Prediction) -> bool:
    """Tell whether a file that has several scales of an image also has the label map of the method's own setting."""
    return prediction.file.suffix.lower() in HDF5_SUFFIXES


def is_contour_map(prediction: Prediction) -> bool:
    """Tell whether a file is a .mat file with an ultrametric contour map `ucm2`."""
    if prediction.file.suffix.lower() != ".mat":
        return False
    try:
        return read_mat_contour_map(_content(prediction.file), str(prediction)) is not None
    except UserError:
        # Reading it as a label map says what is wrong.
        return False


def read_contour_map(prediction: Prediction, size: tuple[int, int]) -> NDArray[np.float64]:
    """Read an ultrametric contour map (Arbeláez et al. 2011) of twice an image's resolution.

    Parameters
    ----------
    prediction : Prediction
        A .mat file with `ucm2`.
    size : (int, int)
        Height and width of the image.

    Returns
    -------
    ndarray, (2 H + 1, 2 W + 1), float64
        The strength of the contour at each pixel and between them.

    Raises
    ------
    UserError
        If the file can't be read or the map has another size.
    """
    contour_map = read_mat_contour_map(_content(prediction.file), str(prediction))
    if contour_map is None:
        raise UserError(f"{prediction} has no contour map `ucm2`: give contour maps for all images or none")
    expected = (2 * size[0] + 1, 2 * size[1] + 1)
    if contour_map.shape != expected:
        raise UserError(
            f"{prediction} has a contour map of {_size(contour_map.shape)}, but its image of {_size(size)} needs one"
            f" of {_size(expected)}: give `ucm2` in double size"
        )
    # Single precision would round the thresholds too.
    return contour_map.astype(np.float64)


def _only(predictions: Mapping[str, list[Prediction]], source: str | Path, image_id: str) -> Prediction:
    found = predictions.get(image_id, [])
    if not found:
        raise UserError(f"{source} has no label map of image {image_id}: add one of that name")
    if len(found) > 1:
        raise UserError(f"{found[0]} and {found[1]} both are label maps of image {image_id}: keep one of them")
    return found[0]


def _files(source: Path, suffixes: Collection[str]) -> dict[str, Path]:
    """Map paths below a folder, with "/", to its files of these types; a file to itself."""
    if source.is_file():
        if source.suffix.lower() not in suffixes:
            raise UserError(f"{source} isn't of a known type: give one that ends in {', '.join(sorted(suffixes))}")
        return {source.name: source}
    files = {
        file.relative_to(source).as_posix(): file
        for file in sorted(source.rglob("*"))
        if file.suffix.lower() in suffixes and not file.name.startswith(".") and file.is_file()
    }
    if not files:
        raise UserError(f"{source} has no file that ends in {', '.join(sorted(suffixes))}: give a folder that has")
    return files


def _images_of_hdf5(file: Path) -> dict[str, str]:
    """Map the image ids of an HDF5 file to the names of their label maps inside it."""
    images = {}
    with opened_hdf5(file, "label maps", "give a whole one") as opened:
        for image_id in names(opened):
            if member(opened, image_id, h5py.Dataset):
                images[image_id] = image_id
            elif (group := member(opened, image_id, h5py.Group)) and member(group, "labels", h5py.Dataset):
                images[image_id] = f"{image_id}/labels"
    if list(images) == ["labels"]:
        return {file.stem: "labels"}
    # A file's only array, if in no group of its own, may be named by the image or, as many programs do, by what it is.
    if list(images) == list(images.values()) and len(images) == 1:
        return {file.stem: next(iter(images)), **images}
    return images


def _list_annotations(
    ground_truth: Path, predicted: Collection[str], void: Collection[int]
) -> dict[str, Callable[[], NDArray[np.unsignedinteger]]]:
    """Map image ids to functions that read their annotations."""
    if not ground_truth.exists():
        raise UserError(f"{ground_truth} doesn't exist: give a ground_truth.h5, or a file or folder of annotations")
    if ground_truth.is_file() and ground_truth.suffix.lower() in HDF5_SUFFIXES:
        images = _images_of_hdf5(ground_truth)
        if len(set(images.values())) == 1:
            known = [image_id for image_id in images if image_id in predicted]
            images = {image_id: images[image_id] for image_id in (*known, *images)[:1]}
        if images:
            return {
                image_id: partial(_read_annotations, [Prediction(ground_truth, name)], void)
                for image_id, name in images.items()
            }
        if void:
            raise UserError(f"{ground_truth} says itself which pixels aren't scored: leave the void labels out")
        annotated = read_annotated_ids(ground_truth)
        if not annotated:
            raise UserError(f"{ground_truth} has no annotations: give a dataset that has")
        return {image_id: partial(read_segments, ground_truth, image_id) for image_id in annotated}
    warn = None if void else _BorderWarning()
    files = _files(ground_truth, ANNOTATION_SUFFIXES).items()
    annotators = group_annotators(((id_of_path(relative), Prediction(file)) for relative, file in files), predicted)
    return {image_id: partial(_read_annotations, annotators[image_id], void, warn) for image_id in sorted(annotators)}


def _read_annotations(
    files: Sequence[Prediction], void: Collection[int], warn: "_BorderWarning | None" = None
) -> NDArray[np.unsignedinteger]:
    """Read every annotator's segments, (annotators, H, W), numbered from 1; 0 where the label is void."""
    maps = []
    for file in files:
        maps += _read_label_maps(file, void)
        if warn is not None:
            warn(file.file, maps[-1])
    return numbered_segments(maps, str(files[0]), void)


class _BorderWarning:
    """Warns of the first mask of PASCAL VOC whose border would count as a segment."""

    def __init__(self) -> None:
        self._warned = False

    def __call__(self, file: Path, labels: NDArray[np.integer]) -> None:
        if self._warned or file.suffix.lower() != ".png" or not (labels == VOC_BORDER).any():
            return
        if has_palette(_content(file)):
            self._warned = True
            logging.getLogger(__name__).warning(
                "%s has a palette and pixels of index %d, which PASCAL VOC leaves unscored: they count as a segment "
                "here, as in other files of its kind, unless --void %d is given",
                *(file, VOC_BORDER, VOC_BORDER),
            )


def _read_label_maps(prediction: Prediction, void: Collection[int] = ()) -> list[NDArray[np.integer]]:
    suffix = prediction.file.suffix.lower()
    if suffix not in HDF5_SUFFIXES:
        label_maps = read_label_maps(_content(prediction.file), str(prediction), void)
        if suffix in _PICTURES and count_labels(np.maximum(label_maps[0], 0)) > MAX_LABELS:
            raise UserError(f"{prediction} has more than {MAX_LABELS:,} colours: give a label map, not a photograph")
        return label_maps
    with opened_hdf5(prediction.file, "label maps", "give a whole one") as opened:
        image_id, _, name = prediction.name.partition("/")
        labels = member(opened[image_id], name, h5py.Dataset) if name else member(opened, image_id, h5py.Dataset)
        if labels is None:
            raise UserError(f"{prediction} is no array in the HDF5 file: give a label map")
        return [as_label_map(read_matlab_array(labels), str(prediction), void)]


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise UserError(f"{file} can't be read ({error.strerror}): make it readable") from error


def _size(shape: tuple[int, ...]) -> str:
    return " × ".join(str(side) for side in shape)
