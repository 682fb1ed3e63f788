"""The table of numbers: value and interval of each checkpoint, what the number means, and with what it compares."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from repr_probe.metrics.definitions import Definition
from repr_probe.pages.contents import PageContents
from repr_probe.pages.numbers import measured
from repr_probe.pages.reference_ranges import Reference, references_of
from repr_probe.pages.strips import STRIP_LEGEND, strip
from repr_probe.reports.html import table
from repr_probe.reports.table import ARROWS, PAPER_COLUMNS, SECTIONS, Line, Row, measure_lines, paper_rows

_TURNS = {"higher": "higher is usually called better", "lower": "lower is usually called better", "": ""}
_FOLDED = (SECTIONS["full"],)  # a long list, shown when asked for


def geometry_section(page: PageContents) -> str:
    """Tables of the measures in their sections, the long one folded, and Table III of the paper below."""
    references = references_of(page.reports, page.names)
    sections: dict[str, list[Line]] = {}
    for one in measure_lines(page.reports):
        sections.setdefault(one.section, []).append(one)
    parts = [_reading(), STRIP_LEGEND]
    for title, lines in sections.items():
        drawn = _table(page, title, lines, references)
        parts.append(_folded(f"{title} ({len(lines)})", drawn) if title in _FOLDED else drawn)
    if page.published:
        parts.append(_folded("Table III of the paper, with these rows", _paper(paper_rows(page.reports, page.published))))
    return "\n".join(parts)


def _reading() -> str:
    return (
        '<p class="dim">Small digits: 95 % interval. ↑ and ↓ say which end is usually called better; they are no verdict. '
        "A strip shows the values of this page among what they can be compared with; its ends carry their numbers.</p>"
    )


def _table(page: PageContents, title: str, lines: Sequence[Line], references: dict[str, tuple[Reference, ...]]) -> str:
    heads = ['<th scope="col">measure</th>']
    heads += [f'<th scope="col" class="num"><span class="key s{place}"></span>{escape(name)}</th>' for place, name in enumerate(page.names)]
    heads.append('<th scope="col">compared with</th>')
    body = [_row(page, one.definition, references.get(one.definition.key, ())) for one in lines]
    return f'<h3>{escape(title)}</h3><div class="wide" tabindex="0" role="region" aria-label="{escape(title)}">{stacking(heads, body)}</div>'


def _row(page: PageContents, definition: Definition, references: Sequence[Reference]) -> str:
    found = [report.measures.get(definition.key) for report in page.reports]
    cells = "".join(
        f'<td class="num s{place}" data-name="{escape(page.names[place])}">'
        f'{measured(one, definition, f"geometry.{place}.measures.{definition.key}")}</td>'
        for place, one in enumerate(found)
    )
    drawn = strip(found, page.names, references, definition)
    texts = "".join(f'<li class="{one.kind}">{escape(one.words)}: {escape(one.printed)}</li>' for one in references)
    return (
        f'<tr id="{escape(definition.key)}"><th scope="row">{_name(definition)}</th>{cells}'
        f'<td class="refs">{drawn}<ul>{texts}</ul></td></tr>'
    )


def stacking(heads: Sequence[str], body: Sequence[str]) -> str:
    """A table whose rows become blocks on a narrow screen."""
    return table(heads, body).replace("<table>", '<table class="measures">', 1)


def _name(definition: Definition) -> str:
    arrow, turn = ARROWS[definition.better], _TURNS[definition.better]
    sign = f' <span title="{turn}" aria-label="{turn}">{arrow}</span>' if arrow else ""
    label = definition.label[:1].upper() + definition.label[1:]
    meaning = f'<span class="meaning">{escape(definition.meaning)}</span>' if definition.meaning else ""
    variant = escape(f"{definition.variant}; from {definition.low} to {definition.high}. {definition.source}")
    return f'<b>{escape(label)}</b> <span class="symbol">{escape(definition.symbol)}</span>{sign}{meaning}<span class="variant">{variant}</span>'


def _folded(title: str, inner: str) -> str:
    return f"<details><summary>{escape(title)}</summary>{inner}</details>"


def _paper(rows: Sequence[Row]) -> str:
    heads = ['<th scope="col">method</th>', *(f'<th scope="col" class="num">{escape(head)}</th>' for head, _ in PAPER_COLUMNS)]
    body = []
    for row in rows:
        mark = f" ({row.mark})" if row.mark else ""
        cells = "".join(f'<td class="num">{escape(cell.value)}</td>' for cell in row.cells)
        css = ' class="published"' if row.published else ""
        body.append(f'<tr{css}><th scope="row">{escape(row.name)}{mark}</th>{cells}</tr>')
    return f'<div class="wide" tabindex="0" role="region" aria-label="Table III">{table(heads, body)}</div>'
