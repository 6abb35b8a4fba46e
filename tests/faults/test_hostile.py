"""Archives and files made to do harm: nothing outside the target folder is read or written, and nothing crashes."""

import io
import struct
import tarfile
import zipfile
import zlib
from pathlib import Path

import h5py
import numpy as np
import pytest

from dynseg.datasets.preparing import prepare
from dynseg.errors import UserError
from dynseg.io import archives
from dynseg.io.ground_truth import read_annotated_ids
from dynseg.io.label_maps import read_image_ids, read_labels
from dynseg.io.predictions import find_prediction, is_contour_map, list_predictions, read_prediction

# A PPM of 2x2 pixels.
PICTURE = b"P6 2 2 255 " + bytes(range(12))


def tar(path: Path, *members: tuple[str, bytes, bytes, str]) -> Path:
    """Write a tar of members: name, type, content, and what a link leads to."""
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT, errors="surrogateescape") as archive:
        for name, kind, content, link in members:
            info = tarfile.TarInfo(name)
            info.type, info.size, info.linkname = kind, len(content), link
            archive.addfile(info, io.BytesIO(content))
    return path


def file(name: str, content: bytes = PICTURE) -> tuple[str, bytes, bytes, str]:
    return name, tarfile.REGTYPE, content, ""


def link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> tuple[str, bytes, bytes, str]:
    return name, kind, b"", target


@pytest.fixture
def guarded(tmp_path: Path) -> Path:
    """A folder beside a secret, and a folder that links lead to."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret.ppm").write_bytes(PICTURE)
    (tmp_path / "inside").mkdir()
    return tmp_path


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_names_links_and_devices_of_an_archive_lead_nowhere(guarded: Path) -> None:
    outside = str(guarded / "outside")
    archive = tar(
        guarded / "inside" / "evil.tar",
        file("../../outside/up.ppm"),
        file(f"{outside}/absolute.ppm"),
        file("a/../../../b.ppm"),
        link("symbolic.ppm", f"{outside}/secret.ppm"),
        link("hard.ppm", "../outside/secret.ppm", tarfile.LNKTYPE),
        link("folder", outside),
        file("folder/through.ppm"),
        link("device.ppm", "", tarfile.CHRTYPE),
        link("pipe.ppm", "", tarfile.FIFOTYPE),
        file("caf\udce9.ppm"),
        file("new\nline; rm -rf $HOME.ppm"),
        file("A.ppm"),
        file("a.ppm"),
    )
    before = tree(guarded / "outside")
    ids = prepare("folder", archive, guarded / "inside" / "dataset", "evil")
    assert len(ids) == 8
    assert {"A", "a", "caf%E9", "folder_through", "new%0Aline%3B%20rm%20-rf%20%24HOME"} <= set(ids)
    assert tree(guarded / "outside") == before
    assert sorted(path.name for path in guarded.iterdir()) == ["inside", "outside"]
    assert sorted(path.name for path in (guarded / "inside").iterdir()) == ["dataset", "evil.tar"]
    images = list((guarded / "inside" / "dataset" / "images").iterdir())
    assert len(images) == 8
    assert all(path.is_file() and not path.is_symlink() for path in images)


def test_a_link_in_a_folder_of_pictures_leads_no_further_than_to_a_picture(guarded: Path) -> None:
    pictures = guarded / "inside" / "pictures"
    pictures.mkdir()
    (pictures / "a.ppm").write_bytes(PICTURE)
    (pictures / "loop").symlink_to(guarded)
    (pictures / "password.png").symlink_to("/etc/passwd")
    with pytest.raises(UserError, match=r"password\.png"):
        prepare("folder", pictures, guarded / "inside" / "dataset", "evil")
    (pictures / "password.png").unlink()
    assert prepare("folder", pictures, guarded / "inside" / "dataset", "evil") == ["a"]


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ([file("a.ppm"), file("a.ppm")], "twice"),
        ([file("a.ppm"), file("./a.ppm")], "would both be the image 'a'"),
        ([file("a.ppm"), file("a.png")], "would both be the image 'a'"),
    ],
)
def test_names_that_collide_are_one_sentence(guarded: Path, members: list, message: str) -> None:
    with pytest.raises(UserError, match=message):
        prepare("folder", tar(guarded / "a.tar", *members), guarded / "dataset", "some")
    assert not (guarded / "dataset" / "images").exists()


@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_a_bomb_is_refused_by_what_it_really_holds(guarded: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    monkeypatch.setattr(archives, "MAX_ARCHIVE_BYTES", 1 << 22)
    content = io.BytesIO()
    if kind == "tar":
        with tarfile.open(fileobj=content, mode="w:gz") as archive:
            info = tarfile.TarInfo("zeros.ppm")
            info.size = 1 << 24
            archive.addfile(info, io.BytesIO(bytes(info.size)))
    else:
        with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as zipped:
            zipped.writestr("zeros.ppm", bytes(1 << 24))
    assert len(content.getvalue()) < 1 << 17
    (guarded / "bomb").write_bytes(content.getvalue())
    with pytest.raises(UserError, match="unpacks to more than 4,194,304 bytes"):
        prepare("folder", guarded / "bomb", guarded / "dataset", "bomb")


def test_an_image_bomb_is_refused_by_its_pixels(guarded: Path) -> None:
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(bytes(1000))), (b"IEND", b"")]
    content = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in chunks
    )
    archive = tar(guarded / "a.tar", file("bomb.png", content))
    with pytest.raises(UserError, match=r"bomb\.png has more than 178,956,970 pixels: scale it down"):
        prepare("folder", archive, guarded / "dataset", "bomb")


def hostile_hdf5(guarded: Path) -> Path:
    with h5py.File(guarded / "outside" / "secret.h5", "w") as secret:
        secret["labels"] = np.zeros((2, 2), np.uint8)
    path = guarded / "inside" / "maps.h5"
    with h5py.File(path, "w") as file:
        file["external"] = h5py.ExternalLink("../outside/secret.h5", "labels")
        file["soft"] = h5py.SoftLink("/nowhere")
        file.create_group("group")["labels"] = h5py.ExternalLink("../outside/secret.h5", "labels")
        file.create_dataset("raw", (2, 2), np.uint8, external=[(str(guarded / "outside" / "secret.ppm"), 0, 4)])
        layout = h5py.VirtualLayout((2, 2), np.uint8)
        layout[:] = h5py.VirtualSource(str(guarded / "outside" / "secret.h5"), "labels", (2, 2))
        file.create_virtual_dataset("virtual", layout)
        file.create_dataset("huge", (10**6, 10**6), np.uint8)
    return path


def test_an_hdf5_file_of_predictions_leads_to_no_other_file(guarded: Path) -> None:
    path = hostile_hdf5(guarded)
    assert set(list_predictions(path)) == {"raw", "virtual", "huge"}
    for name, message in {"raw": "in another file", "virtual": "in another file", "huge": "larger than any"}.items():
        with pytest.raises(UserError, match=message):
            read_prediction(find_prediction(path, name), (2, 2))


def test_a_label_map_file_leads_to_no_other_file(guarded: Path) -> None:
    path = hostile_hdf5(guarded)
    for name in read_image_ids(path):
        with pytest.raises(UserError, match=r"maps\.h5"):
            read_labels(path, name)


def test_names_in_an_hdf5_file_that_are_not_utf8_are_no_images(guarded: Path) -> None:
    path = guarded / "maps.h5"
    with h5py.File(path, "w") as file:
        file.create_group("a")["labels"] = np.zeros((2, 2), np.uint8)
        h5py.h5g.create(file.id, b"caf\xe9")
    assert read_image_ids(path) == ["a"]
    assert set(list_predictions(path)) == {"a"}
    assert read_annotated_ids(path) == ["a"]


def test_a_contour_map_nested_too_deep_does_not_crash(guarded: Path) -> None:
    def element(kind: int, data: bytes) -> bytes:
        return struct.pack("<II", kind, len(data)) + data + bytes(-len(data) % 8)

    head = element(6, struct.pack("<II", 1, 0)) + element(5, struct.pack("<ii", 1, 1)) + element(1, b"ucm2")
    # Every cell claims to hold the whole rest of the file.
    cells = (struct.pack("<II", 14, 1 << 30) + head) * 50_000
    path = guarded / "a.mat"
    path.write_bytes(b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack("<H", 0x100) + b"IM" + cells)
    assert not is_contour_map(find_prediction(path, "a"))
    with pytest.raises(UserError, match=r"a\.mat can't be read as a MATLAB file"):
        read_prediction(find_prediction(path, "a"), (2, 2))
