"""Reports to files: the suffix chooses the format; a file is whole or absent."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from repr_probe.errors import UsageError
from repr_probe.files.atomic import atomic_write
from repr_probe.reports.csv_table import to_csv
from repr_probe.reports.html import to_page
from repr_probe.reports.latex import to_latex
from repr_probe.reports.markdown import to_markdown
from repr_probe.reports.sources import MeasuredReport, PublishedValues
from repr_probe.reports.text import to_text

Renderer = Callable[[Sequence[MeasuredReport], Sequence[PublishedValues]], str]

LIST_KIND = "geometry-list"


def to_json(reports: Sequence[MeasuredReport], published: Sequence[PublishedValues] = ()) -> str:
    """One report: its own object; several: `{"kind": "geometry-list", "schema": 1, "reports": [...]}`. Published rows are never in it."""
    if len(reports) == 1:
        return reports[0].to_json() + "\n"
    every = [report.to_dict() for report in reports]
    document = {"kind": LIST_KIND, "schema": every[0]["schema"], "reports": every}
    return json.dumps(document, ensure_ascii=False, indent=1, allow_nan=False) + "\n"


RENDERERS: Mapping[str, Renderer] = {
    ".json": to_json,
    ".csv": to_csv,
    ".md": to_markdown,
    ".tex": to_latex,
    ".txt": lambda reports, published: to_text(reports, published) + "\n",
    ".html": to_page,
}


def check_suffix(path: str | Path) -> str:
    """The suffix of a result file, in small letters.

    Raises UsageError when no format goes by it; so a long run can refuse before it starts.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in RENDERERS:
        raise UsageError(f"the result file must end in {', '.join(RENDERERS)}; got {str(path)!r}")
    return suffix


def write_reports(reports: Sequence[MeasuredReport], path: str | Path, published: Sequence[PublishedValues] = ()) -> Path:
    """Write all reports into one file in the format of its suffix: .json .csv .md .tex .txt .html; returns the path.

    Beside a JSON file the centroid cosines go to `<stem>.centroids.npz`: `centroid_cosine` and `class_names` for one report,
    `centroid_cosine_0`, `class_names_0`, ... for several.

    Raises UsageError for another suffix and StoreError when the place cannot be written.
    """
    path = Path(path).expanduser()
    suffix = check_suffix(path)
    atomic_write(path, RENDERERS[suffix](reports, published))
    if suffix == ".json":
        _write_centroids(reports, centroids_path(path))
    return path


def centroids_path(path: str | Path) -> Path:
    """Where the centroid cosines of a JSON result file lie.

    >>> centroids_path("runs/resnet50.json").as_posix()
    'runs/resnet50.centroids.npz'
    """
    return Path(path).with_suffix(".centroids.npz")


def _write_centroids(reports: Sequence[MeasuredReport], path: Path) -> None:
    arrays: dict[str, Any] = {}
    for place, report in enumerate(reports):
        if report.centroid_cosine is not None:
            end = "" if len(reports) == 1 else f"_{place}"
            arrays[f"centroid_cosine{end}"] = report.centroid_cosine
            arrays[f"class_names{end}"] = np.array(report.class_names, dtype=np.str_)
    if not arrays:
        # A matrix left from an earlier run under this name would be read as this run's.
        path.unlink(missing_ok=True)
        return
    packed = io.BytesIO()
    np.savez_compressed(packed, **arrays)
    atomic_write(path, packed.getvalue())
