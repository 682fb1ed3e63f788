"""Names and values from foreign files, made safe to print: terminal commands in a key, texts without end, lists shared along 2^60 paths."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import PurePath
from typing import Any

DEPTH, PARTS = 2, 16  # of a container that is printed as it is
MODULES = ("repr_probe.", "torch", "numpy", "pyarrow.lib")  # whose small things print themselves
SMALL = ("dtype", "DType", "device", "layout", "DataType")


def printable(text: object, *, limit: int = 80) -> str:
    r"""`text` with control characters escaped and cut after `limit` characters; containers of more than a few parts are named by their type.

    >>> printable("layer1\x1b[2J")
    'layer1\\x1b[2J'
    >>> printable("a" * 10, limit=4)
    'aaaa...'
    >>> printable([1, 2.5, "x"]), printable([0] * 1000)
    ("[1, 2.5, 'x']", 'list of 1000')
    """
    cut = _said(text, limit + 1)[: limit + 1]
    safe = "".join(character if character.isprintable() else repr(character)[1:-1] for character in cut[:limit])
    return safe + ("..." if len(cut) > limit else "")


def _said(value: Any, limit: int) -> str:
    """At least the first `limit` characters of `str(value)`, without ever walking through an object of unknown size."""
    if isinstance(value, str):
        return str(value[:limit])
    return str(value) if isinstance(value, BaseException | PurePath) else _inner(value, limit, 0)


def _inner(value: Any, limit: int, depth: int) -> str:
    if isinstance(value, str | bytes | bytearray):
        return repr(value[:limit])
    if value is None or isinstance(value, bool | float | complex) or (isinstance(value, int) and value.bit_length() < 4096):
        return str(value)
    kind = type(value)
    if isinstance(value, tuple | list | dict | set | frozenset):
        if depth >= DEPTH or len(value) > PARTS:
            return f"{kind.__name__} of {len(value)}"
        if isinstance(value, Mapping):
            return "{" + ", ".join(f"{_inner(key, limit, depth + 1)}: {_inner(part, limit, depth + 1)}" for key, part in value.items()) + "}"
        parts = ", ".join(_inner(part, limit, depth + 1) for part in value)
        opening, closing = ("[", "]") if isinstance(value, list) else ("{", "}") if isinstance(value, set | frozenset) else ("(", ")")
        return f"{opening}{parts}{',' if isinstance(value, tuple) and len(value) == 1 else ''}{closing}"
    small = kind.__module__.startswith("repr_probe.") or (kind.__module__.startswith(MODULES) and kind.__name__.endswith(SMALL))
    return str(value) if small else kind.__name__


def listed(names: Iterable[object], *, limit: int = 3) -> str:
    """The first `limit` names, and how many more there are.

    >>> listed(["a", "b", "c", "d", "e"])
    'a, b, c and 2 more'
    """
    every = list(names)
    head = ", ".join(printable(name) for name in every[:limit])
    return head if len(every) <= limit else f"{head} and {len(every) - limit} more"
