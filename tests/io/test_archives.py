"""Archives of every kind, whole, broken and hostile."""

import bz2
import gzip
import io
import lzma
import os
import random
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from dynseg.errors import UserError
from dynseg.io import archives
from dynseg.io.archives import archive_hash, iterate_members

FILES = {"a/one.png": b"1" * 700, "a/two words;'\n.png": b"2" * 20_000, "日本/ü.png": b"3"}


def tar_bytes(files: dict[str, bytes], **options: object) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w", **options) as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(data), 1_000_000_000
            archive.addfile(info, io.BytesIO(data))
    return content.getvalue()


def zip_bytes(files: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", compression) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name, (2001, 9, 9, 1, 46, 40)), data, compression)
    return content.getvalue()


def read_all(path: Path) -> dict[str, bytes]:
    return {member.name: member.read() for member in iterate_members(path)}


def written(folder: Path, content: bytes) -> Path:
    path = folder / "some.archive"
    path.write_bytes(content)
    return path


PACKED = {
    "tar": tar_bytes,
    "pax": lambda files: tar_bytes(files, format=tarfile.PAX_FORMAT),
    "gnu": lambda files: tar_bytes(files, format=tarfile.GNU_FORMAT),
    "tgz": lambda files: gzip.compress(tar_bytes(files)),
    "tbz": lambda files: bz2.compress(tar_bytes(files)),
    "txz": lambda files: lzma.compress(tar_bytes(files)),
    "zip": zip_bytes,
    "stored zip": lambda files: zip_bytes(files, zipfile.ZIP_STORED),
}


@pytest.mark.parametrize("pack", PACKED.values(), ids=PACKED)
def test_every_kind_gives_the_same(tmp_path: Path, pack: Callable[[dict[str, bytes]], bytes]) -> None:
    path = written(tmp_path, pack(FILES))
    assert read_all(path) == FILES
    assert {member.modified for member in iterate_members(path)} == {1_000_000_000}
    assert {member.name: member.size for member in iterate_members(path)} == {
        name: len(data) for name, data in FILES.items()
    }


def test_folder_gives_the_same_sorted(tmp_path: Path) -> None:
    for name, data in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(data)
    os.symlink(tmp_path, tmp_path / "a" / "loop")
    os.symlink(tmp_path / "nowhere", tmp_path / "a" / "dangling")
    os.mkfifo(tmp_path / "a" / "pipe")
    assert read_all(tmp_path) == FILES
    assert [member.name for member in iterate_members(tmp_path)] == sorted(FILES)


def test_names_that_are_not_utf8_survive(tmp_path: Path) -> None:
    content = tar_bytes({"caf\udce9.png": b"1"}, format=tarfile.GNU_FORMAT, encoding="utf-8", errors="surrogateescape")
    assert read_all(written(tmp_path, content)) == {"caf\udce9.png": b"1"}


@pytest.mark.parametrize("pack", PACKED.values(), ids=PACKED)
def test_truncated_archive_is_a_user_error(tmp_path: Path, pack: Callable[[dict[str, bytes]], bytes]) -> None:
    rng = random.Random(0)
    whole = pack({**FILES, "noise.png": rng.randbytes(30_000)})
    # The last blocks of a tar are padding that nobody misses.
    for length in [*rng.sample(range(1, len(whole) - 10_240), 30), 0]:
        path = written(tmp_path, whole[:length])
        with pytest.raises(UserError, match=r"some\.archive isn't a whole tar or zip archive"):
            read_all(path)


@pytest.mark.parametrize("kind", ["tgz", "tbz", "txz", "zip"])
def test_changed_byte_never_gives_other_content(tmp_path: Path, kind: str) -> None:
    whole = PACKED[kind](FILES)
    rng = random.Random(1)
    for _ in range(60):
        content = bytearray(whole)
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
        try:
            got = read_all(written(tmp_path, bytes(content)))
        except UserError:
            continue
        assert set(got.values()) <= set(FILES.values())


def test_broken_header_in_the_middle_is_a_user_error(tmp_path: Path) -> None:
    content = bytearray(tar_bytes({"a": b"1", "b": b"2"}))
    content[1024 + 150] ^= 1
    with pytest.raises(UserError, match="broken part"):
        read_all(written(tmp_path, bytes(content)))


@pytest.mark.parametrize("content", [b"", b"no archive at all" * 100, b"\x1f\x8b", bytes(511)])
def test_no_archive_is_a_user_error(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(UserError, match="isn't a whole tar or zip archive"):
        read_all(written(tmp_path, content))


def test_missing_archive_is_a_user_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="doesn't exist"):
        read_all(tmp_path / "none.tgz")
    with pytest.raises(UserError, match=r"none\.tgz"):
        archive_hash(tmp_path / "none.tgz")


def test_links_and_devices_are_left_out(tmp_path: Path) -> None:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE):
            info = tarfile.TarInfo(f"kind{kind.decode()}.png")
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)
    assert read_all(written(tmp_path, content.getvalue())) == {}
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as zipped:
        link = zipfile.ZipInfo("link.png")
        link.external_attr = 0o120777 << 16
        zipped.writestr(link, "/etc/passwd")
    assert read_all(written(tmp_path, content.getvalue())) == {}


def test_declared_sizes_cost_no_memory(tmp_path: Path) -> None:
    for type_ in (tarfile.REGTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE):
        info = tarfile.TarInfo("huge.png")
        info.size, info.type = 1 << 35, type_
        content = info.tobuf(tarfile.GNU_FORMAT) + b"1" * 5000
        with pytest.raises(UserError, match=r"some\.archive"):
            read_all(written(tmp_path, content))


def test_member_beyond_the_bound_is_only_refused_when_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MAX_MEMBER_BYTES", 1000)
    for kind in ("tgz", "zip"):
        path = written(tmp_path, PACKED[kind](FILES))
        assert {member.name for member in iterate_members(path)} == set(FILES)
        with pytest.raises(UserError, match=r"two words.* has 20,000 bytes"):
            read_all(path)


def test_archive_beyond_the_bound_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MAX_ARCHIVE_BYTES", 10_000)
    for kind in ("tgz", "zip"):
        with pytest.raises(UserError, match="unpacks to more than 10,000 bytes"):
            read_all(written(tmp_path, PACKED[kind](FILES)))


def test_too_many_members_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MAX_MEMBERS", 2)
    for kind in ("tgz", "zip"):
        with pytest.raises(UserError, match="more than 2 files"):
            read_all(written(tmp_path, PACKED[kind](FILES)))


def test_hash_is_of_an_archive_and_not_of_a_folder(tmp_path: Path) -> None:
    assert archive_hash(written(tmp_path, b"")) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert archive_hash(tmp_path) == ""


@pytest.mark.parametrize("content", [b"", b"\xff\xd8\xff\xe0 a picture"])
def test_a_picture_in_an_archives_place_is_said_to_be_one(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "photo.JPG").write_bytes(content)
    with pytest.raises(UserError, match=r"photo\.JPG is no archive \(tar, zip\): give the folder"):
        list(iterate_members(tmp_path / "photo.JPG"))
