"""Mutations of bytes and of nested values."""

import copy
import random
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dynseg.errors import UserError

_NUMBERS = (0, 1, 7, 127, 128, 255, 256, 32_767, 65_535, 2**31 - 1, 2**31, 2**32 - 1)


@dataclass(frozen=True)
class Target:
    """A reader to fuzz: how an input is made, how it is read, and which exceptions are its answer to a bad one."""

    make: Callable[[random.Random], bytes]
    read: Callable[[bytes, Path], object]
    refusals: tuple[type[Exception], ...] = (UserError,)


def mutated(content: bytes, rng: random.Random) -> bytes:
    """Change a few places: bits, bytes, whole numbers, and pieces that are cut, doubled, moved or emptied."""
    data = bytearray(content)
    for _ in range(rng.choice((0, 1, 1, 1, 2, 3, 5, 10))):
        if not data:
            break
        start = rng.randrange(len(data))
        length = min(rng.choice((1, 2, 4, 8, 16, 64, 512)), len(data) - start)
        match rng.randrange(9):
            case 0:
                data[start] ^= 1 << rng.randrange(8)
            case 1:
                data[start] = rng.randrange(256)
            case 2 | 3:
                number = struct.pack(rng.choice(("<I", ">I", "<H", ">H", "<Q")), rng.choice(_NUMBERS) & 0xFFFF)
                if rng.random() < 0.5:
                    number = struct.pack(rng.choice("<>") + "I", rng.choice(_NUMBERS))
                data[start : start + len(number)] = number
            case 4:
                del data[start : start + length]
            case 5:
                data[start:start] = data[start : start + length]
            case 6:
                target = rng.randrange(len(data))
                data[target : target + length] = data[start : start + length]
            case 7:
                data[start : start + length] = bytes(length)
            case 8 if rng.random() < 0.3:
                del data[start:]
    return bytes(data)


def mended_png(content: bytes) -> bytes:
    """Give every chunk of a PNG its right checksum, so that a mutation reaches what comes after the check."""
    position, pieces = 8, [content[:8]]
    while position + 12 <= len(content):
        (length,) = struct.unpack_from(">I", content, position)
        body = content[position + 4 : position + 8 + length]
        pieces.append(struct.pack(">I", length) + body + struct.pack(">I", zlib.crc32(body)))
        position += 12 + length
    return b"".join(pieces)


def mended_tar(content: bytes) -> bytes:
    """Give every header of a tar its right checksum; headers are looked for at every block."""
    data = bytearray(content)
    for start in range(0, len(data) - 511, 512):
        if data[start + 257 : start + 262] == b"ustar":
            data[start + 148 : start + 156] = b" " * 8
            data[start + 148 : start + 156] = f"{sum(data[start : start + 512]):06o}\0 ".encode()
    return bytes(data)


def mutated_value(value: Any, nasty: tuple[Any, ...], rng: random.Random) -> Any:
    """Change a few places of nested dicts and lists: leaves, keys and whole parts."""
    value = copy.deepcopy(value)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 6))):
        places = [(value, key) for value in _containers(value) for key in _keys(value)]
        if not places:
            break
        container, key = rng.choice(places)
        match rng.randrange(6):
            case 0 | 1 | 2:
                container[key] = copy.deepcopy(rng.choice(nasty))
            case 3:
                del container[key]
            case 4:
                other, other_key = rng.choice(places)
                if other_key in _keys(other):
                    container[key] = copy.deepcopy(other[other_key])
            case 5 if isinstance(container, dict):
                new = rng.choice(nasty) if rng.random() < 0.5 else rng.choice(places)[1]
                if isinstance(new, str | int | float | bool | None):
                    container[new] = container.pop(key)
    return value


def _containers(value: Any) -> list[Any]:
    found = [value] if isinstance(value, dict | list) else []
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        found += _containers(part)
    return found


def _keys(container: Any) -> list[Any]:
    return list(container) if isinstance(container, dict) else list(range(len(container)))
