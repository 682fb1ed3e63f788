"""A Comparison as CSV for other programs: one line a number, in full precision."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import TYPE_CHECKING

from repr_probe.reports.comparison_layout import Published, best_places, columns
from repr_probe.reports.safe_text import printable

if TYPE_CHECKING:
    from repr_probe.reports.comparison import Comparison

COLUMNS = ("part", "source", "name", "other", "measure", "value", "low", "high", "p", "over", "better", "best", "n", "reason")


def to_csv(comparison: Comparison, published: Published | None = None) -> str:
    """source: "measured", "published: ...", "difference" (name - other) or "cka".  Accuracies are shares, angles degrees; best: 1 where marked."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    for row in _rows(comparison, published or {}):
        writer.writerow({key: printable(value) for key, value in row.items() if value is not None})
    return text.getvalue()


def _rows(comparison: Comparison, published: Published) -> Iterator[dict[str, object]]:
    for part, rows in comparison.rows.items():
        marked = {column.keys[0]: (best_places(column, rows), column.definitions[0].better) for column in columns(part, rows)}
        for place, row in enumerate(rows):
            for key, one in row.measures.items():
                best, better = marked.get(key, (frozenset(), ""))
                yield {"part": part, "source": "measured", "name": row.name, "measure": key, "value": _number(one.value), **_bounds(one.ci),
                       "over": one.population, "better": better, "best": int(place in best), "n": one.n, "reason": one.reason}  # fmt: skip
        for line in published.get(part, ()):
            for key, digits in line.printed.items():
                yield {"part": part, "source": f"published: {line.source}", "name": line.method, "measure": key, "value": _share(part, digits)}
    for pair in comparison.pairs:
        for key, difference in pair.differences.items():
            yield {"part": pair.part, "source": "difference", "name": pair.first, "other": pair.second, "measure": key,
                   "value": _number(difference.difference), **_bounds(difference.ci), "p": _number(difference.p),
                   "over": difference.population, "reason": difference.reason}  # fmt: skip
    for similarity in comparison.cka:
        for key, value in (("cka", similarity.debiased), ("cka_biased", similarity.biased)):
            yield {"source": "cka", "name": similarity.first, "other": similarity.second, "measure": key, "value": _number(value),
                   "n": similarity.n, "reason": similarity.reason}  # fmt: skip


def _number(value: float | None) -> str | None:
    return None if value is None else repr(float(value))


def _share(part: str, digits: str) -> str:
    return f"{float(digits) / 100:.4f}" if part == "probe" else digits


def _bounds(ci: tuple[float, float] | None) -> dict[str, object]:
    return {} if ci is None else {"low": _number(ci[0]), "high": _number(ci[1])}
