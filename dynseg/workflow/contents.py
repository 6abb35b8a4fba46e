"""Digests of files that aren't outputs of a rule: a change may come with an older time stamp."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

from dynseg.io.archives import iterate_members


def files_digest(paths: Iterable[str]) -> str:
    """Return a digest of the names, sizes and times of files, and of all files in folders and in linked folders.

    Snakemake sees a changed folder only by its own time, takes braces in a file's name for wildcards, and doesn't see
    a file that was replaced by an older one.
    """
    digest = hashlib.sha256()
    for path in map(Path, paths):
        for name, size, modified in _files(path):
            digest.update(f"{name}\0{size}\0{modified}\0".encode(errors="surrogateescape"))
    return digest.hexdigest()[:12]


def _files(path: Path) -> Iterable[tuple[str, int, float]]:
    if path.is_dir():
        return ((member.name, member.size, member.modified) for member in iterate_members(path))
    status = path.stat()
    return [(path.name, status.st_size, status.st_mtime)]
