"""Accuracies, and what differs between checkpoints by more than chance: the numbers of `repro-probe compare`, as tables of the page."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from html import escape

from repr_probe.metrics import definitions
from repr_probe.metrics.definitions import Definition
from repr_probe.metrics.measurement import Measurement
from repr_probe.metrics.paired import PairedDifference
from repr_probe.pages.contents import PageContents
from repr_probe.pages.geometry_section import stacking
from repr_probe.pages.numbers import data
from repr_probe.reports import semantic_definitions
from repr_probe.reports.comparison import Comparison, RowPair
from repr_probe.reports.comparison_layout import MOST_PAIRS, Column, columns
from repr_probe.reports.html import items
from repr_probe.reports.safe_text import printable
from repr_probe.reports.table import DASH, number_text

_DEFINITIONS: Mapping[str, Mapping[str, Definition]] = {"geometry": definitions.DEFINITIONS, "semantic": semantic_definitions.DEFINITIONS}
_TITLES = {"geometry": "Geometry", "semantic": "Alignment of classes", "probe": "Accuracy, percent"}
_STAR = "* its 95\u00a0% interval leaves out 0. No correction for the number of differences that are looked at."


def accuracy_section(page: PageContents) -> str:
    """kNN and linear accuracy; "" where it was not measured."""
    rows = page.comparison.rows.get("probe", ()) if page.comparison is not None else ()
    if not rows:
        return ""
    heads = ['<th scope="col">accuracy, %</th>']
    heads += [f'<th scope="col" class="num">{_key(place)}{escape(name)}</th>' for place, name in enumerate(page.names)]
    body = []
    for column in columns("probe", rows):
        found = [row.measures.get(column.keys[0]) for row in rows]
        variant = next((one.variant for one in found if one is not None), "")
        cells = "".join(
            f'<td class="num s{place}" data-name="{escape(page.names[place])}">'
            f'{_accuracy(one, column, f"comparison.rows.probe.{place}.measures.{column.keys[0]}")}</td>'
            for place, one in enumerate(found)
        )
        body.append(f'<tr>{_name(column, variant)}{cells}</tr>')
    guessed = f"{100 / rows[0].n_classes:.3g}\u00a0%"
    told = f"Percent of the {rows[0].n_samples:,} test images; small digits: 95\u00a0% interval (Wilson). Guessing gives {guessed} top-1."
    return f'<p class="dim">{told}</p>{_wide("accuracy", heads, body)}'


def differences_section(page: PageContents) -> str:
    """Paired differences part by part, and CKA; "" where there are none."""
    comparison = page.comparison
    if comparison is None:
        return ""
    parts = [_part(page, comparison, part) for part in comparison.rows]
    parts.append(_similarity(page, comparison))
    shown = [part for part in parts if part]
    reading = (
        '<p class="dim">Both checkpoints are measured without each image (or class), so what makes an image hard for both cancels: '
        f"these intervals are narrower than two intervals held beside each other. {_STAR}</p>"
    )
    return "\n".join([reading, *shown]) if shown else ""


def _part(page: PageContents, comparison: Comparison, part: str) -> str:
    pairs = [(place, pair) for place, pair in enumerate(comparison.pairs) if pair.part == part and pair.differences]
    shown = [(place, pair) for place, pair in pairs if len(pairs) <= MOST_PAIRS or pair.first == page.names[0]]
    held = _lines(part, comparison, {key for _, pair in shown for key in pair.differences})
    if not held:
        return ""
    heads = ['<th scope="col">difference</th>', *(_pair_head(page, pair) for _, pair in shown)]
    body = []
    for column in held:
        cells = "".join(
            f'<td class="num" data-name="{escape(f"{pair.first} − {pair.second}")}">'
            f'{_difference(pair.differences.get(column.keys[0]), column, f"comparison.pairs.{place}.differences.{column.keys[0]}")}</td>'
            for place, pair in shown
        )
        body.append(f'<tr>{_name(column, _how([pair for _, pair in shown], column.keys[0]))}{cells}</tr>')
    title = _TITLES[part]
    more = [f"of all {len(pairs)} pairs those with {page.names[0]}; the numbers of the page (JSON) hold all"] if len(shown) < len(pairs) else []
    return f'<h3>{escape(title)}</h3>{_wide(title, heads, body)}{items("", more)}'


def _lines(part: str, comparison: Comparison, keys: Collection[str]) -> list[Column]:
    """One column of `compare` a key: here they are lines, and there is room for all."""
    if part == "probe":
        return [column for column in columns(part, comparison.rows[part]) if column.keys[0] in keys]
    return [Column(one.symbol, (key,), (one,)) for key, one in _DEFINITIONS[part].items() if key in keys]


def _similarity(page: PageContents, comparison: Comparison) -> str:
    """Debiased linear CKA of every two, as a matrix."""
    found = {(pair.first, pair.second): (place, pair) for place, pair in enumerate(comparison.cka) if pair.debiased is not None}
    if not found:
        return ""

    def cell(row: str, column: str) -> str:
        place, pair = found.get((row, column)) or found.get((column, row)) or (0, None)
        if pair is None or pair.debiased is None:
            return "1" if row == column else DASH
        return data(f"{pair.debiased:.3f}", pair.debiased, f"comparison.cka.{place}.debiased")

    heads = ['<th scope="col"></th>', *(f'<th scope="col" class="num">{_key(place)}{escape(name)}</th>' for place, name in enumerate(page.names))]
    body = [
        f'<tr><th scope="row">{_key(place)}{escape(row)}</th>'
        + "".join(f'<td class="num s{at}" data-name="{escape(column)}">{cell(row, column)}</td>' for at, column in enumerate(page.names))
        + "</tr>"
        for place, row in enumerate(page.names)
    ]
    note = '<p class="dim">Debiased linear CKA of the features. 1: alike up to rotation and scale; 0: unrelated.</p>'
    return f'<h3>Similarity</h3>{note}{_wide("similarity", heads, body)}'


def _wide(title: str, heads: Sequence[str], body: Sequence[str]) -> str:
    return f'<div class="wide" tabindex="0" role="region" aria-label="{escape(title)}">{stacking(heads, body)}</div>'


def _key(place: int) -> str:
    return f'<span class="key s{place}"></span>'


def _pair_head(page: PageContents, pair: RowPair) -> str:
    first, second = (f"{_key(page.names.index(name))}{escape(name)}" for name in (pair.first, pair.second))
    return f'<th scope="col" class="num pairs">{first}<br>− {second}</th>'


def _name(column: Column, variant: str) -> str:
    definition = column.definitions[0]
    label = definition.label
    shown = label[:1].upper() + label[1:] if label.partition(" ")[0].islower() else label
    symbol = f' <span class="symbol">{escape(definition.symbol)}</span>' if definition.symbol.lower() != label.lower() else ""
    return f'<th scope="row"><b>{escape(shown)}</b>{symbol} {column.arrow}<span class="variant">{escape(printable(variant))}</span></th>'


def _how(pairs: Sequence[RowPair], key: str) -> str:
    """How the intervals of a line were made, or why there is none, each once."""
    found = [one for pair in pairs if (one := pair.differences.get(key)) is not None]
    return "; ".join(dict.fromkeys(str(one.method) if one.ci is not None else f"no interval: {one.reason}" for one in found))


def _accuracy(one: Measurement | None, column: Column, at: str) -> str:
    if one is None or one.value is None:
        reason = escape(printable((one.reason if one is not None else None) or "not measured"))
        return f'<span class="none" title="{reason}">{DASH}<span class="hidden"> ({reason})</span></span>'
    return _number(one.value, one.ci, column, f"{at}.value", f"{at}.ci", signed=False)


def _difference(one: PairedDifference | None, column: Column, at: str) -> str:
    if one is None or one.difference is None:
        return f'<span class="none">{DASH}</span>'
    star = "*" if one.ci is not None and (one.ci[0] > 0 or one.ci[1] < 0) else ""
    return _number(one.difference, one.ci, column, f"{at}.difference", f"{at}.ci", signed=True, sign=star)


def _number(value: float, ci: tuple[float, float] | None, column: Column, at: str, at_ci: str, *, signed: bool, sign: str = "") -> str:
    definition = column.definitions[0]
    unit = "°" if definition.unit == "deg" else ""

    def text(number: float, end: str = "") -> str:
        return ("+" if signed and number > 0 else "") + number_text(number * column.scale, definition) + end

    shown = data(text(value, unit), value, at) + sign
    if ci is None:
        return shown
    low, high = (data(text(end), end, f"{at_ci}.{place}") for place, end in enumerate(ci))
    return f'{shown}<span class="ci">[{low}, {high}]</span>'
