"""Fetch an archive from its mirrors: resumed, checked by size and hash, and never half under its final name."""

import contextlib
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import requests
import urllib3
from tqdm import tqdm

from dynseg.errors import UserError
from dynseg.io.files import cannot_write, force_to_disk
from dynseg.io.files import sha256 as file_sha256
from dynseg.io.locks import one_at_a_time

ATTEMPTS = 4
BACKOFF_SECONDS = 1.0
LONGEST_WAIT_SECONDS = 60.0
TIMEOUT_SECONDS = (15.0, 60.0)  # to connect, between two pieces

_PIECE_BYTES = 1 << 18
_REPORTED_STEPS = 4
_WORTH_RETRYING = frozenset({408, 425, 429, 500, 502, 503, 504})


class _MirrorError(Exception):
    """A mirror failed for good; its text says why."""


class _PassingError(Exception):
    """An attempt failed and another may do; `wait` is how many seconds the server asks for."""

    def __init__(self, reason: str, wait: float = 0) -> None:
        super().__init__(reason)
        self.wait = wait


# pooch knows mirrors and hashes but neither resumes nor bounds a body, so this stands on requests. urllib3's Retry
# would repeat the request as it was, while a body that was cut needs another one: one loop does both.
def fetch(
    urls: Sequence[str],
    destination: str | Path,
    sha256: str | None = None,
    size: int | None = None,
    check: Callable[[Path], None] | None = None,
) -> None:
    """Download a file from the first mirror that has it.

    The body goes into `destination` with ".part" behind, where a later call resumes it if a hash is given; it gets
    its final name when size, hash and `check` agree. A destination that has the hash already is left alone.

    Parameters
    ----------
    urls : sequence of str
        Mirrors, in the order in which they are tried: http or https.
    destination : path
        The file to write.
    sha256 : str, optional
        The hash that it must have, in hexadecimal digits.
    size : int, optional
        The number of bytes that it must have; no more are ever read.
    check : callable, optional
        Takes the path of the downloaded file and raises UserError if its content won't do.

    Raises
    ------
    UserError
        If no mirror delivers the file, with what each was tried for, or it can't be written.
    """
    destination = Path(destination)
    part = destination.with_name(f"{destination.name}.part")
    sha256 = sha256.lower() if sha256 else None
    failures = []
    try:
        with one_at_a_time(part):
            if sha256 and destination.is_file() and file_sha256(destination) == sha256:
                return
            for url in urls:
                try:
                    if sha256 is None:
                        # Without a hash nothing says that an earlier part belongs to this file.
                        part.unlink(missing_ok=True)
                    _fetch_from(url, part, sha256, size, check)
                except _MirrorError as error:
                    failures.append(f"{url} ({error})")
                else:
                    force_to_disk(part)
                    os.replace(part, destination)
                    return
    except OSError as error:
        raise cannot_write(destination, error) from error
    raise UserError(
        f"{destination.name} couldn't be fetched from {', '.join(failures) or 'anywhere'}: "
        "get it in another way and set the config key `archives` to its folder, or the dataset's config key `archive` "
        "to its path"
    )


def link(file: str | Path, destination: str | Path) -> None:
    """Let a file that is there already stand where it would be downloaded to, not copied where links can be made.

    Parameters
    ----------
    file : path
        What is linked to, by its absolute path; nothing of it is changed.
    destination : path
        The link to make.

    Raises
    ------
    UserError
        If the link can't be made.
    """
    file, destination = Path(file), Path(destination)
    aside = destination.with_name(f".{destination.name}.{os.getpid()}.part")
    try:
        destination.parent.mkdir(parents=True, exist_ok=True)
        aside.unlink(missing_ok=True)
        try:
            aside.symlink_to(file.absolute())
        except OSError:
            # Some file systems, and users of Windows, can't make links.
            shutil.copyfile(file, aside)
        os.replace(aside, destination)
    except OSError as error:
        raise cannot_write(destination, error) from error


def _fetch_from(
    url: str, part: Path, sha256: str | None, size: int | None, check: Callable[[Path], None] | None
) -> None:
    if urlsplit(url).scheme not in ("http", "https"):
        raise _MirrorError("not an http or https address")
    validator = None
    for attempt in range(ATTEMPTS):
        resumed = part.exists() and part.stat().st_size > 0
        try:
            validator = _receive(url, part, size, validator)
            _verify(part, sha256, size, check)
            return
        except _PassingError as error:
            reason, wait = str(error), error.wait
        except _MirrorError as error:
            # The earlier part may have been the wrong one, so a fresh attempt is due.
            if not resumed or part.exists():
                raise
            reason, wait = str(error), 0.0
        if sha256 is None and validator is None:
            part.unlink(missing_ok=True)
        if attempt + 1 < ATTEMPTS:
            time.sleep(min(max(wait, BACKOFF_SECONDS * 2**attempt), LONGEST_WAIT_SECONDS))
    raise _MirrorError(f"{reason}, {ATTEMPTS} times tried")


def _verify(part: Path, sha256: str | None, size: int | None, check: Callable[[Path], None] | None) -> None:
    try:
        if size is not None and part.stat().st_size != size:
            raise _MirrorError(f"{part.stat().st_size:,} bytes came and not {size:,}")
        if sha256 is not None and file_sha256(part) != sha256:
            raise _MirrorError("the content has another sha256")
        if check is not None:
            check(part)
    except _MirrorError:
        part.unlink()
        raise
    except UserError as error:
        part.unlink()
        raise _MirrorError(str(error)) from error


def _receive(url: str, part: Path, size: int | None, validator: str | None) -> str | None:
    """Add to the part what the mirror has beyond it; return what identifies this version of the file."""
    start = part.stat().st_size if part.exists() else 0
    if size is not None and start == size:
        return validator
    if size is not None and start > size:
        part.unlink()
        start = 0
    # Some servers announce a .tgz as a gzip-encoded .tar, which a client would silently unpack.
    headers = {"Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
        if validator:
            headers["If-Range"] = validator
    try:
        with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT_SECONDS) as response:
            start = _continued_at(response, part, start)
            validator = response.headers.get("ETag") or response.headers.get("Last-Modified")
            _append(response, part, start, size)
    except (requests.RequestException, urllib3.exceptions.HTTPError, TimeoutError) as error:
        raise _PassingError(_first_cause(error)) from error
    if size is not None and part.stat().st_size < size:
        raise _PassingError(f"the body ended after {part.stat().st_size:,} of {size:,} bytes")
    return validator


def _continued_at(response: requests.Response, part: Path, start: int) -> int:
    """Find at which byte the body goes on, or raise by the status."""
    if response.status_code == 206:
        content_range = response.headers.get("Content-Range", "")
        if content_range.startswith(f"bytes {start}-"):
            return start
        part.unlink(missing_ok=True)
        raise _PassingError(f"the server sent another range ({content_range})")
    if response.status_code == 200:
        return 0
    if response.status_code == 416:
        part.unlink(missing_ok=True)
        raise _PassingError("the server has no more than the part that was there")
    reason = f"{response.status_code} {response.reason}"
    if response.status_code in _WORTH_RETRYING:
        raise _PassingError(reason, _asked_wait(response))
    raise _MirrorError(reason)


def _asked_wait(response: requests.Response) -> float:
    """Return for how many seconds the server asks to wait, by a number or a date."""
    try:
        return urllib3.Retry().parse_retry_after(response.headers.get("Retry-After", "0"))
    except urllib3.exceptions.InvalidHeader:
        return 0


def _append(response: requests.Response, part: Path, start: int, size: int | None) -> None:
    declared = response.headers.get("Content-Length", "")
    total = size if size is not None else (start + int(declared) if declared.isdecimal() else None)
    with part.open("r+b" if start else "wb") as file, _progress(part.stem, start, total) as report:
        file.seek(start)
        file.truncate()
        for piece in response.raw.stream(_PIECE_BYTES, decode_content=False):
            start += len(piece)
            if size is not None and start > size:
                file.close()
                part.unlink()
                raise _MirrorError(f"the body is longer than {size:,} bytes")
            file.write(piece)
            report(len(piece))


@contextlib.contextmanager
def _progress(name: str, start: int, total: int | None) -> Iterator[Callable[[int], object]]:
    """Show a bar on a terminal, and a line for each quarter in a log."""
    if sys.stderr.isatty():
        with tqdm(desc=name, initial=start, total=total, unit="B", unit_scale=True) as bar:
            yield bar.update
        return
    done = start

    def report(size: int) -> None:
        nonlocal done
        before, done = done, done + size
        if total and before * _REPORTED_STEPS // total != done * _REPORTED_STEPS // total:
            print(f"{name}: {done / 1e6:,.1f} of {total / 1e6:,.1f} MB", file=sys.stderr, flush=True)

    yield report


def _first_cause(error: BaseException) -> str:
    """Give the innermost reason: the outer ones repeat it with much around."""
    while True:
        inner = getattr(error, "reason", None) or error.__cause__ or error.__context__
        if not isinstance(inner, BaseException) and error.args and isinstance(error.args[0], BaseException):
            inner = error.args[0]
        if not isinstance(inner, BaseException) or inner is error:
            return getattr(error, "strerror", None) or str(error) or type(error).__name__
        error = inner
