"""What is fuzzed, and the whole files that inputs are mutations of."""

import bz2
import contextlib
import gzip
import io
import lzma
import random
import shutil
import tarfile
import tempfile
import zipfile
import zlib
from functools import cache
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import yaml
from mutations import Target, mended_png, mended_tar, mutated, mutated_value
from PIL import Image
from scipy.io import savemat
from snakemake.common.configfile import load_configfile
from snakemake.exceptions import WorkflowError

from dynseg.datasets.preparing import prepare
from dynseg.errors import UserError
from dynseg.io.ground_truth import read_annotated_ids, read_segments, store_annotations
from dynseg.io.label_maps import read_history, read_image_ids, read_labels, write_label_maps
from dynseg.io.mat_files import read_mat_annotations, read_mat_contour_map, read_mat_label_map_series
from dynseg.io.predictions import list_predictions, read_prediction
from dynseg.methods import Segmentation
from dynseg.workflow import configuration, datasets, figures, methods, resolved

REPOSITORY = Path(__file__).parents[2]
LABELS = np.arange(35, dtype=np.uint16).reshape(5, 7) % 6

# Archives


def picture(mode: str = "RGB", kind: str = "PNG", size: tuple[int, int] = (6, 4)) -> bytes:
    content = io.BytesIO()
    Image.new(mode, size).save(content, kind)
    return content.getvalue()


def tar(files: dict[str, bytes], form: int) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w", format=form, errors="surrogateescape") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE):
            info = tarfile.TarInfo("link.png")
            info.type, info.linkname = kind, "../../outside.png"
            archive.addfile(info)
    return content.getvalue().rstrip(b"\0") + bytes(1536)


def zipped(files: dict[str, bytes], compression: int) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", compression) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return content.getvalue()


FILES = {
    "a/one.png": picture(),
    "../b.png": picture("L"),
    "/abs/c.jpg": picture(kind="JPEG"),
    f"{'e' * 60}/{'d' * 60}.png": picture(),
}
TARS = [tar(FILES, form) for form in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)]
ZIPS = [zipped(FILES, kind) for kind in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)]
PACKERS = (bytes, bytes, bytes, gzip.compress, bz2.compress, lzma.compress)


def make_archive(rng: random.Random) -> bytes:
    if rng.random() < 0.35:
        return mutated(rng.choice(ZIPS), rng)
    content = mutated(rng.choice(TARS), rng)
    if rng.random() < 0.7:
        content = mended_tar(content)
    packed = rng.choice(PACKERS)(content)
    return mutated(packed, rng) if rng.random() < 0.3 else packed


def read_archive(content: bytes, folder: Path) -> None:
    """Prepare a dataset from it; nothing may appear outside the dataset's folder."""
    inside = folder / "inside"
    inside.mkdir(exist_ok=True)
    (inside / "archive").write_bytes(content)
    try:
        prepare("folder", inside / "archive", inside / "dataset", "some")
    finally:
        outside = {path.name for path in folder.iterdir()} | {path.name for path in inside.iterdir()}
        shutil.rmtree(inside / "dataset", ignore_errors=True)
        assert outside <= {"inside", "archive", "dataset"}, f"written outside: {outside}"


# MATLAB files


def mat(variables: dict[str, Any], **options: Any) -> bytes:
    content = io.BytesIO()
    savemat(content, variables, **options)
    return content.getvalue()


def annotators(*maps: np.ndarray) -> dict[str, Any]:
    cells = np.empty((1, len(maps)), dtype=object)
    for number, labels in enumerate(maps):
        cells[0, number] = {"Segmentation": labels, "Boundaries": labels > 1}
    return {"groundTruth": cells}


def series(*maps: np.ndarray) -> dict[str, Any]:
    cells = np.empty((1, len(maps)), dtype=object)
    for number, labels in enumerate(maps):
        cells[0, number] = labels
    return {"segs": cells}


MATS = [
    mat(annotators(LABELS, LABELS + 1)),
    mat({"Segmentation": LABELS.astype(float)}),
    mat({"Segmentation": LABELS.astype("u1"), "text": "abc", "n": 3.5}),
    mat({"ucm2": np.random.default_rng(0).random((11, 15))}),
    mat({"ucm2": np.zeros((3, 3), np.float32), "sparse": np.eye(2)}),
    mat(series(LABELS, LABELS + 1, LABELS // 2)),
]


def make_mat(rng: random.Random) -> bytes:
    content = mutated(rng.choice(MATS), rng)
    if rng.random() < 0.4:
        # Each element of a compressed file is packed by itself.
        packed = zlib.compress(content[128:])
        content = content[:128] + (15).to_bytes(4, "little") + len(packed).to_bytes(4, "little") + packed
        if rng.random() < 0.3:
            content = mutated(content, rng)
    return content


def read_mat(content: bytes, folder: Path) -> None:
    with contextlib.suppress(UserError):
        read_mat_contour_map(content, "some.mat")
    with contextlib.suppress(UserError):
        read_mat_label_map_series(content, "some.mat")
    read_mat_annotations(content, "some.mat")


# Label maps


def label_png(mode: str) -> bytes:
    image = Image.fromarray(LABELS if mode == "I;16" else LABELS.astype(np.uint8))
    content = io.BytesIO()
    (image if mode == "I;16" else image.convert(mode)).save(content, "PNG")
    return content.getvalue()


def npy(array: np.ndarray) -> bytes:
    content = io.BytesIO()
    np.save(content, array, allow_pickle=False)
    return content.getvalue()


@cache
def hdf5_files() -> list[bytes]:
    found = []
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "a.h5"
        history = {"iteration": np.arange(3), "weight": np.ones(3)}
        write_label_maps(path, [("a", Segmentation(LABELS, history, {"stopped_by": "labels"}))], {"method": "cnn"})
        found.append(path.read_bytes())
        store_annotations(path, [("a", np.stack([LABELS, LABELS]))], {"dataset": "some"})
        found.append(path.read_bytes())
        for version in ("earliest", "latest"):
            with h5py.File(path, "w", libver=version) as file:
                file["labels"] = LABELS
                file["b"] = h5py.SoftLink("/labels")
                file["c"] = h5py.ExternalLink("other.h5", "/labels")
            found.append(path.read_bytes())
    return found


PNGS = [label_png(mode) for mode in ("L", "P", "RGB", "RGBA", "1", "I;16", "LA")]
NPYS = [npy(LABELS), npy(np.asfortranarray(LABELS.astype(">i8"))), npy(LABELS.astype(float)), npy(LABELS[None])]


def make_label_map(rng: random.Random) -> bytes:
    """A file after three bytes that name its kind."""
    kind = rng.choice(("png", "npy", "mat", "h5", "h5"))
    if kind == "mat":
        return b"mat" + make_mat(rng)
    content = mutated(rng.choice({"png": PNGS, "npy": NPYS, "h5": hdf5_files()}[kind]), rng)
    if kind == "png" and rng.random() < 0.8:
        content = mended_png(content)
    return kind.encode().ljust(3) + content


def read_label_map(content: bytes, folder: Path) -> None:
    kind = content[:3].decode().strip()
    file = folder / f"a.{kind}"
    file.write_bytes(content[3:])
    try:
        if kind == "h5":
            for reader in (read_annotated_ids, read_image_ids):
                with contextlib.suppress(UserError):
                    reader(file)
            # Not the attributes, which only dynseg's own files are asked for: HDF5 itself hangs on some broken ones.
            for reader in (read_segments, read_labels, read_history):
                with contextlib.suppress(UserError):
                    reader(file, "a")
        for found in list_predictions(folder).get("a", []):
            for threshold in (None, 0.5):
                with contextlib.suppress(UserError):
                    read_prediction(found, LABELS.shape, threshold)
    finally:
        file.unlink()


# Configurations

SMALL: dict[str, Any] = {
    "results": "out",
    "device": "cpu",
    "seeds": [0, 1],
    "datasets": {
        "mosaic": {"images": 3},
        "voc2012": {"sample": 5, "masks": "object", "void": "ignore"},
        "mine": {"kind": "folder", "archive": str(REPOSITORY / "docs"), "annotations": str(REPOSITORY / "docs")},
    },
    "methods": {
        "fsf-15": {"scheme": "fsf", "mu": 15, "label": "FSF", "published": {"mosaic": 0.5}},
        "fsf-5": {"scheme": "fsf", "mu": 5},
        "kmeans": {"method": "kmeans", "clusters": 3, "images_per_job": 7},
        "other": {"method": "external", "predictions": str(REPOSITORY / "docs")},
    },
    "figure_methods": {"fixed": {"scheme": "fixed", "mu": 1.5}},
    "training": {"iterations": 5, "scale": 0.5, "stop": "fixed"},
    "scoring": {"connectivity": 8},
    "panels": {
        "one": {"dataset": "mosaic", "images": ["a"], "methods": ["fsf-15"], "seed": 1},
        "two": {"show": [{"dataset": "mosaic"}], "methods": [{"label": "x", "by_dataset": {"mosaic": "fixed"}}]},
    },
    "sensitivity": {"s": {"dataset": "mosaic", "methods": ["fsf-15", "fsf-5"]}},
    "dynamics": {"d": {"dataset": "mosaic", "image": "a", "methods": ["fsf-15"], "iterations": [1, 3]}},
    "scatter": {"c": {"dataset": "mosaic", "methods": ["fsf-15", "fsf-5"]}},
    "tuning": {
        "dataset": {"kind": "mosaic"},
        "grids": {"g": {"scheme": "fsf", "mu": [1, 2]}, "k": {"method": "kmeans", "clusters": [2, 3]}},
    },
}
SMALLEST: dict[str, Any] = {"datasets": {"mosaic": {}}, "methods": {"fsf-15": {"scheme": "fsf", "mu": 15}}}
NASTY: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    1,
    -1,
    2.5,
    10**400,
    -(10**30),
    float("nan"),
    float("inf"),
    1e-320,
    "",
    "x",
    "1e-1",
    "a/b",
    "../..",
    "{x}",
    "name\nline",
    "\u0000",
    "é😀",
    "http://x/y",
    "cnn",
    "blank",
    "x" * 500,
    [],
    {},
    [[]],
    [None],
    [1, 1],
    ["fsf-15"],
    {"a": None},
    {1: 2},
    {None: None},
    b"bytes",
)
SCHEMA = configuration.load_schema(REPOSITORY / "workflow/schemas/config.schema.yaml")


def make_config(rng: random.Random) -> bytes:
    base = rng.choice((SMALL, SMALLEST, SMALLEST))
    content = yaml.safe_dump(mutated_value(base, NASTY, rng), allow_unicode=rng.random() < 0.5).encode()
    if rng.random() < 0.3:
        content = mutated(content, rng)
    return content


def read_config(content: bytes, folder: Path) -> None:
    """What the workflow does with a config before it plans a job."""
    file = folder / "config.yaml"
    # Snakemake decodes the file by itself, and other bytes than text are no YAML.
    file.write_text(content.decode("utf-8", "replace"), encoding="utf-8")
    given = load_configfile(file)
    config = configuration.resolve(configuration.layer({**SMALLEST, **given}, given), SCHEMA)
    for method in methods.every_method(config):
        methods.method_settings(config, method)
        methods.method_seeds(config, method)
        methods.images_per_job(config, method, [(30, 40), (300, 400)])
        methods.method_label(config, method)
    for entry in datasets.every_dataset(config).values():
        datasets.sources_contents(entry)
        datasets.preparing_code(entry)
        datasets.prepare_options(entry)
        datasets.export_options(entry)
    for panel in config["panels"].values():
        for _, by_dataset in figures.panel_methods(config, panel):
            for method in by_dataset.values():
                figures.panel_seed(config, panel, method)
    for figure in config["sensitivity"].values():
        methods.sensitivity_methods(config, figure)
    for figure in config["dynamics"].values():
        for method in figure["methods"]:
            figures.dynamics_iterations(config, figure, method)
    methods.published_scores(config)
    resolved.recorded(config)
    datasets.scored_datasets(config)


TARGETS = {
    "config": Target(make_config, read_config, (UserError, WorkflowError)),
    "mat": Target(make_mat, read_mat),
    "label_maps": Target(make_label_map, read_label_map),
    "archive": Target(make_archive, read_archive),
}
