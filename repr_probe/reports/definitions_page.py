"""The tables of docs/definitions.md, made from the definition table: `python -m repr_probe.reports.definitions_page` in a checkout."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from repr_probe.errors import FileFormatError
from repr_probe.files.atomic import atomic_write
from repr_probe.metrics.definitions import DEFINITIONS, Definition

PAGE = Path("docs/definitions.md")
_PART = re.compile(r"(<!-- made from the definition table: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
_NEEDS = {
    "features": "features alone",
    "labels": "labels",
    "pairs": "all pairs (the pair pass)",
    "labels+pairs": "labels and all pairs (the pair pass)",
    "neighbours": "nearest rows (a search over all pairs)",
    "labels+neighbours": "labels and nearest rows (a search over all pairs)",
    "views": "augmented views",
}
_BETTER = {"higher": "higher is better", "lower": "lower is better", "": "neither end is better by itself"}


def page_with_tables(page: str) -> str:
    """`page` with the text between each pair of markers made anew; the prose around them stays.

    Raises FileFormatError unless there is one marked part for each of: paper, default, views, full.
    """
    found = [match[2] for match in _PART.finditer(page)]
    if sorted(found) != sorted(_PARTS):
        raise FileFormatError(f"the page must have one marked part for each of {', '.join(_PARTS)}; got {', '.join(found) or 'none'}")
    return _PART.sub(lambda match: f"{match[1]}\n{_PARTS[match[2]]()}\n{match[3]}", page)


def write_page(path: str | Path = PAGE) -> Path:
    """Rewrite the marked parts of the page at `path`; returns the path. Raises FileFormatError when it is not there."""
    path = Path(path)
    if not path.is_file():
        raise FileFormatError(f"the page must exist; got {path}; run this in the root of a checkout")
    atomic_write(path, page_with_tables(path.read_text(encoding="utf-8")))
    return path


def _rows(preset: str, *, views: bool = False) -> Iterable[Definition]:
    return (row for row in DEFINITIONS.values() if (row.needs == "views") == views and (views or row.preset == preset))


def _sections(rows: Iterable[Definition]) -> str:
    return "\n".join(_section(row) for row in rows)


def _section(row: Definition) -> str:
    unit = " degrees" if row.unit == "deg" else ""
    lines = [
        f"### `{row.key}`\n",
        f"**{row.symbol}**, {row.label}: {row.variant}.\n",
        f"- Range: {row.low} to {row.high}{unit}; {_BETTER[row.better]}.",
        f"- Reading: {row.meaning.rstrip('.')}." if row.meaning else "",
        f"- Needs: {_NEEDS[row.needs]}. Source: {row.source}.",
    ]
    return "\n".join(line for line in lines if line) + "\n"


def _table(rows: Iterable[Definition]) -> str:
    head = ["| key | symbol | definition | range | reading | needs | source |", "|---|---|---|---|---|---|---|"]
    return "\n".join([*head, *(_line(row) for row in rows)]) + "\n"


def _line(row: Definition) -> str:
    unit = " deg" if row.unit else ""
    cells = [f"`{row.key}`", row.symbol, row.variant, f"{row.low} to {row.high}{unit}", row.meaning.rstrip("."), row.needs, row.source]
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


_PARTS: dict[str, Callable[[], str]] = {
    "paper": lambda: _sections(_rows("paper")),
    "default": lambda: _sections(_rows("default")),
    "views": lambda: _sections(_rows("", views=True)),
    "full": lambda: _table(_rows("full")),
}


if __name__ == "__main__":
    write_page(*sys.argv[1:2])
