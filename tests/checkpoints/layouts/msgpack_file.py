"""Flax's msgpack files, written by hand: nested maps, arrays as extension 1 holding (shape, name of the type, bytes)."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np


def packed(value: Any) -> bytes:
    if isinstance(value, dict):
        return _length(len(value), 0x80, 15, 0xDE) + b"".join(packed(key) + packed(inner) for key, inner in value.items())
    if isinstance(value, list | tuple):
        return _length(len(value), 0x90, 15, 0xDC) + b"".join(map(packed, value))
    if isinstance(value, str):
        data = value.encode()
        return (bytes([0xA0 | len(data)]) if len(data) < 32 else b"\xd9" + bytes([len(data)])) + data
    if isinstance(value, np.ndarray):
        data = packed(list(value.shape)) + packed(value.dtype.name) + b"\xc6" + struct.pack(">I", value.nbytes) + value.tobytes()
        return b"\xc9" + struct.pack(">IB", len(data) + 1, 1) + b"\x93" + data
    if isinstance(value, int):
        return bytes([value]) if 0 <= value < 128 else b"\xd2" + struct.pack(">i", value)
    raise TypeError(type(value))


def _length(size: int, short: int, limit: int, long: int) -> bytes:
    return bytes([short | size]) if size <= limit else bytes([long]) + struct.pack(">H", size)


def nested(flat: dict[str, np.ndarray]) -> dict[str, Any]:
    """Names with dots to maps in maps.

    >>> nested({"a.b": 1, "a.c": 2})
    {'a': {'b': 1, 'c': 2}}
    """
    tree: dict[str, Any] = {}
    for name, value in flat.items():
        *path, last = name.split(".")
        place = tree
        for part in path:
            place = place.setdefault(part, {})
        place[last] = value
    return tree
