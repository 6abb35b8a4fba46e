"""Locks that end with the process that holds them, so that a killed one leaves none behind."""

import contextlib
import errno
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

from filelock import BaseFileLock, FileLock, Timeout

from dynseg.errors import UserError
from dynseg.io.files import cannot_write

_NO_LOCKS = frozenset({errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP})

_claimed: list[BaseFileLock] = []


def claim_folder(folder: str | Path) -> None:
    """Keep a folder for this process until it ends, however it ends.

    Where the file system knows no locks, nothing is kept.

    Raises
    ------
    UserError
        If another process keeps it, or it can't be written.
    """
    folder = Path(folder)
    file = folder / ".lock"
    lock = FileLock(file)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout as error:
        raise UserError(
            f"{folder} is in use by another run ({_holder(file) or 'it just started'}): wait until it ends, or stop it"
        ) from error
    except OSError as error:
        if error.errno in _NO_LOCKS:
            return
        raise cannot_write(folder, error) from error
    # Only a note for whoever comes second, and a full disk has no room for it.
    with contextlib.suppress(OSError):
        file.write_text(f"process {os.getpid()} on {socket.gethostname()}\n", encoding="utf-8")
    _claimed.append(lock)


def _holder(file: Path) -> str:
    # Some systems let nobody read what is locked.
    with contextlib.suppress(OSError):
        return file.read_text(encoding="utf-8", errors="replace")[:1000].strip()
    return ""


@contextlib.contextmanager
def one_at_a_time(path: str | Path) -> Iterator[None]:
    """Let one process at a time make `path`: a second one waits for the first, also for one that lost its parent.

    Where the file system knows no locks, nobody waits.

    Raises
    ------
    OSError
        If the folder of `path` can't be written.
    """
    file = Path(path).with_name(f".{Path(path).name}.lock")
    file.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(file)
    try:
        _acquire(lock, path)
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        yield
        return
    try:
        yield
    finally:
        # Removed while it is held: whoever waits finds that the file is gone and takes the lock of a new one.
        file.unlink(missing_ok=True)
        lock.release()


def _acquire(lock: BaseFileLock, path: str | Path) -> None:
    try:
        lock.acquire(timeout=0)
    except Timeout:
        print(f"waiting for another process that makes {path}", file=sys.stderr, flush=True)
        lock.acquire()
