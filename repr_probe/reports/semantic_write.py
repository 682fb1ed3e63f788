"""A SemanticReport to a file: the suffix chooses the format; a file is whole or absent."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from repr_probe.errors import UsageError
from repr_probe.files.atomic import atomic_write
from repr_probe.reports.semantic_csv import to_csv
from repr_probe.reports.semantic_formats import to_latex, to_markdown, to_text
from repr_probe.reports.semantic_html import Figure, to_page
from repr_probe.reports.sources import PublishedValues
from repr_probe.reports.write import centroids_path

if TYPE_CHECKING:
    from repr_probe.reports.semantic_report import SemanticReport

Renderer = Callable[[Any, Sequence[PublishedValues], Sequence[Figure]], str]

RENDERERS: Mapping[str, Renderer] = {
    ".json": lambda report, published, figures: report.to_json() + "\n",  # published rows are no measures: never in it
    ".csv": lambda report, published, figures: to_csv(report, published),
    ".md": lambda report, published, figures: to_markdown(report, published),
    ".tex": lambda report, published, figures: to_latex(report, published),
    ".txt": lambda report, published, figures: to_text(report, published) + "\n",
    ".html": to_page,
}


def check_suffix(path: str | Path) -> str:
    """The suffix of a result file; UsageError when no format goes by it, so that a long run can refuse before it starts."""
    suffix = Path(path).suffix.lower()
    if suffix not in RENDERERS:
        raise UsageError(f"the result file must end in {', '.join(RENDERERS)}; got {str(path)!r}")
    return suffix


def write_semantic(report: SemanticReport, path: str | Path, published: Sequence[PublishedValues] = (), figures: Sequence[Figure] = ()) -> Path:
    """Write the report in the format of the suffix; beside a JSON file the cosines go to `<stem>.centroids.npz`. Returns the path.

    figures: (what it shows, PNG), for a page; the other formats hold none.

    Raises UsageError for another suffix and StoreError when the place cannot be written.
    """
    path = Path(path).expanduser()
    suffix = check_suffix(path)
    atomic_write(path, RENDERERS[suffix](report, published, figures))
    if suffix == ".json":
        _write_cosines(report, centroids_path(path))
    return path


def _write_cosines(report: SemanticReport, path: Path) -> None:
    if report.centroid_cosine is None:
        path.unlink(missing_ok=True)  # a matrix left from an earlier run under this name would be read as this run's
        return
    packed = io.BytesIO()
    np.savez_compressed(packed, centroid_cosine=report.centroid_cosine, class_names=np.array(report.class_names, dtype=np.str_))
    atomic_write(path, packed.getvalue())
