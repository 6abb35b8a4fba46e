"""Writing files so that a killed process never leaves half of one under its final name."""

import hashlib
import os
import re
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from dynseg.errors import UserError


@contextmanager
def written_aside(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it to `path` when the block ends without an exception.

    The temporary name keeps the suffix of `path`, since writers choose a format by it. The directory is made
    if it is missing. What a killed process left of the same file is removed.

    Raises
    ------
    UserError
        If the file or its directory can't be written.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        start, end = f".{path.stem[:40]}.{_host()}.", f".part{path.suffix}"
        _remove_abandoned(path.parent, start, end)
        handle, name = tempfile.mkstemp(prefix=f"{start}{os.getpid()}.", suffix=end, dir=path.parent)
    except OSError as error:
        raise cannot_write(path, error) from error
    os.close(handle)
    aside = Path(name)
    try:
        yield aside
        # mkstemp makes private files; results are as readable as anything else the user makes.
        umask = os.umask(0)
        os.umask(umask)
        aside.chmod(0o666 & ~umask)
        force_to_disk(aside)
        os.replace(aside, path)
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        aside.unlink(missing_ok=True)


@contextmanager
def folder_written_aside(path: str | Path) -> Iterator[Path]:
    """Yield an empty temporary folder beside `path`; rename it to `path` when the block ends without an exception.

    What was there is removed, and so is what a killed process left of it.

    Raises
    ------
    UserError
        If the folder can't be written.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        start, end = f".{path.stem[:40]}.{_host()}.", f".part{path.suffix}"
        _remove_abandoned(path.parent, start, end)
        aside = Path(tempfile.mkdtemp(prefix=f"{start}{os.getpid()}.", suffix=end, dir=path.parent))
    except OSError as error:
        raise cannot_write(path, error) from error
    try:
        yield aside
        umask = os.umask(0)
        os.umask(umask)
        aside.chmod(0o777 & ~umask)
        for file in aside.rglob("*"):
            if file.is_file():
                force_to_disk(file)
        # A folder that has something in it isn't replaced by another.
        if path.is_dir():
            os.replace(path, old := aside.with_name(f"{aside.name}.old{end}"))
            os.replace(aside, path)
            remove(old)
        else:
            os.replace(aside, path)
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        remove(aside)


def remove(path: Path) -> None:
    """Remove a file, or a folder with all that is in it, if it is there.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     inner = Path(folder, "a", "b")
    ...     inner.mkdir(parents=True)
    ...     remove(inner.parent)
    ...     remove(inner.parent)
    ...     inner.parent.exists()
    False
    """
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def force_to_disk(path: Path) -> None:
    """Wait until a file's content is on the disk: else a power failure could leave it empty under its final name."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def sha256(path: str | Path) -> str:
    """Return the SHA-256 of a file's content, in hexadecimal digits.

    Raises
    ------
    OSError
        If it can't be read.

    Examples
    --------
    >>> import os
    >>> sha256(os.devnull)[:16]
    'e3b0c44298fc1c14'
    """
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_writable(path: str | Path) -> None:
    """Try whether a file can be written, before the work that it is to hold.

    Raises
    ------
    UserError
        If it is a folder, or its folder can't be written.
    """
    path = Path(path)
    if path.is_dir():
        raise UserError(f"{path} is a folder: give the name of a file in it")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise cannot_write(path, error) from error


def _host() -> str:
    return re.sub(r"[^A-Za-z0-9-]", "-", socket.gethostname())[:40]


def _remove_abandoned(folder: Path, start: str, end: str) -> None:
    """Remove the temporary files and folders of processes of this machine that are no more."""
    for name in os.listdir(folder):
        if name.startswith(start) and name.endswith(end):
            process = name.removeprefix(start).partition(".")[0]
            # Not by signal 0, which on Windows ends processes.
            if process.isdecimal() and not psutil.pid_exists(int(process)):
                remove(folder / name)


def cannot_write(path: str | Path, error: OSError) -> UserError:
    """Return the sentence for a file or folder that the system doesn't let be written."""
    return UserError(f"{path} can't be written ({error.strerror or error}): make room or choose a writable folder")
