"""Text that came from outside (names of files, classes, data sets), made harmless to print, and its width in terminal cells."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

from repr_probe.files.printable import printable as whole_or_cut

LONGEST = 4000  # characters of one text; no honest name or note is longer
NO_BREAK = "\u00a0"


def printable(text: object) -> str:
    r"""The text with line breaks, control characters and invisible marks written as escapes: no name can move a cursor or hide a word.

    >>> print(printable("a\x1b[31mb\n"))
    a\x1b[31mb\n
    """
    return whole_or_cut(text, limit=LONGEST)


def shorten(text: str, width: int) -> str:
    """At most `width` terminal cells; the middle is left out, because both ends of a path say something.

    >>> shorten("runs/2024/checkpoint_epoch_200.pth", 20)
    'runs/2024/…h_200.pth'
    """
    if cells(text) <= width:
        return text
    head, tail = "", ""
    for left, right in zip(text, reversed(text)):
        if cells(head + tail + left) > width - 1:
            break
        head += left
        if cells(head + right + tail) > width - 1:
            break
        tail = right + tail
    return f"{head}…{tail}"


def cells(text: str) -> int:
    """How many terminal columns the text takes: wide characters take two, combining marks none.

    >>> cells("d′"), cells("表"), cells("e\u0301")
    (2, 2, 1)
    """
    return sum(0 if unicodedata.combining(symbol) else 2 if unicodedata.east_asian_width(symbol) in "WF" else 1 for symbol in text)


def pad(text: str, width: int, *, right: bool = False) -> str:
    """Fill with blanks to `width` terminal cells; `right` puts the text at the right end."""
    blanks = " " * max(0, width - cells(text))
    return blanks + text if right else text + blanks


def listed(symbols: Iterable[str]) -> str:
    """Symbols with commas between them, each kept whole where a line is broken (no-break blanks inside)."""
    return ", ".join(symbol.replace(" ", NO_BREAK) for symbol in symbols)
