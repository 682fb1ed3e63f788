r"""A SemanticReport as text for a terminal, as GitHub-flavoured markdown and as LaTeX (needs \usepackage{booktabs})."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from repr_probe.reports.latex import floating_table, latex_escape
from repr_probe.reports.markdown import markdown_escape, pipe_table
from repr_probe.reports.safe_text import cells, pad, printable, shorten
from repr_probe.reports.semantic_layout import Section, facts, sections
from repr_probe.reports.sources import PublishedValues
from repr_probe.reports.text import NARROWEST, WIDTH

if TYPE_CHECKING:
    from repr_probe.reports.semantic_report import SemanticReport

_LEAST_ROOM = 30
_WIDEST_CELL, _NARROWEST_CELL = 32, 10


def to_text(report: SemanticReport, published: Sequence[PublishedValues] = (), width: int | None = None) -> str:
    """Lines of at most `width` cells (default 120, at least 80), without a trailing line break."""
    width = max(NARROWEST, width or WIDTH)
    title = shorten(printable(report.name), width)
    head = [title, "═" * max(24, cells(title))]
    head += [line for label, text in facts(report).items() for line in _wrapped(text, width, f"{label:<13}")]
    blocks = ["\n".join(head)]
    blocks += ["\n".join([section.title, *_text_body(section, width)]) for section in sections(report, published)]
    return "\n\n".join(blocks)


def to_markdown(report: SemanticReport, published: Sequence[PublishedValues] = ()) -> str:
    parts = [f"### {markdown_escape(printable(report.name))}"]
    parts.append("\n".join(f"- {label}: {markdown_escape(text)}" for label, text in facts(report).items()))
    for section in sections(report, published):
        parts.append(f"**{markdown_escape(section.title)}**")
        if section.rows:
            ruler = ["---" if _is_words(section, place) else "---:" for place in range(len(section.heads))]
            grid = [[markdown_escape(head) for head in section.heads], ruler, *([markdown_escape(cell) for cell in row] for row in section.rows)]
            parts.append(pipe_table(grid))
        if section.items:
            parts.append("\n".join(f"- {markdown_escape(text)}" for text in section.items))
    return "\n\n".join(parts) + "\n"


def to_latex(report: SemanticReport, published: Sequence[PublishedValues] = ()) -> str:
    """A floating table for each table of the report; its sentences stand below the last."""
    known = "; ".join(f"{label}: {text}" for label, text in facts(report).items())
    parts = ["% needs \\usepackage{booktabs}"]
    for place, section in enumerate(sections(report, published)):
        title = section.title[:1].upper() + section.title[1:]
        caption = f"Semantic alignment of {printable(report.name)}: {section.title}. {known}." if place == 0 else f"{title}."
        if section.rows:
            parts.append(_latex_table(section, caption))
        else:
            parts.append("\n".join([rf"\paragraph{{{latex_escape(title)}}}", *(rf"\par {latex_escape(text)}" for text in section.items)]))
    return "\n".join(parts) + "\n"


def _is_words(section: Section, place: int) -> bool:
    return place < section.words or (section.wraps and place == len(section.heads) - 1)


def _latex_table(section: Section, caption: str) -> str:
    heads, rows = list(section.heads), [list(row) for row in section.rows]
    if section.wraps:  # the definitions are in the documentation; a printed table has no room for them
        heads, rows = heads[:-1], [row[:-1] for row in rows]
    columns = "".join("l" if place < section.words else "r" for place in range(len(heads)))
    body = [" & ".join(latex_escape(cell) for cell in row) + r" \\" for row in rows]
    return floating_table(caption, columns, [latex_escape(head) for head in heads], body, section.items)


def _text_body(section: Section, width: int) -> Iterator[str]:
    if section.rows:
        yield from _text_table(section, width)
    for text in section.items:
        yield from _wrapped(text, width, "  - ")


def _text_table(section: Section, width: int) -> Iterator[str]:
    limit = _WIDEST_CELL
    while True:  # long words are cut in their middle until the columns fit
        grid = [[shorten(cell, limit) for cell in row] for row in (section.heads, *section.rows)]
        widths = [max(cells(row[place]) for row in grid) for place in range(len(section.heads))]
        fixed = widths[:-1] if section.wraps else widths
        start = sum(fixed) + 2 * len(fixed)
        if start - 2 <= width or limit <= _NARROWEST_CELL:
            break
        limit -= 1
    for number, row in enumerate(grid):
        line = "  ".join(pad(cell, size, right=not _is_words(section, place)) for place, (cell, size) in enumerate(zip(row, fixed)))
        if not section.wraps:
            yield line.rstrip()
        else:
            whole = (section.heads, *section.rows)[number][-1]
            if width - start >= _LEAST_ROOM:
                yield from _wrapped(whole, width, f"{line}  ")
            else:
                yield line.rstrip()
                yield from _wrapped(whole, width, "      ")
        if number == 0:
            yield "─" * (width if section.wraps else start - 2)


def _wrapped(text: str, width: int, start: str) -> Iterator[str]:
    indent = cells(start)
    lines = textwrap.wrap(text, max(20, width - indent), break_on_hyphens=False) or [""]
    yield f"{start}{lines[0]}".rstrip()
    yield from (" " * indent + line for line in lines[1:])
