"""Plain columns for lists on stdout."""

from __future__ import annotations

from collections.abc import Sequence

from .failures import one_line


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Rows of texts as left-aligned columns, two blanks apart.

    >>> print(aligned([["name", "size"], ["digits", "8 x 8"]]))
    name    size
    digits  8 x 8
    """
    clean = [[one_line(text) for text in row] for row in rows]
    widths = [max(len(text) for text in column) for column in zip(*clean, strict=True)]
    return "\n".join("  ".join(text.ljust(width) for text, width in zip(row, widths)).rstrip() for row in clean)
