"""Names from foreign files, made safe to print: a hostile key may hold terminal commands or be a hundred thousand characters long."""

from __future__ import annotations

from collections.abc import Iterable


def printable(text: object, *, limit: int = 80) -> str:
    r"""`text` with control characters escaped and cut after `limit` characters.

    >>> printable("layer1\x1b[2J")
    'layer1\\x1b[2J'
    >>> printable("a" * 10, limit=4)
    'aaaa...'
    """
    cut = str(text)[: limit + 1]
    safe = "".join(character if character.isprintable() else repr(character)[1:-1] for character in cut[:limit])
    return safe + ("..." if len(cut) > limit else "")


def listed(names: Iterable[object], *, limit: int = 3) -> str:
    """The first `limit` names, and how many more there are.

    >>> listed(["a", "b", "c", "d", "e"])
    'a, b, c and 2 more'
    """
    every = list(names)
    head = ", ".join(printable(name) for name in every[:limit])
    return head if len(every) <= limit else f"{head} and {len(every) - limit} more"
