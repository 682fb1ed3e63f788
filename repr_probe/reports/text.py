"""Reports as plain text for a terminal: one list of measures, Table III beside the published rows, and what a reader needs below."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from repr_probe.metrics.definitions import DEFINITIONS
from repr_probe.reports.facts import common_facts, interval_notes, notes_of, warnings_of
from repr_probe.reports.safe_text import NO_BREAK, cells, pad, shorten
from repr_probe.reports.sources import MeasuredReport, PublishedValues
from repr_probe.reports.table import (
    Cell,
    Line,
    Row,
    measure_lines,
    paper_rows,
    published_footnotes,
    row_names,
    undefined_reasons,
)

WIDTH = 120
NARROWEST = 80
_NAME_WIDTH = 26
_LEAST_ROOM = 36  # cells; with less beside the numbers, a definition stands below them
# Heads of Table III over two lines, so that the whole table fits a terminal of 100 columns.
_HEADS = (("", "ANISO."), ("", "CORR."), ("", "CVN"), ("CENTROID", "RANK"), ("EMBED.", "RANK"), ("", "d′"),
          ("ALL PAIRWISE", "ANGLE ± SD"), ("POSITIVE PAIRWISE", "ANGLE ± SD"))  # fmt: skip


def to_text(reports: Sequence[MeasuredReport], published: Sequence[PublishedValues] = (), width: int | None = None) -> str:
    """The whole report, lines of at most `width` cells (default 120, at least 80), without a trailing line break."""
    width = max(NARROWEST, width or WIDTH)
    blocks = [_header(reports, width), _measures(reports, width)]
    blocks.append(_items("undefined", [f"{symbols}: {reason}" for symbols, reason in undefined_reasons(reports)], width))
    blocks.append(_items("intervals", interval_notes(reports, list(DEFINITIONS)), width))
    blocks.append(_items("notes", notes_of(reports), width))
    blocks.append(_items("BROKEN IDENTITY, DO NOT TRUST THESE NUMBERS", warnings_of(reports), width, mark="!!"))
    if published:
        blocks.append("\n".join(["Table III, measured and published", *_comparison(paper_rows(reports, published), width)]))
        blocks.append("\n".join(line for note in published_footnotes(published) for line in _wrapped(note, width, "  ")))
    return "\n\n".join(block for block in blocks if block)


def _header(reports: Sequence[MeasuredReport], width: int) -> str:
    shared, own = common_facts(reports)
    names = row_names(reports)
    title = names[0] if len(reports) == 1 else f"{len(reports)} reports"
    lines = [shorten(title, width), "═" * min(width, max(24, cells(title)))]
    lines += [line for label, text in shared.items() for line in _wrapped(text, width, f"{label:<13}")]
    if len(reports) > 1:
        for name, known in zip(names, own, strict=True):
            text = "; ".join(f"{label} {fact}" for label, fact in known.items())
            lines += _wrapped(f"{name}: {text}" if text else name, width, "  ")
    return "\n".join(lines)


def _measures(reports: Sequence[MeasuredReport], width: int) -> str:
    lines = measure_lines(reports)
    if len(reports) == 1:
        return "\n".join(_single(lines, width))
    return "\n".join(_several(lines, row_names(reports), width))


def _single(lines: Sequence[Line], width: int) -> list[str]:
    """symbol, direction, value, interval, population, definition."""
    symbols = max([cells(line.definition.symbol) for line in lines], default=0)
    values = max([cells(line.cells[0].value) for line in lines], default=0)
    intervals = max([cells(line.cells[0].interval) for line in lines] + [len("95 % interval")])
    populations = max([cells(line.cells[0].population) for line in lines] + [len("classes")])
    start = symbols + values + intervals + len("  ↓  ") + 2 + populations + 4
    printed: list[str] = []
    section = ""
    for line in lines:
        if line.section != section:
            heads = f"{pad(line.section, symbols + 5 + values)}  {pad('95 % interval', intervals)}  {pad('over', populations)}  definition"
            title = line.section if printed else heads
            printed += [*([""] if printed else []), title, "─" * width]
            section = line.section
        cell = line.cells[0]
        fixed = (
            f"{pad(line.definition.symbol, symbols)}  {line.arrow or ' '}  {pad(cell.value, values, right=True)}  "
            f"{pad(cell.interval, intervals)}  {pad(cell.population, populations)}  "
        )
        if width - start >= _LEAST_ROOM:
            printed += _wrapped(line.definition.variant, width, fixed, hang=start)
        else:
            printed += [fixed.rstrip(), *_wrapped(line.definition.variant, width, "      ")]
    return printed


def _several(lines: Sequence[Line], names: Sequence[str], width: int) -> list[str]:
    """symbol, direction, then value and interval of each report; as many reports side by side as fit, the rest in further blocks."""
    symbols = max([cells(line.definition.symbol) for line in lines], default=0)
    widths = [_column_width([line.cells[place] for line in lines], name) for place, name in enumerate(names)]
    printed: list[str] = []
    for block in _blocks(widths, width - symbols - len("  ↓  ") - len("classes")):
        section = ""
        printed += [""] if printed else []
        heads = [pad(shorten(names[place], widths[place]), widths[place]) for place in block]
        printed.append("  ".join([" " * (symbols + 3), *heads, "over"]))
        for line in lines:
            if line.section != section:
                printed += [f"{line.section} ".ljust(min(width, symbols + 5 + sum(widths[place] + 2 for place in block) + 7), "─")]
                section = line.section
            body = "  ".join(_value_and_interval(line.cells[place], lines, place, widths[place]) for place in block)
            printed.append(f"{pad(line.definition.symbol, symbols)}  {line.arrow or ' '}  {body}  {line.population}".rstrip())
    return printed


def _column_width(column: Sequence[Cell], name: str) -> int:
    values = max([cells(cell.value) for cell in column], default=0)
    intervals = max([cells(cell.interval) for cell in column], default=0)
    return max(values + (intervals + 1 if intervals else 0), min(cells(name), _NAME_WIDTH))


def _value_and_interval(cell: Cell, lines: Sequence[Line], place: int, width: int) -> str:
    values = max(cells(line.cells[place].value) for line in lines)
    return pad(f"{pad(cell.value, values, right=True)} {cell.interval}", width)


def _blocks(widths: Sequence[int], room: int) -> list[list[int]]:
    blocks: list[list[int]] = []
    used = 0
    for place, needed in enumerate(widths):
        if not blocks or used + needed + 2 > room:
            blocks.append([])
            used = 0
        blocks[-1].append(place)
        used += needed + 2
    return blocks


def _comparison(rows: Sequence[Row], width: int) -> list[str]:
    """Table III as the paper prints it, our rows on top, without intervals (they stand in the list above)."""
    names = [f"{shorten(row.name, _NAME_WIDTH)}{f' ({row.mark})' if row.mark else ''}" for row in rows]
    first = max(cells(name) for name in [*names, "METHOD"])
    widths = [max(cells(text) for text in (*head, *(row.cells[place].value for row in rows))) for place, head in enumerate(_HEADS)]
    printed: list[str] = []
    for block in _blocks(widths, width - first):
        chosen = [widths[place] for place in block]
        heads = [_right_aligned(name, first, [_HEADS[place][line] for place in block], chosen) for line, name in enumerate(("", "METHOD"))]
        printed += ["", *(head.rstrip() for head in heads)]
        for place, row in enumerate(rows):
            if place == 0 or row.published != rows[place - 1].published:
                printed.append(("published " if row.published else "").ljust(cells(heads[1]), "─"))
            printed.append(_right_aligned(names[place], first, [row.cells[column].value for column in block], chosen).rstrip())
    return printed


def _right_aligned(name: str, name_width: int, texts: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join([pad(name, name_width), *(pad(text, size, right=True) for text, size in zip(texts, widths, strict=True))])


def _items(title: str, texts: Sequence[str], width: int, *, mark: str = "-") -> str:
    if not texts:
        return ""
    return "\n".join([title, *(line for text in texts for line in _wrapped(text, width, f"  {mark} "))])


def _wrapped(text: str, width: int, start: str, *, hang: int | None = None) -> list[str]:
    """`start` and then the text, broken at blanks; further lines are indented by `hang` cells (default: the width of `start`)."""
    indent = cells(start) if hang is None else hang
    room = max(20, width - indent)
    parts = [part.replace(NO_BREAK, " ") for part in textwrap.wrap(text, room, break_on_hyphens=False)] or [""]
    return [f"{start}{parts[0]}".rstrip(), *(" " * indent + part for part in parts[1:])]
