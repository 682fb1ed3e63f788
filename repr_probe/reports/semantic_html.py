"""A SemanticReport as one HTML fragment for notebooks, or as a page that needs no other file; the looks of a geometry report."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from repr_probe.reports.html import STYLE, items, page, table
from repr_probe.reports.safe_text import printable
from repr_probe.reports.semantic_layout import Section, facts, sections
from repr_probe.reports.sources import PublishedValues

if TYPE_CHECKING:
    from repr_probe.reports.semantic_report import SemanticReport

Figure = tuple[str, bytes]
"""What a picture shows, and the PNG."""


def to_html(report: SemanticReport, published: Sequence[PublishedValues] = (), figures: Sequence[Figure] = ()) -> str:
    """A `<div class="repr-probe">` with its style, safe to place in any page: all text escaped, figures inside, no script, no outside file."""
    known = "<br>".join(f'<span class="dim">{escape(label)}</span> {escape(text)}' for label, text in facts(report).items())
    parts = [f'<div class="title">{escape(printable(report.name))}</div>', f"<div>{known}</div>"]
    drawn = [_picture(*figure) for figure in figures]
    first, *others = (_section(section) for section in sections(report, published))
    return "\n".join(['<div class="repr-probe">', STYLE, *parts, first, *drawn, *others, "</div>"])


def to_page(report: SemanticReport, published: Sequence[PublishedValues] = (), figures: Sequence[Figure] = ()) -> str:
    """The fragment as a whole page, light or dark as the reader's system is."""
    return page(printable(report.name), to_html(report, published, figures))


def _section(section: Section) -> str:
    title = section.title[:1].upper() + section.title[1:]
    if not section.rows:
        return items(title, section.items)
    heads = [f"<th{_kind(section, place)}>{escape(head)}</th>" for place, head in enumerate(section.heads)]
    rows = []
    for row in section.rows:
        cells = [f"<td{_kind(section, place)}>{escape(cell)}</td>" for place, cell in enumerate(row) if place > 0]
        rows.append(f"<tr><th>{escape(row[0])}</th>{''.join(cells)}</tr>")
    return f"<div><b>{escape(title)}</b></div>\n{table(heads, rows)}{items('', section.items)}"


def _kind(section: Section, place: int) -> str:
    if section.wraps and place == len(section.heads) - 1:
        return ' class="dim"'
    return "" if place < section.words else ' class="num"'


def _picture(caption: str, png: bytes) -> str:
    return f'<div><img alt="{escape(caption)}" style="max-width:100%" src="data:image/png;base64,{b64encode(png).decode()}"></div>'
