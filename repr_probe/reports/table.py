"""The layout that every format shares: which columns, which rows, and the text of each cell. Formats only draw it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from repr_probe.metrics.definitions import DEFINITIONS, Definition
from repr_probe.metrics.measurement import Measurement
from repr_probe.reports.safe_text import listed, printable
from repr_probe.reports.sources import MeasuredReport, PublishedValues

DASH = "—"
ARROWS = {"higher": "↑", "lower": "↓", "": ""}

# The columns of Table III of the paper, in its order and under its heads; two keys make one column "mean ± SD".
PAPER_COLUMNS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("ANISO.", ("anisotropy",)),
    ("CORR.", ("feature_correlation",)),
    ("CVN", ("center_vector_norm",)),
    ("CENTROID RANK", ("centroid_rank",)),
    ("EMBED. RANK", ("effective_rank",)),
    ("d′", ("d_prime",)),
    ("ALL PAIRWISE ANGLE (MEAN ± STD)", ("angle_all_mean", "angle_all_std")),
    ("POSITIVE PAIRWISE ANGLE (MEAN ± STD)", ("angle_positive_mean", "angle_positive_std")),
)
PAPER_KEYS = frozenset(key for _, keys in PAPER_COLUMNS for key in keys)

SECTIONS = {
    "paper": "Table III of HyDeS",
    "default": "beside Table III",
    "full": "variants and further measures",
    "views": "augmented views",
}


@dataclass(frozen=True)
class Cell:
    """What stands in one place of a table. value: "0.123", "82.17°", "—".  interval: "[0.119, 0.127]", "[82.15, 82.19] SE 0.0102" or "".

    population: "images" or "classes": what the interval speaks of.  reason: why there is no value.
    """

    value: str
    interval: str = ""
    population: str = ""
    reason: str = ""


@dataclass(frozen=True)
class Row:
    """One encoder in Table III's layout; mark: "a", "b", ... where a footnote belongs to it."""

    name: str
    cells: tuple[Cell, ...]
    published: bool = False
    mark: str = ""


@dataclass(frozen=True)
class Line:
    """One measure, with one cell for each report."""

    definition: Definition
    section: str
    cells: tuple[Cell, ...]

    @property
    def arrow(self) -> str:
        return ARROWS[self.definition.better]

    @property
    def population(self) -> str:
        """The population of the intervals on this line ("" without intervals)."""
        return " / ".join(dict.fromkeys(cell.population for cell in self.cells if cell.population))


def number_text(value: float, definition: Definition) -> str:
    """A number with the digits of its definition; what would print as zero without being zero keeps two significant digits.

    >>> number_text(0.12345, DEFINITIONS["anisotropy"]), number_text(0.00002, DEFINITIONS["anisotropy"])
    ('0.123', '2.0e-05')
    """
    if abs(value) >= 1e7:
        return f"{value:.4g}"
    text = f"{value:.{definition.digits}f}"
    if float(text) != 0:
        return text
    return text.lstrip("-") if value == 0 else f"{value:.1e}"


def error_text(value: float) -> str:
    """A standard error with two digits.

    >>> error_text(0.08012), error_text(12.3), error_text(0.0)
    ('0.080', '12', '0.0')
    """
    return f"{value:#.2g}".rstrip(".")


def cell_of(measurement: Measurement | None, definition: Definition) -> Cell:
    """The cell of one measurement; None (the report does not hold it) is a dash with that reason."""
    if measurement is None:
        return Cell(DASH, reason="not in this report")
    if measurement.value is None:
        reason = printable(measurement.reason or "undefined")
        limits = {"+inf": "+∞", "-inf": "-∞"}
        return Cell(limits.get(measurement.degenerate or "", DASH), reason=reason)
    unit = "°" if definition.unit == "deg" else ""
    interval, population = "", ""
    if measurement.ci is not None:
        low, high = (number_text(end, definition) for end in measurement.ci)
        interval, population = f"[{low}, {high}]", measurement.population or ""
    if measurement.standard_error is not None:
        interval = f"{interval} SE {error_text(measurement.standard_error)}".lstrip()
    return Cell(number_text(measurement.value, definition) + unit, interval, population)


def measure_lines(reports: Sequence[MeasuredReport], *, beyond_paper: bool = False) -> tuple[Line, ...]:
    """A line for every measure that some report holds, in the order of the definition table; `beyond_paper` leaves Table III's out."""
    held = {key for report in reports for key in report.measures}
    lines = []
    for key, definition in DEFINITIONS.items():
        if key in held and not (beyond_paper and key in PAPER_KEYS):
            section = SECTIONS["views" if definition.needs == "views" else definition.preset]
            lines.append(Line(definition, section, tuple(cell_of(report.measures.get(key), definition) for report in reports)))
    return tuple(lines)


def paper_rows(reports: Sequence[MeasuredReport], published: Sequence[PublishedValues] = ()) -> tuple[Row, ...]:
    """Rows in Table III's layout: the reports first, then the published rows."""
    rows = [
        Row(name, tuple(_joined([cell_of(report.measures.get(key), DEFINITIONS[key]) for key in keys]) for _, keys in PAPER_COLUMNS))
        for name, report in zip(row_names(reports), reports, strict=True)
    ]
    marks = footnote_marks(published)
    for row in published:
        cells = tuple(_joined([_printed_cell(row, key) for key in keys]) for _, keys in PAPER_COLUMNS)
        rows.append(Row(row.method, cells, published=True, mark=marks.get(row.note, "")))
    return tuple(rows)


def blocks(reports: Sequence[MeasuredReport], published: Sequence[PublishedValues]) -> tuple[tuple[Row, ...], tuple[Line, ...]]:
    """What a document shows: one report alone is one list; with anything to compare, Table III comes first and the list holds the rest."""
    compare = len(reports) > 1 or bool(published)
    return (paper_rows(reports, published) if compare else (), measure_lines(reports, beyond_paper=compare))


def footnote_marks(published: Sequence[PublishedValues]) -> dict[str, str]:
    """Footnote text -> its letter, in order of appearance."""
    notes = dict.fromkeys(row.note for row in published if row.note)
    return {note: chr(ord("a") + place) for place, note in enumerate(notes)}


def published_footnotes(published: Sequence[PublishedValues]) -> tuple[str, ...]:
    """Where the published rows come from, how their protocol differs, and the lettered caveats."""
    if not published:
        return ()
    sources = [f"published: {source}" for source in dict.fromkeys(row.source for row in published)]
    protocols = list(dict.fromkeys(row.protocol for row in published if row.protocol))
    caveats = [f"({mark}) {note}" for note, mark in footnote_marks(published).items()]
    return (f"{'; '.join(sources)} (no intervals). {' '.join(protocols)}".strip(), *caveats)


def row_names(reports: Sequence[MeasuredReport]) -> tuple[str, ...]:
    """Names that tell the reports apart: the name, with layer, pool, data set or split where the name alone is shared, else a number."""
    names = [printable(report.name) for report in reports]
    for key in ("layer", "pool", "dataset", "split"):
        values = [printable(report.provenance.get(key, "")) for report in reports]
        if len(set(names)) < len(names) and len(set(values)) > 1:
            names = [f"{name} · {value}" if value else name for name, value in zip(names, values, strict=True)]
    if len(set(names)) < len(names):
        names = [f"{name} ({place})" for place, name in enumerate(names, start=1)]
    return tuple(names)


def undefined_reasons(reports: Sequence[MeasuredReport]) -> tuple[tuple[str, str], ...]:
    """(symbols, reason) for every reason why a value is missing, in report order; the report is named where there are several."""
    groups: dict[str, list[str]] = {}
    for name, report in zip(row_names(reports), reports, strict=True):
        for key, measurement in report.measures.items():
            if measurement.value is None and key in DEFINITIONS:
                reason = printable(measurement.reason or "undefined")
                groups.setdefault(reason if len(reports) == 1 else f"{reason} ({name})", []).append(DEFINITIONS[key].symbol)
    return tuple((listed(symbols), reason) for reason, symbols in groups.items())


def _joined(parts: list[Cell]) -> Cell:
    """One cell out of mean and SD; a single part stays as it is."""
    if len(parts) == 1 or parts[0].value == DASH:
        return parts[0]
    intervals = [part.interval for part in parts]
    interval = " ± ".join(intervals) if all(intervals) else intervals[0]
    return Cell(" ± ".join(part.value for part in parts), interval, parts[0].population, parts[1].reason)


def _printed_cell(row: PublishedValues, key: str) -> Cell:
    if key not in row.printed:
        return Cell(DASH, reason="not published")
    return Cell(row.printed[key] + ("°" if DEFINITIONS[key].unit == "deg" else ""))
