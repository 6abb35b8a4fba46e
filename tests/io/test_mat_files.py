"""MATLAB files: what BSD500 and users have, and what would crash the reader."""

import contextlib
import io
import random
import struct
from pathlib import Path

import h5py
import numpy as np
import pytest
from scipy.io import savemat

from dynseg.errors import UserError
from dynseg.io.mat_files import read_mat_annotations, read_mat_label_map_series

SEGMENTATION = np.array([[1, 1, 2], [3, 3, 2]], np.uint16)


def mat(variables: dict, **options: object) -> bytes:
    content = io.BytesIO()
    savemat(content, variables, **options)
    return content.getvalue()


def ground_truth(*segmentations: np.ndarray) -> dict:
    cells = np.empty((1, len(segmentations)), dtype=object)
    for number, segmentation in enumerate(segmentations):
        cells[0, number] = {"Segmentation": segmentation, "Boundaries": segmentation > 1}
    return {"groundTruth": cells}


def series(*label_maps: object) -> dict:
    cells = np.empty((1, len(label_maps)), dtype=object)
    for number, labels in enumerate(label_maps):
        cells[0, number] = labels
    return {"segs": cells}


def element(kind: int, data: bytes) -> bytes:
    return struct.pack("<II", kind, len(data)) + data + bytes(-len(data) % 8)


def nested_cells(depth: int, declared_size: int | None = None) -> bytes:
    start = b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack("<H", 0x100) + b"IM"
    size = 8
    tags = []
    for level in range(depth):
        name = b"groundTruth" if level == depth - 1 else b""
        head = element(6, struct.pack("<II", 1, 0)) + element(5, struct.pack("<ii", 1, 1)) + element(1, name)
        size += len(head)
        tags.append(struct.pack("<II", 14, declared_size if declared_size and name == b"" else size) + head)
        size += 8
    return start + b"".join(reversed(tags)) + struct.pack("<II", 14, 0)


@pytest.mark.parametrize("options", [{}, {"do_compression": True}])
def test_every_annotator_is_read(options: dict) -> None:
    read = read_mat_annotations(mat(ground_truth(SEGMENTATION, SEGMENTATION + 1), **options), "a.mat")
    np.testing.assert_array_equal(read, [SEGMENTATION, SEGMENTATION + 1])


def test_plain_label_map_is_read() -> None:
    read = read_mat_annotations(mat({"Segmentation": SEGMENTATION}), "a.mat")
    np.testing.assert_array_equal(read, [SEGMENTATION])


def test_array_of_structures_is_read() -> None:
    structures = np.zeros((1, 2), dtype=[("Segmentation", object)])
    structures["Segmentation"] = [[SEGMENTATION, SEGMENTATION + 1]]
    read = read_mat_annotations(mat({"groundTruth": structures}), "a.mat")
    np.testing.assert_array_equal(read, [SEGMENTATION, SEGMENTATION + 1])


@pytest.mark.parametrize("dtype", ["u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8", "?"])
@pytest.mark.parametrize("shape", [(1, 1), (1, 3), (5, 2)])
def test_every_type_of_number_is_read(dtype: str, shape: tuple[int, int]) -> None:
    labels = np.arange(np.prod(shape)).reshape(shape).astype(dtype)
    (read,) = read_mat_annotations(mat({"x": "text", "Segmentation": labels}), "a.mat")
    np.testing.assert_array_equal(read, labels)


@pytest.mark.parametrize(
    "variables",
    [
        {"other": SEGMENTATION},
        {"groundTruth": 3},
        {"groundTruth": {"Boundaries": SEGMENTATION}},
        {"groundTruth": np.empty((1, 0), dtype=object)},
        {"Segmentation": np.zeros((0, 0))},
        {"Segmentation": np.zeros((2, 2, 3))},
        {"Segmentation": "text"},
    ],
)
def test_other_content_is_a_user_error(variables: dict) -> None:
    with pytest.raises(UserError, match=r"a\.mat"):
        read_mat_annotations(mat(variables), "a.mat")


@pytest.mark.parametrize("options", [{}, {"do_compression": True}])
@pytest.mark.parametrize("dtype", ["u1", "u2", "f8"])
def test_every_scale_of_a_series_is_read_in_order(options: dict, dtype: str) -> None:
    label_maps = [(SEGMENTATION + number).astype(dtype) for number in (2, 0, 1)]
    read = read_mat_label_map_series(mat(series(*label_maps), **options), "a.mat")
    np.testing.assert_array_equal(read, label_maps)
    assert [labels.dtype.kind for labels in read] == [np.dtype(dtype).kind] * 3


def test_a_series_of_one_scale_is_read() -> None:
    (read,) = read_mat_label_map_series(mat({"x": 1} | series(SEGMENTATION)), "a.mat")
    np.testing.assert_array_equal(read, SEGMENTATION)


def test_scales_below_one_another_are_read() -> None:
    read = read_mat_label_map_series(mat({"segs": series(SEGMENTATION, SEGMENTATION + 1)["segs"].T}), "a.mat")
    np.testing.assert_array_equal(read, [SEGMENTATION, SEGMENTATION + 1])


@pytest.mark.parametrize("variables", [{"Segmentation": SEGMENTATION}, {"ucm2": np.zeros((5, 7))}, {}])
def test_a_file_without_a_series_has_none(variables: dict) -> None:
    assert read_mat_label_map_series(mat(variables), "a.mat") is None


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"segs": SEGMENTATION}, "isn't a cell array"),
        ({"segs": "text"}, "isn't a cell array"),
        (series(), "isn't a cell array"),
        (series(SEGMENTATION, "text"), "isn't a label map"),
        (series(SEGMENTATION, series(SEGMENTATION)["segs"]), "isn't a label map"),
        (series(SEGMENTATION, np.zeros((0, 0))), "isn't a label map"),
        (series(SEGMENTATION, np.zeros((2, 3, 2))), "isn't a label map"),
        (ground_truth(SEGMENTATION) | {"segs": {"Segmentation": SEGMENTATION}}, "isn't a label map"),
        (series(SEGMENTATION, SEGMENTATION.T), "different sizes"),
    ],
)
def test_another_series_is_a_user_error(variables: dict, message: str) -> None:
    with pytest.raises(UserError, match=rf"a\.mat has .*{message}"):
        read_mat_label_map_series(mat(variables), "a.mat")


def test_a_series_of_version_7_3_is_read(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.mat", "w", userblock_size=512) as file:
        cells = file.create_dataset("segs", (2, 1), dtype=h5py.ref_dtype)
        for number in range(2):
            file[f"#refs#/{number}"] = (SEGMENTATION + number).T
            cells[number, 0] = file[f"#refs#/{number}"].ref
    content = b"MATLAB 7.3 MAT-file".ljust(124) + b"\0\2IM" + (tmp_path / "a.mat").read_bytes()[128:]
    np.testing.assert_array_equal(read_mat_label_map_series(content, "a.mat"), [SEGMENTATION, SEGMENTATION + 1])


def test_a_broken_file_of_version_7_3_is_a_user_error() -> None:
    with pytest.raises(UserError, match=r"a\.mat can't be read as a MATLAB file"):
        read_mat_annotations(b"MATLAB 7.3 MAT-file".ljust(126) + b"IM", "a.mat")


@pytest.mark.parametrize("content", [b"", mat({"x": 1}, format="4")])
def test_other_versions_are_user_errors(content: bytes) -> None:
    with pytest.raises(UserError, match=r'a\.mat isn.t a MATLAB file of version 5 to 7: save it in MATLAB with "-v7"'):
        read_mat_annotations(content, "a.mat")


@pytest.mark.parametrize("declared_size", [None, 8])
def test_deep_nesting_is_refused_and_does_not_crash(declared_size: int | None) -> None:
    with pytest.raises(UserError, match=r"a\.mat"):
        read_mat_annotations(nested_cells(100_000, declared_size), "a.mat")


def test_unpacking_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dynseg.io.mat_files._MAX_BYTES", 100_000)
    with pytest.raises(UserError, match="unpacks to more than 100,000 bytes"):
        read_mat_annotations(mat({"Segmentation": np.zeros((1000, 1000))}, do_compression=True), "a.mat")


@pytest.mark.parametrize("options", [{}, {"do_compression": True}])
def test_broken_bytes_never_give_another_error(options: dict) -> None:
    whole = mat(ground_truth(SEGMENTATION, SEGMENTATION), **options)
    rng = random.Random(0)
    for _ in range(500):
        content = bytearray(whole[: rng.choice([len(whole), rng.randrange(len(whole))])])
        for _ in range(rng.randrange(1, 4)):
            if content:
                content[rng.randrange(len(content))] = rng.randrange(256)
        with contextlib.suppress(UserError):
            read_mat_annotations(bytes(content), "a.mat")


def test_a_broken_series_never_gives_another_error() -> None:
    whole = mat(series(SEGMENTATION, SEGMENTATION + 1))
    rng = random.Random(0)
    for _ in range(500):
        content = bytearray(whole[: rng.choice([len(whole), rng.randrange(len(whole))])])
        for _ in range(rng.randrange(1, 4)):
            if content:
                content[rng.randrange(len(content))] = rng.randrange(256)
        with contextlib.suppress(UserError):
            read_mat_label_map_series(bytes(content), "a.mat")
