"""Find and read what a figure shows of an image: its label maps, its annotation, the image itself."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dynseg.datasets.layout import PreparedDataset
from dynseg.datasets.reading import read_image_list, read_stored_picture
from dynseg.errors import UserError
from dynseg.figures.panels import PanelImage
from dynseg.io.ground_truth import read_annotated_ids, read_segments
from dynseg.io.images import shown_as_rgb
from dynseg.io.label_maps import files_by_image, join_files_by_image, read_image_ids, read_labels


def locate_label_maps(sources: Iterable[Path]) -> dict[str, Path]:
    """Return, for every image id, the label map file that holds it.

    Parameters
    ----------
    sources : iterable of Path
        Label map files of one method on one dataset, and directories of such files. In a directory that holds an
        image twice, as after a change of `images_per_job`, the newest file counts.

    Raises
    ------
    UserError
        If a source is missing or holds no file, or two sources hold the same image.
    """
    return join_files_by_image(
        _newest_files(source) if source.is_dir() else files_by_image([source]) for source in sources
    )


def _newest_files(folder: Path) -> dict[str, Path]:
    """Return the newest label map file of every image in a folder."""
    # What a job that was cut off has left behind begins with a dot.
    whole = [file for file in folder.glob("*.h5") if not file.name.startswith(".")]
    if not whole:
        raise UserError(f"{folder} holds no label map file (*.h5): segment the dataset first")
    files = sorted(whole, key=lambda file: (file.stat().st_mtime_ns, file.name))
    return {image_id: file for file in files for image_id in read_image_ids(file)}


def annotations(dataset: Path, image_id: str) -> list[NDArray[np.integer]]:
    """Return the ground truth of an image, one (H, W) array an annotator; nothing where there is none."""
    path = PreparedDataset(dataset).ground_truth
    if not path.exists() or image_id not in set(read_annotated_ids(path)):
        return []
    return list(read_segments(path, image_id))


def finest(segmentations: Iterable[NDArray[np.integer]]) -> NDArray[np.integer] | None:
    """Return the annotation with the most segments, the first of them on a tie; None if there is no annotation."""
    return max(segmentations, key=lambda segments: len(np.unique(segments[segments > 0])), default=None)


def parse_runs(runs: Sequence[str], datasets: Sequence[str]) -> dict[str, dict[str, dict[str, Path]]]:
    """Read `LABEL[@DATASET]=PATH[,PATH...]` arguments.

    Parameters
    ----------
    runs : sequence of str
        Arguments of the command line, split by `split_label`; the same label may come several times.
    datasets : sequence of str
        Names of the datasets. The dataset may be left out if there is only one.

    Returns
    -------
    dict
        For each label and dataset: the label map file of every image id.

    Raises
    ------
    UserError
        If an argument has another form, or a source holds no label maps.
    """
    sources: dict[str, dict[str, list[Path]]] = {}
    for run in runs:
        name, paths = split_label(run)
        label, at, dataset = name.rpartition("@")
        if not at:
            label, dataset = name, datasets[0] if len(datasets) == 1 else ""
        if not paths or not label or dataset not in datasets:
            expected = "LABEL=PATH[,PATH...]" if len(datasets) == 1 else "LABEL@DATASET=PATH[,PATH...]"
            raise UserError(f"--run {run} should be {expected} with a dataset among {', '.join(datasets)}")
        sources.setdefault(label, {}).setdefault(dataset, []).extend(Path(path) for path in paths.split(","))
    return {
        label: {dataset: locate_label_maps(paths) for dataset, paths in by_dataset.items()}
        for label, by_dataset in sources.items()
    }


def split_label(text: str) -> tuple[str, str]:
    """Split LABEL=PATH[,PATH...] at the first `=` that an existing path follows, or at the first.

    Both may hold a `=`: labels name a μ, and folders have any name; batches are called `batch@0of4.h5`.
    """
    splits = [(text[:place], text[place + 1 :]) for place, letter in enumerate(text) if letter == "="]
    existing = [split for split in splits if Path(split[1].split(",")[0]).exists()]
    return next(iter(existing or splits), (text, ""))


def locate_image(paths: str, image_id: str) -> Path:
    """Return the file among PATH[,PATH...] (label map files, or directories of them) that holds an image.

    Raises
    ------
    UserError
        If none does.
    """
    located = locate_label_maps(map(Path, paths.split(",")))
    if image_id not in located:
        raise UserError(f"{paths} has no label map of image {image_id}: segment the image first")
    return located[image_id]


def choose_images(datasets: Mapping[str, Path], named: Sequence[str], count: int) -> list[tuple[str, str]]:
    """Return (dataset, image id) of the images to show: the named ones, or the first `count` of all datasets.

    Raises
    ------
    UserError
        If a named image is in no dataset, or it isn't clear in which.
    """
    ids = {name: read_image_list(path) for name, path in datasets.items()}
    if not named:
        return [(name, image_id) for name in ids for image_id in ids[name]][:count]
    chosen = []
    for image in named:
        dataset, slash, image_id = image.rpartition("/")
        places = [name for name in ids if image_id in ids[name] and (not slash or name == dataset)]
        if len(places) != 1:
            found = f"is in {' and '.join(places)}: write DATASET/ID" if places else f"is in none of {', '.join(ids)}"
            raise UserError(f"--images {image} {found}")
        chosen.append((places[0], image_id))
    return chosen


def load_panel_image(
    dataset: Path, image_id: str, label_maps: Mapping[str, Mapping[str, Mapping[str, Path]]], with_ground_truth: bool
) -> PanelImage:
    """Read one image, its finest annotation and its label maps (from `parse_runs`; None where a method has none).

    Raises
    ------
    UserError
        If the image is missing, or a label map was made from a picture of another size.
    """
    photograph = shown_as_rgb(read_stored_picture(dataset, image_id).pixels)
    maps: list[NDArray[np.integer] | None] = []
    for by_dataset in label_maps.values():
        file = by_dataset.get(dataset.name, {}).get(image_id)
        labels = None if file is None else read_labels(file, image_id)
        if labels is not None and labels.shape != photograph.shape[:2]:
            raise UserError(f"{file} holds a label map of image {image_id} in another size: segment the image again")
        maps.append(labels)
    truth = finest(annotations(dataset, image_id)) if with_ground_truth else None
    return PanelImage(photograph, truth, maps)
