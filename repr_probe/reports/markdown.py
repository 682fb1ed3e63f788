"""Reports as GitHub-flavoured markdown."""

from __future__ import annotations

import re
from collections.abc import Sequence

from repr_probe.reports.facts import common_facts, interval_notes, notes_of, paper_interval_notes, warnings_of
from repr_probe.reports.safe_text import NO_BREAK
from repr_probe.reports.sources import MeasuredReport, PublishedValues
from repr_probe.reports.table import (
    PAPER_COLUMNS,
    Cell,
    Line,
    Row,
    blocks,
    published_footnotes,
    row_names,
    undefined_reasons,
)


def to_markdown(reports: Sequence[MeasuredReport], published: Sequence[PublishedValues] = ()) -> str:
    """Facts, Table III where there is something to compare, the other measures, then what a reader needs."""
    rows, lines = blocks(reports, published)
    names = row_names(reports)
    shared, own = common_facts(reports)
    title = names[0] if len(reports) == 1 else f"{len(reports)} reports"
    facts = [f"- {label}: {markdown_escape(text)}" for label, text in shared.items()]
    if len(reports) > 1:
        differing = ("; ".join(f"{label} {text}" for label, text in known.items()) for known in own)
        facts += [f"- **{markdown_escape(name)}**: {markdown_escape(text)}" for name, text in zip(names, differing, strict=True)]
    parts = [
        f"### {markdown_escape(title)}",
        "\n".join(facts),
        _loud(warnings_of(reports)),
        _paper_table(rows),
        _bullets("", paper_interval_notes(reports) if rows else ()),
        _bullets("", published_footnotes(published)),
        _lines_table(lines, names),
        _bullets("Undefined", [f"{symbols}: {reason}" for symbols, reason in undefined_reasons(reports)]),
        _bullets("Intervals", interval_notes(reports, [line.definition.key for line in lines])),
        _bullets("Notes", notes_of(reports)),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def markdown_escape(text: str) -> str:
    r"""Make text stand for itself in a markdown table.

    >>> print(markdown_escape("a|b_c <i>"))
    a\|b\_c &lt;i&gt;
    """
    text = text.replace(NO_BREAK, " ").replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_\[\]|#~$!])", r"\\\1", text)


def _paper_table(rows: Sequence[Row]) -> str:
    if not rows:
        return ""
    grid = [["METHOD", *(head for head, _ in PAPER_COLUMNS)], ["---", *("---:" for _ in PAPER_COLUMNS)]]
    for row in rows:
        name = markdown_escape(row.name) + (f" ({row.mark})" if row.mark else "")
        values = [_with_interval(cell) for cell in row.cells]
        grid.append([f"{name} *(published)*" if row.published else f"**{name}**", *values])
    return pipe_table(grid)


def _lines_table(lines: Sequence[Line], names: Sequence[str]) -> str:
    if not lines:
        return ""
    if len(names) == 1:
        grid = [["measure", "", "value", "95 % interval", "over", "definition"], ["---", "---", "---:", "---", "---", "---"]]
    else:
        grid = [["measure", "", *map(markdown_escape, names), "over", "definition"], ["---", "---", *("---:" for _ in names), "---", "---"]]
    for line in lines:
        values = [line.cells[0].value, line.cells[0].interval] if len(names) == 1 else [_with_interval(cell) for cell in line.cells]
        definition = markdown_escape(line.definition.variant)
        grid.append([markdown_escape(line.definition.symbol), line.arrow, *values, line.population, definition])
    return pipe_table(grid)


def _with_interval(cell: Cell) -> str:
    return f"{cell.value}<br>{cell.interval}" if cell.interval else cell.value


def pipe_table(grid: Sequence[Sequence[str]]) -> str:
    """grid: heads, ruler and rows, all escaped."""
    return "\n".join(f"| {' | '.join(cells)} |" for cells in grid)


def _bullets(title: str, texts: Sequence[str]) -> str:
    if not texts:
        return ""
    return "\n".join([*([f"{title}:", ""] if title else []), *(f"- {markdown_escape(text)}" for text in texts)])


def _loud(texts: Sequence[str]) -> str:
    if not texts:
        return ""
    return "\n".join(["> **Broken identity: do not trust these numbers.**", *(f"> - {markdown_escape(text)}" for text in texts)])
