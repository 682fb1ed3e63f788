"""Numbers as the page shows them: each carries its exact value and where it stands in the JSON inside the page."""

from __future__ import annotations

from html import escape

from repr_probe.metrics.definitions import Definition
from repr_probe.metrics.measurement import Measurement
from repr_probe.reports.safe_text import printable
from repr_probe.reports.table import cell_of, number_text


def data(text: str, value: float, at: str) -> str:
    """`<data>` with the text to read, the value, and the JSON path `at`.

    >>> data("0.472", 0.4717, "geometry.0.measures.anisotropy.value")
    '<data value="0.4717" data-at="geometry.0.measures.anisotropy.value">0.472</data>'
    """
    return f'<data value="{value!r}" data-at="{escape(at)}">{escape(text)}</data>'


def measured(measurement: Measurement | None, definition: Definition, at: str) -> str:
    """A value and, below it, its interval; a dash with the reason as its title where there is none. at: JSON path of the measurement."""
    cell = cell_of(measurement, definition)
    if measurement is None or measurement.value is None:
        return f'<span class="none" title="{escape(cell.reason)}">{escape(cell.value)}<span class="hidden"> ({escape(cell.reason)})</span></span>'
    shown = data(cell.value, measurement.value, f"{at}.value")
    if measurement.ci is None:
        return shown
    low, high = (data(number_text(end, definition), end, f"{at}.ci.{place}") for place, end in enumerate(measurement.ci))
    title = escape(printable(f"95 % interval over {measurement.population}: {measurement.ci_method}"))
    return f'{shown}<span class="ci" title="{title}">[{low}, {high}]</span>'
