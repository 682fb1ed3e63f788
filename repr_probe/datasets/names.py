"""Names in messages: the nearest known ones, and lists cut to a readable length."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def one_of(allowed: Iterable[str]) -> str:
    """
    >>> one_of(["train", "test"]), one_of(["val"])
    ('one of train, test', 'val')
    """
    names = list(allowed)
    return f"one of {', '.join(names)}" if len(names) > 1 else names[0]


def shortened(names: list[str], count: int = 3) -> str:
    """
    >>> shortened(["a", "b", "c", "d"])
    'a, b, c and 1 more'
    """
    shown = ", ".join(names[:count])
    return shown if len(names) <= count else f"{shown} and {len(names) - count} more"


def nearest(name: str, known: Iterable[str]) -> str:
    """The known names closest to a misspelt one, best first; all of them when none is close.

    >>> nearest("cifar-10", ["cifar10", "cifar100", "stl10"])
    'cifar10, cifar100'
    """
    names = list(known)
    close = difflib.get_close_matches(name.lower(), names, n=3, cutoff=0.6)
    return ", ".join(close or names)
