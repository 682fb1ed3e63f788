"""A result file back to a SemanticReport."""

from __future__ import annotations

from pathlib import Path

from repr_probe.reports.read import READERS, read_report
from repr_probe.reports.semantic_report import KIND, SemanticReport


def read_semantic(path: str | Path) -> SemanticReport:
    """`read_report` where only a report of `semantic` will do; with its cosines when the .npz lies beside it."""
    (report,) = read_report(path, {KIND: READERS[KIND]})
    return report
