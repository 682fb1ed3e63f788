r"""A Comparison as text for a terminal, GitHub-flavoured markdown and LaTeX (needs \usepackage{booktabs}; wide tables span two columns)."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from repr_probe.reports.comparison_layout import ComparisonTable, Published, TableRow, tables
from repr_probe.reports.latex import floating_table, latex_escape
from repr_probe.reports.markdown import markdown_escape, pipe_table
from repr_probe.reports.safe_text import cells, pad, printable, shorten
from repr_probe.reports.table import Cell
from repr_probe.reports.text import NARROWEST, WIDTH

if TYPE_CHECKING:
    from repr_probe.reports.comparison import Comparison

BEST = "‹"  # after the best value of a column in a terminal, where nothing is bold
_WIDEST_NAME, _WIDEST_HEAD = 40, 17


def heading(comparison: Comparison) -> str:
    """The data set, its split and how many images, as far as they are known."""
    row = next(iter(comparison.rows.values()))[0]
    origin = ", split ".join(str(row.provenance[name]) for name in ("dataset", "split") if row.provenance.get(name))
    classes = f", {row.n_classes:,} classes" if row.n_classes else ""
    return printable(f"{len(comparison.names)} encoders on {origin or 'features'}: {row.n_samples:,} images{classes}")


def to_text(comparison: Comparison, published: Published | None = None, width: int | None = None) -> str:
    """Lines of at most `width` cells (default 120, at least 80), without a trailing line break; a wide table goes on below."""
    width = max(NARROWEST, width or WIDTH)
    title = shorten(heading(comparison), width)
    parts = [f"{title}\n{'═' * max(24, cells(title))}"]
    for table in tables(comparison, published):
        notes = [line for note in _marked_notes(table) for line in _wrapped(note, width)]
        parts.append("\n".join([table.title, *_text_table(table, width), *notes]))
    if comparison.notes:
        parts.append("\n".join(["notes", *(line for note in comparison.notes for line in _wrapped(note, width))]))
    return "\n\n".join(parts)


def _marked_notes(table: ComparisonTable) -> list[str]:
    return [f"{BEST} {note}" if note.startswith("best of") else note for note in table.notes]


def _text_table(table: ComparisonTable, width: int) -> Iterator[str]:
    names = [f"{shorten(printable(row.name), _WIDEST_NAME)}{f' ({row.mark})' if row.mark else ''}" for row in table.rows]
    first = max(cells(name) for name in [*names, "METHOD"])
    heads = [_head_lines(head) for head in table.heads]
    sizes = [max(*(cells(line) for line in lines), *(_cell_width(row, place) for row in table.rows)) for place, lines in enumerate(heads)]
    for block in _blocks(sizes, width - first):
        height = max(len(heads[place]) for place in block)
        for line in range(height):
            texts = [["", *([""] * height), *heads[place]][line - height] for place in block]
            yield _line("METHOD" if line == height - 1 else "", first, texts, [sizes[place] for place in block])
        yield from _body(table, names, first, block, sizes)
        yield ""


def _body(table: ComparisonTable, names: Sequence[str], first: int, block: Sequence[int], sizes: Sequence[int]) -> Iterator[str]:
    chosen = [sizes[place] for place in block]
    whole = first + sum(size + 2 for size in chosen)
    for number, row in enumerate(table.rows):
        if number == 0 or row.published != table.rows[number - 1].published:
            yield ("published " if row.published else "").ljust(whole, "─")
        yield _line(names[number], first, [_value(row, place) for place in block], chosen)
        if any(row.cells[place].interval for place in block):
            yield _line("", first, [f"{row.cells[place].interval} " for place in block], chosen)


def _value(row: TableRow, place: int) -> str:
    return f"{row.cells[place].value}{BEST if place in row.best else ' '}"


def _cell_width(row: TableRow, place: int) -> int:
    cell = row.cells[place]
    return 1 + max(cells(cell.value), cells(cell.interval))


def _head_lines(head: str) -> list[str]:
    """At most three lines; a last blank stands over the mark of the best."""
    words = " ".join(shorten(word, _WIDEST_HEAD) for word in printable(head).replace(" (MEAN ± STD)", " ± SD").split())
    return [f"{line} " for line in textwrap.wrap(words, _WIDEST_HEAD, break_on_hyphens=False)[:3] or [""]]


def _blocks(sizes: Sequence[int], room: int) -> list[list[int]]:
    blocks: list[list[int]] = []
    used = 0
    for place, size in enumerate(sizes):
        if not blocks or used + size + 2 > room:
            blocks.append([])
            used = 0
        blocks[-1].append(place)
        used += size + 2
    return blocks


def _line(name: str, first: int, texts: Sequence[str], sizes: Sequence[int]) -> str:
    return "  ".join([pad(name, first), *(pad(text, size, right=True) for text, size in zip(texts, sizes, strict=True))]).rstrip()


def _wrapped(note: str, width: int) -> list[str]:
    return textwrap.wrap(printable(note), width, initial_indent="  - ", subsequent_indent="    ", break_on_hyphens=False)


# --- markdown -------------------------------------------------------------------------------------------------------------------------------


def to_markdown(comparison: Comparison, published: Published | None = None) -> str:
    """The best value of a column is bold; intervals stand below the values."""
    parts = [f"### {markdown_escape(heading(comparison))}"]
    for table in tables(comparison, published):
        grid = [["METHOD", *map(markdown_escape, table.heads)], ["---", *("---:" for _ in table.heads)]]
        for row in table.rows:
            name = markdown_escape(printable(row.name)) + (f" ({row.mark})" if row.mark else "")
            grid.append([f"{name} *(published)*" if row.published else name, *(_md_cell(row, place) for place in range(len(row.cells)))])
        parts += [f"**{markdown_escape(table.title)}**", pipe_table(grid), _bullets(table.notes)]
    parts.append(_bullets(comparison.notes))
    return "\n\n".join(part for part in parts if part) + "\n"


def _md_cell(row: TableRow, place: int) -> str:
    cell = row.cells[place]
    value = f"**{markdown_escape(cell.value)}**" if place in row.best else markdown_escape(cell.value)
    return f"{value}<br>{markdown_escape(cell.interval)}" if cell.interval else value


def _bullets(notes: Sequence[str]) -> str:
    return "\n".join(f"- {markdown_escape(printable(note))}" for note in notes)


# --- LaTeX ----------------------------------------------------------------------------------------------------------------------------------


def to_latex(comparison: Comparison, published: Published | None = None) -> str:
    """A floating table* for every table; the best value of a column is bold, intervals stand in a second line."""
    parts = ["% needs \\usepackage{booktabs}"]
    for place, table in enumerate(tables(comparison, published)):
        title = table.title[:1].upper() + table.title[1:]
        caption = f"{title}. {heading(comparison)}." if place == 0 else f"{title}."
        body: list[str] = []
        for number, row in enumerate(table.rows):
            if number and row.published != table.rows[number - 1].published:
                body.append(r"\midrule")
            body += _tex_row(row)
        notes = [*map(printable, table.notes), *(map(printable, comparison.notes) if place == 0 else ())]
        parts.append(floating_table(caption, "l" + "r" * len(table.heads), ["METHOD", *map(_tex_head, table.heads)], body, notes))
    return "\n".join(parts) + "\n"


def _tex_row(row: TableRow) -> list[str]:
    name = latex_escape(printable(row.name)) + (f" ({row.mark})" if row.mark else "") + (" (published)" if row.published else "")
    values = [rf"\textbf{{{latex_escape(cell.value)}}}" if place in row.best else latex_escape(cell.value) for place, cell in enumerate(row.cells)]
    lines = [" & ".join([name, *values]) + r" \\"]
    if any(cell.interval for cell in row.cells):
        lines.append(" & ".join(["", *map(_tex_interval, row.cells)]) + r" \\")
    return lines


def _tex_interval(cell: Cell) -> str:
    return rf"{{\scriptsize {latex_escape(cell.interval)}}}" if cell.interval else ""


def _tex_head(head: str) -> str:
    lines = [latex_escape(line.strip()) for line in _head_lines(head)]
    stacked = r" \\ ".join(lines)
    return stacked if len(lines) == 1 else rf"\begin{{tabular}}{{@{{}}r@{{}}}}{stacked}\end{{tabular}}"
