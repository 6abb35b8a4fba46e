"""Read the files of a tar, a zip or a folder in order, never writing anything under a name that an archive gives."""

import bz2
import calendar
import gzip
import io
import lzma
import os
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from dynseg.errors import UserError
from dynseg.io.files import sha256
from dynseg.io.images import IMAGE_SUFFIXES

MAX_MEMBER_BYTES = 1 << 30
MAX_ARCHIVE_BYTES = 64 << 30
MAX_MEMBERS = 2_000_000

_TAR_HEADER_BYTES = 1 << 20
_COMPRESSIONS = {b"\x1f\x8b": gzip, b"BZh": bz2, b"\xfd7zXZ\x00": lzma}
# What the readers of the standard library raise on broken input, found by fuzzing them.
_BROKEN = (
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    OSError,
    ValueError,
    OverflowError,
    RecursionError,
    NotImplementedError,
    RuntimeError,
    KeyError,
    IndexError,
    MemoryError,
)


@dataclass(frozen=True)
class Member:
    """One regular file of an archive or a folder.

    Attributes
    ----------
    name : str
        Its name as the archive has it, with "/" between folders; bytes that aren't UTF-8 are surrogate escapes.
    size : int
        Declared size in bytes.
    modified : float
        Time of its last change in seconds since 1970.
    read : callable
        Returns the content; in a tar only until the next member is asked for. Raises UserError if it is larger than
        `MAX_MEMBER_BYTES` or can't be read.
    """

    name: str
    size: int
    modified: float
    read: Callable[[], bytes]


def iterate_members(path: str | Path) -> Iterator[Member]:
    """Yield the regular files of an archive (tar, plain or compressed by gzip, bzip2 or xz; zip) or of a folder.

    Devices and folders are left out, and so are an archive's links; a folder's are followed, to folders too, unless
    they lead back to a folder that they lie in. A folder's files come sorted by name, an archive's in its own order,
    so that a compressed tar is read once from front to back.

    Parameters
    ----------
    path : path
        The archive or folder.

    Raises
    ------
    UserError
        If `path` doesn't exist, is neither an archive nor a folder, is truncated or broken, or goes beyond
        `MAX_ARCHIVE_BYTES` or `MAX_MEMBERS`.
    """
    path = Path(path)
    if path.is_dir():
        yield from _folder_members(path)
        return
    try:
        with path.open("rb") as raw:
            if zipfile.is_zipfile(raw) and not _starts_like_tar(raw):
                yield from _zip_members(path, raw)
            else:
                raw.seek(0)
                yield from _tar_members(path, raw)
    except UserError:
        raise
    except FileNotFoundError as error:
        raise UserError(f"{path} doesn't exist: give the path of an archive (tar, zip) or a folder") from error
    except PermissionError as error:
        raise UserError(f"{path} can't be read: check its permissions") from error
    except _BROKEN as error:
        raise _broken(path, error) from error


def archive_hash(path: str | Path) -> str:
    """SHA-256 of an archive in hexadecimal digits, or "" for a folder, which has none."""
    path = Path(path)
    if path.is_dir():
        return ""
    try:
        return sha256(path)
    except OSError as error:
        raise UserError(f"{path} can't be read ({error.strerror or error}): give the path of an archive") from error


def _broken(path: Path, error: BaseException) -> UserError:
    if path.suffix.lower() in IMAGE_SUFFIXES:
        return UserError(f"{path} is no archive (tar, zip): give the folder that the picture lies in, or an archive")
    return UserError(
        f"{path} isn't a whole tar or zip archive ({error or type(error).__name__}): fetch or copy it again"
    )


def _starts_like_tar(raw: IO[bytes]) -> bool:
    # A plain tar that holds a zip near its end passes for a zip otherwise.
    raw.seek(257)
    return raw.read(5) == b"ustar"


def _counted(path: Path, count: int) -> None:
    if count > MAX_MEMBERS:
        raise UserError(f"{path} holds more than {MAX_MEMBERS:,} files: split it into smaller archives")


def _too_large(path: Path, name: str, size: int) -> UserError:
    return UserError(
        f"{path}: {name!a} has {size:,} bytes, more than the {MAX_MEMBER_BYTES:,} that are read: leave it out"
    )


def _folder_members(root: Path) -> Iterator[Member]:
    count = 0
    # A link to a folder that it lies in would never end.
    around = frozenset(map(_folder_identity, (root.resolve(), *root.resolve().parents)))
    pending = [("", around)]
    names: list[str] = []
    while pending:
        below, above = pending.pop()
        try:
            with os.scandir(root / below) as entries:
                for entry in entries:
                    name = f"{below}/{entry.name}" if below else entry.name
                    identity = _folder_identity(root / name)
                    if identity is None:
                        names.append(name)
                    elif identity not in above:
                        pending.append((name, above | {identity}))
                    _counted(root, count := count + 1)
        except OSError as error:
            raise UserError(f"{root / below} can't be listed ({error.strerror}): check its permissions") from error
    for name in sorted(names):
        file = root / name
        try:
            status = file.stat()
        except OSError:
            continue
        if stat.S_ISREG(status.st_mode):
            yield Member(name, status.st_size, status.st_mtime, _file_reader(root, name, status.st_size))


def _folder_identity(path: Path) -> tuple[int, int] | None:
    """Return what is the same for all names of a folder; None for anything else."""
    try:
        status = path.stat()
    except OSError:
        return None
    return (status.st_dev, status.st_ino) if stat.S_ISDIR(status.st_mode) else None


def _file_reader(root: Path, name: str, size: int) -> Callable[[], bytes]:
    def read() -> bytes:
        if size > MAX_MEMBER_BYTES:
            raise _too_large(root, name, size)
        try:
            return (root / name).read_bytes()
        except OSError as error:
            raise UserError(f"{root / name!s} can't be read ({error.strerror}): check its permissions") from error

    return read


def _zip_members(path: Path, raw: IO[bytes]) -> Iterator[Member]:
    with zipfile.ZipFile(raw) as archive:
        _counted(path, len(archive.infolist()))
        left = [MAX_ARCHIVE_BYTES]
        for info in archive.infolist():
            kind = stat.S_IFMT(info.external_attr >> 16)
            if info.is_dir() or kind not in (0, stat.S_IFREG):
                continue
            modified = calendar.timegm((*info.date_time, 0, 0, 0))
            yield Member(info.filename, info.file_size, modified, _zip_reader(path, archive, info, left))


def _zip_reader(path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo, left: list[int]) -> Callable[[], bytes]:
    def read() -> bytes:
        if info.file_size > MAX_MEMBER_BYTES:
            raise _too_large(path, info.filename, info.file_size)
        left[0] -= info.file_size
        if left[0] < 0:
            raise UserError(f"{path} unpacks to more than {MAX_ARCHIVE_BYTES:,} bytes: split it into smaller archives")
        if info.flag_bits & 1:
            raise UserError(f"{path} is encrypted: pack it again without a password")
        try:
            # ZipExtFile itself stops at the declared size.
            with archive.open(info) as content:
                return content.read()
        except _BROKEN as error:
            raise _broken(path, error) from error

    return read


def _tar_members(path: Path, raw: IO[bytes]) -> Iterator[Member]:
    start = raw.read(6)
    raw.seek(0)
    stream = _BoundedStream(path, raw)
    for magic_number, compression in _COMPRESSIONS.items():
        if start.startswith(magic_number):
            stream = _BoundedStream(path, compression.open(raw))
    # mypy's stub asks for more of a file object than tarfile uses.
    with tarfile.open(fileobj=stream, mode="r:", errors="surrogateescape", encoding="utf-8") as archive:  # type: ignore[call-overload]
        count = 0
        while (info := archive.next()) is not None:
            _counted(path, count := count + 1)
            if info.isreg() and not info.issparse():
                yield Member(info.name, info.size, info.mtime, _tar_reader(path, info, stream))
            # tarfile would keep every header in memory.
            archive.members.clear()
            stream.allowance = _TAR_HEADER_BYTES
        # tarfile takes a broken header in the middle, or a missing end, for the end of the archive.
        if stream.last_read != bytes(tarfile.BLOCKSIZE):
            raise EOFError("it ends too early or has a broken part")
        # The checksum of a compressed archive stands at its very end.
        stream.drain()


def _tar_reader(path: Path, info: tarfile.TarInfo, stream: "_BoundedStream") -> Callable[[], bytes]:
    def read() -> bytes:
        if info.size > MAX_MEMBER_BYTES:
            raise _too_large(path, info.name, info.size)
        stream.allowance = info.size
        try:
            stream.seek(info.offset_data)
            content = stream.read(info.size)
        except _BROKEN as error:
            raise _broken(path, error) from error
        if len(content) < info.size:
            raise _broken(path, EOFError("it ends too early"))
        return content

    return read


class _BoundedStream:
    """A seekable stream that refuses to hand out more than its allowance, so that no declared size costs memory."""

    def __init__(self, path: Path, stream: IO[bytes]) -> None:
        self.path = path
        self.stream = stream
        self.allowance = _TAR_HEADER_BYTES
        self.last_read = b""

    def read(self, size: int = -1) -> bytes:
        if size < 0 or size > self.allowance:
            raise EOFError("a header in it is too long")
        self.allowance -= size
        pieces = []
        while size > 0:
            # Memory grows with what is there, not with what was declared.
            piece = self.stream.read(min(size, 1 << 20))
            if not piece:
                break
            pieces.append(piece)
            size -= len(piece)
        self.last_read = b"".join(pieces)
        return self.last_read

    def seek(self, position: int, whence: int = io.SEEK_SET) -> int:
        if position > MAX_ARCHIVE_BYTES:
            raise UserError(
                f"{self.path} unpacks to more than {MAX_ARCHIVE_BYTES:,} bytes: split it into smaller archives"
            )
        return self.stream.seek(position, whence)

    def tell(self) -> int:
        return self.stream.tell()

    def drain(self) -> None:
        while self.stream.read(1 << 20):
            if self.stream.tell() > MAX_ARCHIVE_BYTES:
                raise EOFError("it never ends")
