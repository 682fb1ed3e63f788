"""Reports as one HTML fragment for notebooks and pages: no script, no outside file, colours taken from the page (light or dark)."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from repr_probe.reports.facts import common_facts, interval_notes, notes_of, paper_interval_notes, warnings_of
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

# Every rule hangs under one class, so that a notebook's own tables keep their looks; only the warning brings a colour of its own.
STYLE = """<style>
.repr-probe{font-size:13px;line-height:1.45;overflow-x:auto}
.repr-probe table{border-collapse:collapse;margin:.5em 0 1em;border:0}
.repr-probe th,.repr-probe td{padding:.16em .7em;border:0;text-align:left;vertical-align:top;background:transparent;color:inherit}
.repr-probe th{white-space:nowrap}
.repr-probe thead th{border-bottom:1px solid currentColor;font-weight:600;vertical-align:bottom}
.repr-probe tbody tr+tr td,.repr-probe tbody tr+tr th{border-top:1px solid rgba(128,128,128,.22)}
.repr-probe tbody th{font-weight:600}
.repr-probe .num{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}
.repr-probe .ci{opacity:.72;white-space:nowrap;font-variant-numeric:tabular-nums}
.repr-probe .num .ci{display:block;font-size:85%}
.repr-probe .dim,.repr-probe .published td,.repr-probe .published th{opacity:.72;font-weight:400}
.repr-probe .section td{padding-top:.9em;font-style:italic}
.repr-probe .title{font-size:115%;font-weight:600;margin:.2em 0}
.repr-probe ul{margin:.2em 0 .8em;padding-left:1.3em;max-width:72em}
.repr-probe .broken{border-left:4px solid #d33;padding:.3em .8em;margin:.6em 0}
</style>"""


def to_html(reports: Sequence[MeasuredReport], published: Sequence[PublishedValues] = ()) -> str:
    """A `<div class="repr-probe">` with its style; safe to place in any page (all text escaped)."""
    rows, lines = blocks(reports, published)
    names = row_names(reports)
    title = names[0] if len(reports) == 1 else f"{len(reports)} reports"
    parts = [
        f'<div class="title">{_text(title)}</div>',
        _facts(reports, names),
        _broken(warnings_of(reports)),
        _paper_table(rows),
        items("", paper_interval_notes(reports) if rows else ()),
        items("", published_footnotes(published)),
        _lines_table(lines, names),
        items("Undefined", [f"{symbols}: {reason}" for symbols, reason in undefined_reasons(reports)]),
        items("Intervals", interval_notes(reports, [line.definition.key for line in lines])),
        items("Notes", notes_of(reports)),
    ]
    return "\n".join(['<div class="repr-probe">', STYLE, *(part for part in parts if part), "</div>"])


def to_page(reports: Sequence[MeasuredReport], published: Sequence[PublishedValues] = ()) -> str:
    """The fragment as a whole page, light or dark as the reader's system is."""
    return page(", ".join(row_names(reports)), to_html(reports, published))


def page(title: str, fragment: str) -> str:
    """A whole page around a fragment of HTML; title: plain text."""
    head = f'<meta charset="utf-8"><meta name="color-scheme" content="light dark"><title>{escape(title)}</title>'
    body = f'<body style="font-family:system-ui,sans-serif">\n{fragment}\n</body>'
    return f'<!doctype html>\n<html lang="en"><head>{head}</head>\n{body}</html>\n'


def _facts(reports: Sequence[MeasuredReport], names: Sequence[str]) -> str:
    shared, own = common_facts(reports)
    lines = [f'<span class="dim">{_text(label)}</span> {_text(text)}' for label, text in shared.items()]
    if len(reports) > 1:
        differing = ("; ".join(f"{label} {text}" for label, text in known.items()) for known in own)
        lines += [f"<b>{_text(name)}</b> {_text(text)}" for name, text in zip(names, differing, strict=True)]
    return f"<div>{'<br>'.join(lines)}</div>"


def _paper_table(rows: Sequence[Row]) -> str:
    if not rows:
        return ""
    heads = ["<th>METHOD</th>", *(f'<th class="num">{_stacked(head)}</th>' for head, _ in PAPER_COLUMNS)]
    body = []
    for place, row in enumerate(rows):
        name = _text(row.name) + (f" ({row.mark})" if row.mark else "")
        opening = '<tr class="published">' if row.published else "<tr>"
        if row.published and not rows[place - 1].published:
            body.append(f'<tr class="section"><td colspan="{len(heads)}">published</td></tr>')
        body.append(f"{opening}<th>{name}</th>{''.join(_number(cell) for cell in row.cells)}</tr>")
    return table(heads, body)


def _lines_table(lines: Sequence[Line], names: Sequence[str]) -> str:
    if not lines:
        return ""
    single = len(names) == 1
    columns = [f'<th class="num">{_text(name)}</th>' for name in names]
    values = ['<th class="num">value</th>', "<th>95 % interval</th>"] if single else columns
    heads = ["<th>measure</th>", "<th></th>", *values, "<th>over</th>", "<th>definition</th>"]
    body, section = [], ""
    for line in lines:
        if line.section != section:
            section = line.section
            body.append(f'<tr class="section"><td colspan="{len(heads)}">{_text(section)}</td></tr>')
        body.append(_line(line, single))
    return table(heads, body)


def _line(line: Line, single: bool) -> str:
    definition, cell = line.definition, line.cells[0]
    if single:
        shown = f'<td class="num">{_text(cell.value)}</td><td class="ci">{_text(cell.interval)}</td>'
    else:
        shown = "".join(_number(each) for each in line.cells)
    hint = f"{definition.label}, from {definition.low} to {definition.high}. {definition.meaning}".strip()
    return (
        f'<tr title="{_text(hint)}"><th>{_text(definition.symbol)}</th><td class="dim">{line.arrow}</td>{shown}'
        f'<td class="dim">{_text(line.population)}</td><td class="dim">{_text(definition.variant)}</td></tr>'
    )


def _number(cell: Cell) -> str:
    interval = f'<span class="ci">{_text(cell.interval)}</span>' if cell.interval else ""
    return f'<td class="num">{_text(cell.value)}{interval}</td>'


def table(heads: Sequence[str], body: Sequence[str]) -> str:
    """heads: ready `<th>`; body: ready `<tr>`."""
    return "\n".join(["<table>", f"<thead><tr>{''.join(heads)}</tr></thead>", "<tbody>", *body, "</tbody></table>"])


def _stacked(head: str) -> str:
    words = head.split(" ")
    lines = [head] if len(words) < 2 else [words[0], words[1]] if len(words) == 2 else [" ".join(words[:2]), " ".join(words[2:])]
    return "<br>".join(_text(line) for line in lines)


def items(title: str, texts: Sequence[str]) -> str:
    """Sentences as a list under a title; nothing for none."""
    if not texts:
        return ""
    head = f"<b>{_text(title)}</b>" if title else ""
    return f"<div>{head}<ul>{''.join(f'<li>{_text(text)}</li>' for text in texts)}</ul></div>"


def _broken(texts: Sequence[str]) -> str:
    return f'<div class="broken"><b>Broken identity: do not trust these numbers.</b>{items("", texts)}</div>' if texts else ""


def _text(text: str) -> str:
    return escape(text)
