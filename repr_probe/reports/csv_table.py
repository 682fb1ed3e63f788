"""Reports as CSV for other programs: one row a report, full precision, bounds of the intervals in columns of their own."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from repr_probe.metrics.definitions import DEFINITIONS
from repr_probe.metrics.measurement import Measurement
from repr_probe.reports.safe_text import printable
from repr_probe.reports.sources import MeasuredReport, PublishedValues

_PROVENANCE = ("checkpoint", "architecture", "layer", "pool", "dataset", "split")


def to_csv(reports: Sequence[MeasuredReport], published: Sequence[PublishedValues] = ()) -> str:
    """Columns: name, source ("measured" or where it was published), provenance, counts, then key, key_low, key_high for each measure, and
    key_se where a value of a report comes from sampled pairs.

    An undefined value is an empty field; a limit is inf or -inf. Angles are in degrees. Lines end with a line feed.
    """
    held = {key for report in reports for key in report.measures}
    keys = [key for key in DEFINITIONS if key in held]
    columns = ["name", "source", *_PROVENANCE, "n_samples", "n_features", "n_classes"]
    sampled = {key for report in reports for key, one in report.measures.items() if one.standard_error is not None}
    columns += [column for key in keys for column in (key, f"{key}_low", f"{key}_high", *([f"{key}_se"] if key in sampled else []))]
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    for report in reports:
        writer.writerow(_report_row(report, keys))
    for row in published:
        printed = {key: digits for key, digits in row.printed.items() if key in keys}
        writer.writerow({"name": row.method, "source": f"published: {row.source}", **printed})
    return text.getvalue()


def _report_row(report: MeasuredReport, keys: Sequence[str]) -> dict[str, object]:
    row: dict[str, object] = {"name": printable(report.name), "source": "measured"}
    origin = {"checkpoint": report.provenance.get("encoder"), **report.provenance}
    row |= {key: printable(origin[key]) for key in _PROVENANCE if origin.get(key) is not None}
    row |= {"n_samples": report.n_samples, "n_features": report.n_features, "n_classes": report.n_classes}
    for key in keys:
        row |= _measure_fields(key, report.measures.get(key))
    return row


def _measure_fields(key: str, measurement: Measurement | None) -> dict[str, object]:
    if measurement is None:
        return {}
    if measurement.value is None:
        return {key: (measurement.degenerate or "").lstrip("+")}
    fields: dict[str, object] = {key: repr(float(measurement.value))}
    if measurement.ci is not None:
        fields |= {f"{key}_low": repr(float(measurement.ci[0])), f"{key}_high": repr(float(measurement.ci[1]))}
    if measurement.standard_error is not None:
        fields[f"{key}_se"] = repr(float(measurement.standard_error))
    return fields
