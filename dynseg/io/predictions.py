"""Label maps and annotations that somebody else made: PNG, MATLAB, NumPy and HDF5 files, and contour maps."""

import logging
import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import cc3d
import h5py
import numpy as np
from numpy.typing import NDArray

from dynseg.datasets.writing import numbered_segments
from dynseg.errors import UserError
from dynseg.io.ground_truth import read_annotated_ids, read_segments
from dynseg.io.hdf5 import member, names, opened_hdf5, read_array
from dynseg.io.image_ids import image_id as id_of_path
from dynseg.io.images import has_palette, read_label_image
from dynseg.io.mat_files import read_mat_annotations, read_mat_contour_map
from dynseg.metrics.contingency import check_labels, count_labels

HDF5_SUFFIXES = frozenset({".h5", ".hdf5"})
PREDICTION_SUFFIXES = frozenset({".mat", ".npy", ".png"}) | HDF5_SUFFIXES
ANNOTATION_SUFFIXES = frozenset({".mat", ".npy", ".png"})

# The 99 thresholds of the BSDS benchmark.
CONTOUR_THRESHOLDS = np.arange(1, 100) / 100

# A picture with more colours than 16 bits can number is no label map.
MAX_LABELS = 65_535

# Index of the border in masks of PASCAL VOC, which isn't scored.
VOC_BORDER = 255

_ANNOTATOR = re.compile(r"(.+)\.(\d+)")


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
        A folder with a PNG, .mat, .npy or .h5 file for each image, named by its id (or by its path below the folder,
        as ids are made from paths); or one such file. An HDF5 file may hold many images: a dataset, or a group with a
        dataset `labels`, for each.
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
        A ground_truth.h5; a folder of .mat (as in BSD500), .png or .npy files named by image, several annotators being
        `name.1.png`, `name.2.png`; or one such file.
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
        The labels as they are: palette indices or grey values of a PNG (a colour picture has one label a colour).

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
    labels = _checked(_read_array(prediction), prediction)
    if labels.shape != size:
        raise UserError(
            f"{prediction} has {_size(labels.shape)} pixels (height × width), but its image {_size(size)}:"
            " give a label map of the image's own size"
        )
    return labels


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


def cut_contour_map(contour_map: NDArray[np.floating], threshold: float) -> NDArray[np.unsignedinteger]:
    """Return the regions of an ultrametric contour map whose contours are stronger than a threshold.

    As the BSDS benchmark has it: 8-connected components of `contour_map <= threshold`, of which every second row and
    column from index 1 on are the pixels.

    Parameters
    ----------
    contour_map : ndarray, (2 H + 1, 2 W + 1), floating
    threshold : float

    Returns
    -------
    ndarray, (H, W), unsigned integer
        Regions from 1 on; 0 for pixels that are contours themselves.
    """
    return _regions(contour_map <= threshold)


def cut_at_thresholds(
    contour_map: NDArray[np.floating], thresholds: Iterable[float]
) -> Iterator[NDArray[np.unsignedinteger]]:
    """Yield the regions at each threshold; the same object again where a higher threshold joins no regions.

    Parameters
    ----------
    contour_map : ndarray, (2 H + 1, 2 W + 1), floating
    thresholds : iterable of float
        Ascending.

    Yields
    ------
    ndarray, (H, W), unsigned integer
        As `cut_contour_map`.
    """
    size = -1
    for threshold in thresholds:
        inside = contour_map <= threshold
        # What is below a threshold is below a higher one, so that the same number is the same pixels.
        if np.count_nonzero(inside) != size:
            size = int(np.count_nonzero(inside))
            regions = _regions(inside)
        yield regions


def _regions(inside: NDArray[np.bool_]) -> NDArray[np.unsignedinteger]:
    regions = cc3d.connected_components(inside, connectivity=8)
    return np.ascontiguousarray(regions[1::2, 1::2])


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
    # A file of one image, with the label map called `labels` and not by the image.
    return {file.stem: "labels"} if list(images) == ["labels"] else images


def _list_annotations(
    ground_truth: Path, predicted: Collection[str], void: Collection[int]
) -> dict[str, Callable[[], NDArray[np.unsignedinteger]]]:
    """Map image ids to functions that read their annotations."""
    if not ground_truth.exists():
        raise UserError(f"{ground_truth} doesn't exist: give a ground_truth.h5, or a file or folder of annotations")
    if ground_truth.is_file() and ground_truth.suffix.lower() in HDF5_SUFFIXES:
        if void:
            raise UserError(f"{ground_truth} says itself which pixels aren't scored: leave the void labels out")
        annotated = read_annotated_ids(ground_truth)
        if not annotated:
            raise UserError(f"{ground_truth} has no annotations: give a dataset that has")
        return {image_id: _bound(read_segments, ground_truth, image_id) for image_id in annotated}
    warn = _border_warning()
    annotators: dict[str, list[tuple[int, Path]]] = defaultdict(list)
    for relative, file in _files(ground_truth, ANNOTATION_SUFFIXES).items():
        image_id, number = id_of_path(relative), 0
        # "name.1.png" is the first annotator of "name", unless there is an image "name.1".
        if image_id not in predicted and (match := _ANNOTATOR.fullmatch(image_id)):
            image_id, number = match[1], int(match[2])
        annotators[image_id].append((number, file))
    for image_id, numbered in annotators.items():
        numbers = [number for number, _ in sorted(numbered)]
        if len(set(numbers)) < len(numbers):
            twice = [str(file) for number, file in numbered if numbers.count(number) > 1]
            raise UserError(f"{twice[0]} and {twice[1]} both annotate image {image_id}: rename or remove one of them")
    return {
        image_id: _bound(_read_annotations, [file for _, file in sorted(annotators[image_id])], void, warn)
        for image_id in sorted(annotators)
    }


def _bound(function: Callable, *arguments: object) -> Callable[[], NDArray[np.unsignedinteger]]:
    return lambda: function(*arguments)


def _read_annotations(
    files: list[Path], void: Collection[int], warn: Callable[[Path, NDArray[np.integer]], None]
) -> NDArray[np.unsignedinteger]:
    """Read every annotator's segments, (annotators, H, W), numbered from 1; 0 where the label is void."""
    maps: list[NDArray] = []
    for file in files:
        of_file = _read_mat(file) if file.suffix.lower() == ".mat" else [_read_array(Prediction(file))]
        maps.extend(_checked(labels, file) for labels in of_file)
        if not void:
            warn(file, maps[-1])
    if not void:
        return numbered_segments(maps, str(files[0]))
    # One label stands for all that aren't scored: 0, for which the others make room.
    maps = [np.where(np.isin(labels, list(void)), 0, labels.astype(np.int64) + 1) for labels in maps]
    return numbered_segments(maps, str(files[0]), unscored=0)


def _border_warning() -> Callable[[Path, NDArray[np.integer]], None]:
    """Return a function that warns of the first mask of PASCAL VOC whose border would count as a segment."""
    warned: list[Path] = []

    def warn(file: Path, labels: NDArray[np.integer]) -> None:
        if not warned and file.suffix.lower() == ".png" and (labels == VOC_BORDER).any() and has_palette(file):
            warned.append(file)
            logging.getLogger(__name__).warning(
                "%s has a palette and pixels of index %d, which PASCAL VOC leaves unscored: they count as a segment "
                "here, as in other files of its kind, unless --void %d is given",
                *(file, VOC_BORDER, VOC_BORDER),
            )

    return warn


def _read_array(prediction: Prediction) -> NDArray:
    suffix = prediction.file.suffix.lower()
    if suffix == ".png":
        return _read_png(prediction.file)
    if suffix == ".npy":
        return _read_npy(prediction.file)
    if suffix != ".mat":
        return _read_hdf5(prediction)
    label_maps = _read_mat(prediction.file)
    if len(label_maps) > 1:
        raise UserError(f"{prediction} has {len(label_maps)} label maps: give one label map for each image")
    return label_maps[0]


def _read_png(file: Path) -> NDArray[np.integer]:
    labels = read_label_image(file)
    if count_labels(labels) > MAX_LABELS:
        raise UserError(f"{file} has more than {MAX_LABELS:,} colours: give a label map, not a photograph")
    return labels


def _read_mat(file: Path) -> list[NDArray]:
    label_maps = read_mat_annotations(_content(file), str(file))
    # Numbers are double in MATLAB unless one asks for something else.
    whole = [labels.dtype.kind == "f" and np.array_equal(labels, np.floor(labels)) for labels in label_maps]
    return [labels.astype(np.int64) if each else labels for labels, each in zip(label_maps, whole, strict=True)]


def _read_npy(file: Path) -> NDArray:
    try:
        # Mapped, a declared size costs no memory before it is found to be wrong.
        return np.array(np.lib.format.open_memmap(file, mode="r"))
    except Exception as error:
        # The reader of headers raises almost anything on broken input.
        raise UserError(f"{file} can't be read as a NumPy array ({error!r}): save it with numpy.save") from error


def _read_hdf5(prediction: Prediction) -> NDArray:
    with opened_hdf5(prediction.file, "label maps", "give a whole one") as opened:
        image_id, _, name = prediction.name.partition("/")
        labels = member(opened[image_id], name, h5py.Dataset) if name else member(opened, image_id, h5py.Dataset)
        if labels is None:
            raise UserError(f"{prediction} is no array in the HDF5 file: give a label map")
        return read_array(labels)


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise UserError(f"{file} can't be read ({error.strerror}): make it readable") from error


def _checked(labels: NDArray, source: Prediction | Path) -> NDArray[np.integer]:
    """Return labels if they are a label map, (H, W) of non-negative whole numbers."""
    try:
        check_labels(labels, "it")
    except ValueError as error:
        raise UserError(f"{source} can't be used as a label map: {error}") from error
    if labels.ndim != 2:
        raise UserError(f"{source} has {labels.ndim} dimensions: give a label map of height × width")
    return labels


def _size(shape: tuple[int, ...]) -> str:
    return " × ".join(str(side) for side in shape)
