"""Which of several files, laid over each other, a wrong key of the configuration comes from."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

# What a file of the configuration, or `--config`, is called and says.
Part = tuple[str, Mapping[str, Any]]

# How sentences about a configuration begin, and what a key that shouldn't be there is told by.
_KEY = re.compile(r"config: (top level|[^\s:]+)")
_UNKNOWN = re.compile(r"there is no (?:key|parameter) '([^']*)' here")
_TOP_LEVEL = "top level"


def near(path: str | Path) -> Path:
    """Return a path as it is seen from the working directory, if it lies in it.

    Examples
    --------
    >>> near(Path.cwd() / "config" / "config.yaml").as_posix()
    'config/config.yaml'
    """
    absolute = Path(path).absolute()
    return absolute.relative_to(Path.cwd()) if absolute.is_relative_to(Path.cwd()) else absolute


def with_source(sentence: str, parts: Sequence[Part]) -> str:
    """Return a sentence about a key of the configuration, with the name of the part that says it.

    It comes back as it was where there is one part alone, or no part says the key.

    Parameters
    ----------
    sentence : str
        As `dynseg.workflow.configuration.resolve` raises it.
    parts : sequence of (str, mapping)
        Each is laid over those before it.

    Examples
    --------
    >>> parts = [("a.yaml", {"seeds": [0]}), ("b.yaml", {"training": {"scale": 2}})]
    >>> with_source("config: training/scale: 2 is too large: see config/README.md", parts)
    'config: training/scale: 2 is too large: see config/README.md (in b.yaml)'
    """
    if len(parts) > 1:
        for paths in _paths(sentence):
            for name, content in reversed(parts):
                if any(_says(content, path) for path in paths):
                    return f"{sentence} (in {name})"
    return sentence


def _paths(sentence: str) -> Iterator[list[tuple[str, ...]]]:
    """Yield the keys that a sentence may be about, the most telling ones first."""
    match = _KEY.match(sentence)
    if match is None:
        return
    path = () if match[1] == _TOP_LEVEL else tuple(match[1].split("/"))
    if unknown := _UNKNOWN.search(sentence):
        yield [(*path, unknown[1])]
        return
    if path[:1] in (("methods",), ("figure_methods",)) and len(path) == 2:
        # An entry takes what it doesn't say itself from the section that all share.
        words = re.findall(r"\w+", sentence[match.end() :])
        yield [(*section, word) for word in words for section in (path, ("training",))]
    yield from ([path[:length]] for length in range(len(path), 0, -1))


def _says(content: Any, path: tuple[str, ...]) -> bool:
    for name in path:
        if not isinstance(content, Mapping) or name not in content:
            return False
        content = content[name]
    return True
