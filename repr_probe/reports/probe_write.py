"""A ProbeReport to a file: the suffix chooses the format; a file is whole or absent."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from repr_probe.errors import UsageError
from repr_probe.files.atomic import atomic_write
from repr_probe.reports.probe_formats import to_csv, to_latex, to_markdown, to_text
from repr_probe.reports.sources import PublishedValues

if TYPE_CHECKING:
    from repr_probe.reports.probe_report import ProbeReport

RENDERERS: Mapping[str, Callable[[ProbeReport, Sequence[PublishedValues]], str]] = {
    ".json": lambda report, published: report.to_json() + "\n",  # published rows are no measures: never in it
    ".csv": to_csv,
    ".md": to_markdown,
    ".tex": to_latex,
    ".txt": lambda report, published: to_text(report, published) + "\n",
}


def check_suffix(path: str | Path) -> str:
    """The suffix of a result file; UsageError when no format goes by it, so that a long run can refuse before it starts."""
    suffix = Path(path).suffix.lower()
    if suffix not in RENDERERS:
        raise UsageError(f"the result file must end in {', '.join(RENDERERS)}; got {str(path)!r}")
    return suffix


def write_probe(report: ProbeReport, path: str | Path, published: Sequence[PublishedValues] = ()) -> Path:
    """Write the report in the format of the suffix; returns the path.

    Raises UsageError for another suffix and StoreError when the place cannot be written.
    """
    path = Path(path).expanduser()
    atomic_write(path, RENDERERS[check_suffix(path)](report, published))
    return path
