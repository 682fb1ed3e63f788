"""Semantics: the measures side by side, the scatter of pairs of classes, and each report's own tables, folded."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np

from repr_probe.pages.contents import PageContents
from repr_probe.pages.geometry_section import stacking
from repr_probe.pages.numbers import data, measured
from repr_probe.pages.svg import BOTTOM, LEFT, RIGHT, TOP, Scale, axes, panel, picture
from repr_probe.reports.html import items, table
from repr_probe.reports.safe_text import printable, shorten
from repr_probe.reports.semantic_definitions import DEFINITIONS
from repr_probe.reports.semantic_layout import Section, p_text, row_reference, sections
from repr_probe.reports.semantic_report import SemanticReport
from repr_probe.reports.sources import PublishedValues

_MOST_DOTS = 1500  # with more pairs of classes the scatter shows how many lie in a cell
_CELLS = (54, 36)
_REFERENCES = {"wup": "1 - Wu-Palmer similarity (WordNet)", "text": "1 - cosine of the names in the text model"}


def semantic_section(page: PageContents, published: Sequence[PublishedValues] = ()) -> str:
    held = [(place, one.semantic) for place, one in enumerate(page.measured) if one.semantic is not None]
    reasons = dict.fromkeys(one.semantic_reason for one in page.measured if one.semantic is None and one.semantic_reason)
    parts = [f'<p class="dim">Not measured: {escape(printable(reason))}</p>' for reason in reasons]
    if not held:
        return "\n".join(parts) or '<p class="dim">Not measured.</p>'
    parts.append(_measures(page, held))
    panels = "".join(_scatter(report, page.names[place], place) for place, report in held)
    parts.append(f'<div class="panels">{panels}</div>')
    for place, report in held:
        shown = [_section(one) for one in sections(report, published) if one.title != "alignment"]
        parts.append(f"<details><summary>{escape(page.names[place])}: groups, classes, pairs, notes</summary>{''.join(shown)}</details>")
    return "\n".join(parts)


def _measures(page: PageContents, held: Sequence[tuple[int, SemanticReport]]) -> str:
    heads = ['<th scope="col">alignment</th>']
    heads += [f'<th scope="col" class="num"><span class="key s{place}"></span>{escape(page.names[place])}</th>' for place, _ in held]
    body = []
    for key in dict.fromkeys(key for _, report in held for key, one in report.measures.items() if one.value is not None):
        definition = DEFINITIONS[key]
        cells = "".join(
            f'<td class="num s{place}" data-name="{escape(page.names[place])}">{_cell(place, report, key)}</td>' for place, report in held
        )
        name = f'<b>{escape(definition.symbol)}</b><span class="variant">{escape(definition.variant)}</span>'
        body.append(f'<tr><th scope="row">{name}</th>{cells}</tr>')
    note = (
        "Small digits: 95 % interval over classes, and p of the Mantel test. "
        "0: the distances of classes have nothing to do with the reference's; 1: they agree."
    )
    drawn = f'<div class="wide" tabindex="0" role="region" aria-label="alignment">{stacking(heads, body)}</div>'
    return f'<p class="dim">{note}</p>{drawn}{items("Undefined", _undefined(held))}'


def _undefined(held: Sequence[tuple[int, SemanticReport]]) -> list[str]:
    """One line a reason, with the symbols of the measures that no checkpoint has."""
    values = {key for _, report in held for key, one in report.measures.items() if one.value is not None}
    reasons: dict[str, dict[str, None]] = {}
    for _, report in held:
        for key, one in report.measures.items():
            if key not in values:
                reasons.setdefault(printable(one.reason or "undefined"), {})[DEFINITIONS[key].symbol] = None
    return [f"{', '.join(symbols)}: {reason}" for reason, symbols in reasons.items()]


def _cell(place: int, report: SemanticReport, key: str) -> str:
    at = f"semantic.{place}"
    shown = measured(report.measures.get(key), DEFINITIONS[key], f"{at}.measures.{key}")
    p = report.p_values.get(key)
    return shown if p is None else f'{shown}<span class="ci">p {data(p_text(p), p, f"{at}.p_values.{key}")}</span>'


def _scatter(report: SemanticReport, name: str, place: int) -> str:
    """Each pair of classes: distance in the representation against the reference's; cells of a grid where there are too many to draw."""
    reference = row_reference(report)
    if reference not in report.references or report.centroid_cosine is None:
        return ""
    upper = np.triu_indices(len(report.classes), 1)
    across, up = 1.0 - report.centroid_cosine[upper], np.asarray(report.references[reference])[upper]
    finite = np.isfinite(across) & np.isfinite(up)
    across, up = across[finite], up[finite]
    if len(across) == 0:
        return ""
    x = Scale(*_ends(across), LEFT, RIGHT)
    y = Scale(*_ends(up), BOTTOM, TOP)
    few = len(across) <= _MOST_DOTS
    dots = _dots(report, (upper[0][finite], upper[1][finite]), across, up, x, y, place) if few else _cells(across, up, x, y, place)
    alt = f"Scatter of {len(across):,} pairs of classes of {printable(name)}: 1 - cosine of prototypes against {_REFERENCES[reference]}"
    drawing = picture([axes(x, y, "1 - cosine of class prototypes", _REFERENCES[reference]), dots], alt)
    return panel(shorten(name, 44), drawing, f"{len(across):,} pairs of classes" + ("" if few else "; stronger colour: more pairs"))


def _ends(values: np.ndarray) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    margin = 0.04 * (high - low) or 0.1
    return low - margin, high + margin


def _dots(report: SemanticReport, pairs: tuple[np.ndarray, np.ndarray], across: np.ndarray, up: np.ndarray, x: Scale, y: Scale, place: int) -> str:
    names = [printable(name) for name in report.class_names]
    parts = []
    for a, b, distance, reference in zip(*pairs, across.tolist(), up.tolist(), strict=True):
        title = escape(f"{names[a]}, {names[b]}: 1 - cosine {distance:.3f}, reference {reference:.3f}")
        parts.append(f'<circle class="dot pair s{place}" cx="{x(distance)}" cy="{y(reference)}" r="3"><title>{title}</title></circle>')
    return "".join(parts)


def _cells(across: np.ndarray, up: np.ndarray, x: Scale, y: Scale, place: int) -> str:
    counts, left, low = np.histogram2d(across, up, bins=_CELLS, range=((x.low, x.high), (y.low, y.high)))
    width, height = abs(x(left[1]) - x(left[0])), abs(y(low[1]) - y(low[0]))
    deepest = np.log1p(counts.max())
    parts = [
        f'<rect class="cell s{place}" x="{x(left[i])}" y="{y(low[j + 1])}" width="{width:.2f}" height="{height:.2f}" '
        f'fill-opacity="{0.1 + 0.9 * np.log1p(counts[i, j]) / deepest:.2f}"/>'
        for i, j in zip(*np.nonzero(counts), strict=True)
    ]
    return "".join(parts)


def _section(section: Section) -> str:
    title = section.title[:1].upper() + section.title[1:]
    if not section.rows:
        return items(title, section.items)
    heads = [f'<th scope="col"{"" if place < section.words else _NUM}>{escape(head)}</th>' for place, head in enumerate(section.heads)]
    rows = []
    for row in section.rows:
        cells = [f"<td{'' if place < section.words else _NUM}>{escape(cell)}</td>" for place, cell in enumerate(row) if place > 0]
        rows.append(f'<tr><th scope="row">{escape(row[0])}</th>{"".join(cells)}</tr>')
    name = escape(title)
    return f'<h4>{name}</h4><div class="wide" tabindex="0" role="region" aria-label="{name}">{table(heads, rows)}</div>{items("", section.items)}'


_NUM = ' class="num"'
