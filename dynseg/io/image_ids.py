"""Image ids: names that are safe in a path, a table and a wildcard, made from the names that files have."""

import hashlib
import posixpath
import re
import unicodedata

IMAGE_ID_PATTERN = r"[\w.+%-]+"

_MAX_BYTES = 120
_UNSAFE = re.compile(r"[^\w.+%-]|%")


def image_id(relative_path: str) -> str:
    """Make the id of an image from its path below the dataset's root.

    Folders are joined by "_", the extension goes, letters and digits of any script stay, every other character is
    percent-encoded. A very long id is cut and ends in a hash of the whole, since a file's name has a limit.

    Parameters
    ----------
    relative_path : str
        With "/" between folders; bytes that aren't UTF-8 as surrogate escapes.

    Returns
    -------
    str
        Matches `IMAGE_ID_PATTERN`.
    """
    parts = [part for part in relative_path.split("/") if part not in ("", ".", "..")]
    stem = posixpath.splitext("/".join(parts))[0]
    # The same name comes composed or decomposed, depending on the file system.
    safe = _UNSAFE.sub(_percent_encoded, unicodedata.normalize("NFC", stem).replace("/", "_"))
    if not safe.strip("."):
        safe = safe.replace(".", "%2E")
    encoded = safe.encode()
    if len(encoded) <= _MAX_BYTES:
        return safe
    digest = hashlib.sha256(encoded).hexdigest()[:16]
    start = encoded[: _MAX_BYTES - len(digest) - 1].decode(errors="ignore")
    return f"{start}-{digest}"


def _percent_encoded(match: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in match.group().encode("utf-8", "surrogateescape"))
