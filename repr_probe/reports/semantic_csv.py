"""A SemanticReport as CSV for other programs: one row, full precision; the published rows below it."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

from repr_probe.reports.safe_text import printable
from repr_probe.reports.sources import PublishedValues

if TYPE_CHECKING:
    from repr_probe.reports.semantic_report import SemanticReport

_PROVENANCE = ("checkpoint", "architecture", "layer", "pool", "dataset", "split")
_OPTIONS = ("source", "linkage", "permutations", "seed", "wordnet", "text_model", "template")


def to_csv(report: SemanticReport, published: Sequence[PublishedValues] = ()) -> str:
    """Columns: name, origin ("measured" or where it was published), provenance, options, counts, then key, key_low, key_high, key_p for each
    measure, and beside another checkpoint its name as `against` with key_against, key_difference, key_difference_low, ..._high and ..._p.
    An undefined value is an empty field. Lines end with a line feed.
    """
    columns = ["name", "origin", *_PROVENANCE, *_OPTIONS, "n_samples", "n_features", "n_classes"]
    columns += [column for key in report.measures for column in (key, f"{key}_low", f"{key}_high", f"{key}_p")]
    compared = report.comparison.differences if report.comparison is not None else ()
    columns += ["against"] if report.comparison is not None else []
    columns += [f"{key}_{what}" for key in compared for what in ("against", "difference", "difference_low", "difference_high", "difference_p")]
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerow(_row(report))
    for row in published:
        printed = {key: digits for key, digits in row.printed.items() if key in report.measures}
        writer.writerow({"name": row.method, "origin": f"published: {row.source}", **printed})
    return text.getvalue()


def _row(report: SemanticReport) -> dict[str, object]:
    row: dict[str, object] = {"name": printable(report.name), "origin": "measured"}
    provenance = {"checkpoint": report.provenance.get("encoder"), **report.provenance}
    for names, known in ((_PROVENANCE, provenance), (_OPTIONS, report.options)):
        row |= {name: printable(known[name]) for name in names if known.get(name) is not None}
    row |= {"n_samples": report.n_samples, "n_features": report.n_features, "n_classes": report.n_classes}
    for key, measurement in report.measures.items():
        if measurement.value is None:
            continue
        row[key] = repr(float(measurement.value))
        if measurement.ci is not None:
            row |= {f"{key}_low": repr(float(measurement.ci[0])), f"{key}_high": repr(float(measurement.ci[1]))}
        if report.p_values.get(key) is not None:
            row[f"{key}_p"] = repr(report.p_values[key])
    return row | _compared(report)


def _compared(report: SemanticReport) -> dict[str, object]:
    """What the comparison with another checkpoint adds to the row."""
    if report.comparison is None:
        return {}
    row: dict[str, object] = {"against": printable(report.comparison.names[1])}
    for key, one in report.comparison.differences.items():
        row |= {f"{key}_against": repr(float(one.b)), f"{key}_difference": repr(float(one.difference))}
        if one.ci is not None:
            row |= {f"{key}_difference_low": repr(float(one.ci[0])), f"{key}_difference_high": repr(float(one.ci[1]))}
        if one.p is not None:
            row[f"{key}_difference_p"] = repr(float(one.p))
    return row
