"""A strip beside each measure: the values of this page among the references, on one axis."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from repr_probe.metrics.definitions import Definition
from repr_probe.metrics.measurement import Measurement
from repr_probe.pages.reference_ranges import Reference
from repr_probe.pages.svg import Scale, tick_text
from repr_probe.reports.safe_text import printable
from repr_probe.reports.table import number_text

WIDTH, HEIGHT = 230, 40
_LINE = 15.0
_DECADES_FROM = 25.0  # where largest and smallest are so many times apart, and both positive, the axis is logarithmic


def strip(measurements: Sequence[Measurement | None], names: Sequence[str], references: Sequence[Reference], definition: Definition) -> str:
    """The drawing; "" where there is no value."""
    values = [(place, one.value) for place, one in enumerate(measurements) if one is not None and one.value is not None]
    if not values:
        return ""
    every = [value for _, value in values] + [value for reference in references for value in reference.values]
    x = _scale(min(every), max(every))
    parts = [f'<line class="axis" x1="{x.start - 6}" x2="{x.end + 6}" y1="{_LINE}" y2="{_LINE}"/>']
    parts += [_reference(x, one) for one in references]
    middle = (len(measurements) - 1) / 2  # each checkpoint a little lower than the one before: equal values stay apart
    apart = min(4.0, 14.0 / len(measurements))
    parts += [_value(x, place, value, _LINE + (place - middle) * apart, names[place], definition) for place, value in values]
    parts.append(f'<text class="tick" x="{x.start - 6}" y="36">{tick_text(float(f"{x.low:.3g}"))}</text>')
    parts.append(f'<text class="tick end" x="{x.end + 6}" y="36">{tick_text(float(f"{x.high:.3g}"))}</text>')
    told = [f"{printable(names[place])} {number_text(value, definition)}" for place, value in values]
    told += [f"{one.words} {one.printed}" for one in references]
    alt = escape(f"{definition.label}: {'; '.join(told)}")
    return f'<svg class="strip" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" role="img" aria-label="{alt}">{"".join(parts)}</svg>'


def _scale(low: float, high: float) -> Scale:
    if low == high:
        low, high = low - 0.5 * (abs(low) or 1.0), high + 0.5 * (abs(high) or 1.0)
    return Scale(low, high, 12, WIDTH - 12, log=low > 0 and high / low > _DECADES_FROM)


def _reference(x: Scale, reference: Reference) -> str:
    title = f"<title>{escape(reference.words)}: {escape(reference.printed)}</title>"
    places = [x(value) for value in reference.values]
    if reference.kind == "paper":
        ticks = "".join(f"M{place} {_LINE - 6}v12" for place in places)
        band = f'<rect x="{places[0]}" y="{_LINE - 6}" width="{max(1.0, places[-1] - places[0]):.2f}" height="12" rx="2"/>'
        return f'<g class="paper">{title}{band}<path d="{ticks}"/></g>'
    if reference.kind == "closed":
        return f'<path class="closed" d="M{places[0]} {_LINE - 7}l5 7l-5 7l-5 -7z">{title}</path>'
    return f'<rect class="measured" x="{places[0] - 4}" y="{_LINE - 4}" width="8" height="8">{title}</rect>'


def _value(x: Scale, place: int, value: float, y: float, name: str, definition: Definition) -> str:
    title = f"<title>{escape(printable(name))}: {escape(number_text(value, definition))}</title>"
    return f'<circle class="dot s{place}" cx="{x(value)}" cy="{y:.1f}" r="4.5">{title}</circle>'


STRIP_LEGEND = (
    '<ul class="legend strips" aria-label="Signs in the column of references">'
    '<li><svg viewBox="0 0 28 14" width="28" height="14" aria-hidden="true"><circle class="dot s0" cx="14" cy="7" r="5"/></svg>this page</li>'
    '<li><svg viewBox="0 0 28 14" width="28" height="14" aria-hidden="true"><g class="paper"><rect x="2" y="1" width="24" height="12" rx="2"/>'
    '<path d="M2 1v12M11 1v12M26 1v12"/></g></svg>rows of the paper</li>'
    '<li><svg viewBox="0 0 28 14" width="28" height="14" aria-hidden="true"><path class="closed" d="M14 0l5 7l-5 7l-5 -7z"/></svg>closed form</li>'
    '<li><svg viewBox="0 0 28 14" width="28" height="14" aria-hidden="true"><rect class="measured" x="10" y="3" width="8" height="8"/></svg>'
    "measured network</li></ul>"
)
