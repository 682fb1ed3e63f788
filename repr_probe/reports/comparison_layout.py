"""What a Comparison shows, as tables of cells in the paper's layout: formats only draw them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from repr_probe.metrics import definitions as geometry_definitions
from repr_probe.metrics.definitions import Definition
from repr_probe.metrics.measurement import Measurement
from repr_probe.metrics.paired import PairedDifference
from repr_probe.reports import semantic_definitions
from repr_probe.reports.safe_text import printable
from repr_probe.reports.sources import PublishedValues
from repr_probe.reports.table import ARROWS, DASH, PAPER_COLUMNS, Cell, cell_of, footnote_marks, number_text, published_footnotes

if TYPE_CHECKING:
    from repr_probe.reports.comparison import Comparison, MeasuredRow, RowPair

Published = Mapping[str, Sequence[PublishedValues]]  # part -> rows

TITLES = {"geometry": "geometry (Table III)", "semantic": "semantic alignment (Table IV)", "probe": "accuracy, % (Table I)"}
MOST_PAIRS = 10  # shown; above, only those with the first row
_PROBES = ("linear_top1", "linear_top5", "knn_top1", "knn_top5")
_PLACES = {"top1": "top-1", "top5": "top-5"}


@dataclass(frozen=True)
class Column:
    """head: as the paper prints it.  keys: one, or mean and SD.  definitions: of the keys.  scale: from the value to what is shown."""

    head: str
    keys: tuple[str, ...]
    definitions: tuple[Definition, ...]
    scale: float = 1.0

    @property
    def arrow(self) -> str:
        return ARROWS[self.definitions[0].better]


@dataclass(frozen=True)
class TableRow:
    """best: places of the cells that are best in their column.  published, mark: as in `table.Row`."""

    name: str
    cells: tuple[Cell, ...]
    best: frozenset[int] = frozenset()
    published: bool = False
    mark: str = ""


@dataclass(frozen=True)
class ComparisonTable:
    """title; heads (without that of the names), with their arrows; rows; notes below."""

    title: str
    heads: tuple[str, ...]
    rows: tuple[TableRow, ...]
    notes: tuple[str, ...] = ()


def tables(comparison: Comparison, published: Published | None = None) -> tuple[ComparisonTable, ...]:
    """For every part its table and its paired differences; then CKA."""
    found = []
    for part, rows in comparison.rows.items():
        found.append(_measured(part, rows, (published or {}).get(part, ())))
        pairs = [pair for pair in comparison.pairs if pair.part == part]
        if any(pair.differences for pair in pairs):
            found.append(_differences(part, rows, pairs))
    return (*found, *([_cka(comparison)] if any(pair.debiased is not None for pair in comparison.cka) else []))


def columns(part: str, rows: Sequence[MeasuredRow]) -> tuple[Column, ...]:
    """The paper's columns of a part; for probes also one for every further protocol of the rows."""
    if part == "geometry":
        return tuple(Column(head, keys, tuple(geometry_definitions.DEFINITIONS[key] for key in keys)) for head, keys in PAPER_COLUMNS)
    if part == "semantic":
        named = semantic_definitions.PAPER_COLUMNS
        return tuple(Column(head, (key,), (semantic_definitions.DEFINITIONS[key],)) for head, key in named if _held(rows, key))
    keys = dict.fromkeys([*(key for key in _PROBES if _held(rows, key)), *(key for row in rows for key in row.measures)])
    return tuple(Column(_probe_head(key), (key,), (_probe_definition(key),), 100.0) for key in keys)


def best_places(column: Column, rows: Sequence[MeasuredRow]) -> frozenset[int]:
    """Places of the rows that are best in a column: none without a direction or with fewer than two values; what prints alike is best alike."""
    better = column.definitions[0].better
    values = {place: one.value for place, row in enumerate(rows) if (one := row.measures.get(column.keys[0])) and one.value is not None}
    if not better or len(values) < 2:
        return frozenset()
    best = (max if better == "higher" else min)(values.values())
    printed = {place: number_text(value * column.scale, column.definitions[0]) for place, value in values.items()}
    winners = frozenset(place for place, text in printed.items() if text == number_text(best * column.scale, column.definitions[0]))
    return winners if len(winners) < len(values) else frozenset()


def _held(rows: Sequence[MeasuredRow], key: str) -> bool:
    return any(key in row.measures for row in rows)


def _measured(part: str, rows: Sequence[MeasuredRow], published: Sequence[PublishedValues]) -> ComparisonTable:
    shown = columns(part, rows)
    best = [best_places(column, rows) for column in shown]
    lines = [
        TableRow(row.name, tuple(_cell(column, row) for column in shown), frozenset(at for at, places in enumerate(best) if place in places))
        for place, row in enumerate(rows)
    ]
    marks = footnote_marks(published)
    lines += [TableRow(row.method, tuple(_printed(column, row) for column in shown), published=True, mark=marks.get(row.note, "")) for row in published]
    notes = [*_reading(shown, rows, any(best)), *_protocols(part, rows), *published_footnotes(published)]
    return ComparisonTable(TITLES[part], tuple(f"{column.head} {column.arrow}".rstrip() for column in shown), tuple(lines), tuple(notes))


def _cell(column: Column, row: MeasuredRow) -> Cell:
    parts = [cell_of(_scaled(row.measures.get(key), column.scale), definition) for key, definition in zip(column.keys, column.definitions)]
    if len(parts) == 1 or parts[0].value == DASH:
        return parts[0]
    return Cell(" ± ".join(part.value for part in parts), parts[0].interval, parts[0].population)


def _scaled(one: Measurement | None, scale: float) -> Measurement | None:
    if one is None or one.value is None or scale == 1.0:
        return one
    return Measurement(one.value * scale, None if one.ci is None else (one.ci[0] * scale, one.ci[1] * scale), population=one.population)


def _printed(column: Column, row: PublishedValues) -> Cell:
    texts = [row.printed.get(key) for key in column.keys]
    sign = "°" if column.definitions[0].unit == "deg" else ""
    return Cell(DASH) if None in texts else Cell(" ± ".join(f"{text}{sign}" for text in texts))


def _reading(shown: Sequence[Column], rows: Sequence[MeasuredRow], marked: bool) -> list[str]:
    notes = ["best of the measured rows, in columns with a direction (↑ higher, ↓ lower is better)"] if marked else []
    populations: dict[str, list[str]] = {}
    for column in shown:
        found = dict.fromkeys(one.population for row in rows if (one := row.measures.get(column.keys[0])) and one.ci and one.population)
        for population in found:
            populations.setdefault(population, []).append(column.head.split(" (")[0])
    notes += [f"95 % intervals over {population}: {', '.join(heads)}" for population, heads in populations.items()]
    if any(len(column.keys) > 1 for column in shown):
        notes.append("beside a mean ± SD stands the interval of the mean")
    return [*notes, *_undefined(shown, rows)]


def _undefined(shown: Sequence[Column], rows: Sequence[MeasuredRow]) -> list[str]:
    """Why cells are empty: a line a reason, with the rows where it does not hold for all."""
    reasons: dict[str, tuple[dict[str, None], dict[str, None]]] = {}
    for row in rows:
        for column in shown:
            one = row.measures.get(column.keys[0])
            if one is not None and one.value is None:
                heads, names = reasons.setdefault(one.reason or "undefined", ({}, {}))
                heads[column.head], names[row.name] = None, None
    return [
        f"{'' if len(names) == len(rows) else ', '.join(names) + ': '}no {', '.join(heads)}: {printable(reason)}"
        for reason, (heads, names) in reasons.items()
    ]


def _protocols(part: str, rows: Sequence[MeasuredRow]) -> list[str]:
    if part != "probe":
        return []
    return [f"protocol: {protocol}" for protocol in dict.fromkeys(one.variant for row in rows for one in row.measures.values())]


# --- differences and CKA --------------------------------------------------------------------------------------------------------------------


def _differences(part: str, rows: Sequence[MeasuredRow], pairs: Sequence[RowPair]) -> ComparisonTable:
    shown = tuple(column for column in columns(part, rows) if any(column.keys[0] in pair.differences for pair in pairs))
    chosen = [pair for pair in pairs if len(pairs) <= MOST_PAIRS or pair.first == rows[0].name]
    lines = [
        TableRow(f"{pair.first} - {pair.second}", tuple(_difference_cell(column, pair.differences.get(column.keys[0])) for column in shown))
        for pair in chosen
    ]
    notes = [f"of all {len(pairs)} pairs those with {rows[0].name}; the others are in JSON and CSV"] if len(chosen) < len(pairs) else []
    notes += _difference_notes(shown, chosen)
    heads = tuple(column.head.split(" (MEAN")[0] for column in shown)
    return ComparisonTable(f"paired differences: {TITLES[part].split(' (')[0]}", heads, tuple(lines), tuple(notes))


def _difference_notes(shown: Sequence[Column], pairs: Sequence[RowPair]) -> list[str]:
    methods: dict[str, dict[str, None]] = {}
    reasons: dict[str, dict[str, None]] = {}
    for pair in pairs:
        for column in shown:
            one = pair.differences.get(column.keys[0])
            if one is not None and one.ci is not None:
                methods.setdefault(f"over {one.population} ({one.method})", {})[column.head.split(" (MEAN")[0]] = None
            elif one is not None and one.reason:
                reasons.setdefault(one.reason, {})[column.head.split(" (MEAN")[0]] = None
    notes = ["* its 95 % interval leaves out 0; not corrected for the number of differences looked at"]
    notes += [f"intervals {method}: {', '.join(heads)}" for method, heads in methods.items()]
    notes += [f"no interval for {', '.join(heads)}: {reason}" for reason, heads in reasons.items()]
    return [*notes, *(f"{pair.first} - {pair.second}: {pair.reason}" for pair in pairs if pair.reason)]


def _difference_cell(column: Column, one: PairedDifference | None) -> Cell:
    if one is None or one.difference is None:
        return Cell(DASH, reason="undefined for one of the two")
    definition = column.definitions[0]
    signed = lambda value: ("+" if value > 0 else "") + number_text(value * column.scale, definition)  # noqa: E731
    sign = "°" if definition.unit == "deg" else ""
    if one.ci is None:
        return Cell(signed(one.difference) + sign, reason=one.reason or "")
    told = "*" if one.ci[0] > 0 or one.ci[1] < 0 else ""
    return Cell(f"{signed(one.difference)}{sign}{told}", f"[{signed(one.ci[0])}, {signed(one.ci[1])}]", one.population or "")


def _cka(comparison: Comparison) -> ComparisonTable:
    found = {(pair.first, pair.second): pair for pair in comparison.cka}

    def cell(row: str, column: str) -> Cell:
        if row == column:
            return Cell("1")
        pair = found.get((row, column)) or found[column, row]
        return Cell(DASH, reason=pair.reason or "") if pair.debiased is None else Cell(f"{pair.debiased:.3f}")

    lines = [TableRow(name, tuple(cell(name, other) for other in comparison.names)) for name in comparison.names]
    n = next(pair.n for pair in comparison.cka if pair.n is not None)
    notes = [f"1: alike up to rotation and scale; 0: unrelated. Unbiased estimate from {n:,} images (HSIC₁); the biased one is in JSON and CSV"]
    notes += list(dict.fromkeys(f"{pair.first} and {pair.second}: {pair.reason}" for pair in comparison.cka if pair.reason))
    return ComparisonTable("similarity (debiased linear CKA)", comparison.names, tuple(lines), tuple(notes))


# --- probes ---------------------------------------------------------------------------------------------------------------------------------


def _probe_head(key: str) -> str:
    kind, place = key.split("@")[0].rsplit("_", 1)
    setting = f" ({key.split('@')[1]})" if "@" in key else ""
    return f"{'k-NN' if kind == 'knn' else kind.upper()} {_PLACES[place].upper()}{setting}"


def _probe_definition(key: str) -> Definition:
    head = _probe_head(key)
    label = head.replace("LINEAR", "linear").replace("TOP", "top")
    return Definition(key, head, label, "", 2, "higher", "0", "1", "share of test images", "higher is better", "Table I", "paper", "labels")
