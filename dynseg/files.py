"""Writing files so that a killed process never leaves half of one under its final name."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dynseg.errors import UserError


@contextmanager
def written_aside(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it to `path` when the block ends without an exception.

    The temporary name keeps the suffix of `path`, since writers choose a format by it. The directory is made
    if it is missing.

    Raises
    ------
    UserError
        If the file or its directory can't be written.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.stem[:40]}.", suffix=f".part{path.suffix}", dir=path.parent)
    except OSError as error:
        raise _cannot_write(path, error) from error
    os.close(handle)
    aside = Path(name)
    try:
        yield aside
        # mkstemp makes private files; results are as readable as anything else the user makes.
        umask = os.umask(0)
        os.umask(umask)
        aside.chmod(0o666 & ~umask)
        os.replace(aside, path)
    except OSError as error:
        raise _cannot_write(path, error) from error
    finally:
        aside.unlink(missing_ok=True)


def _cannot_write(path: Path, error: OSError) -> UserError:
    return UserError(f"{path} can't be written ({error.strerror or error}): make room or choose a writable folder")
