"""Reports to files and back: the suffix chooses the format; a file is whole or absent."""

from __future__ import annotations

import dataclasses
import io
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from repr_probe.errors import FileFormatError, UsageError
from repr_probe.files.atomic import atomic_write
from repr_probe.reports.csv_table import to_csv
from repr_probe.reports.geometry_report import SCHEMA, GeometryReport
from repr_probe.reports.html import to_page
from repr_probe.reports.latex import to_latex
from repr_probe.reports.markdown import to_markdown
from repr_probe.reports.table import PublishedValues
from repr_probe.reports.text import to_text

Renderer = Callable[[Sequence[GeometryReport], Sequence[PublishedValues]], str]

_LIST_KIND = "geometry-list"


def to_json(reports: Sequence[GeometryReport], published: Sequence[PublishedValues] = ()) -> str:
    """One report: its own object; several: `{"kind": "geometry-list", "schema": 1, "reports": [...]}`. Published rows are never in it."""
    if len(reports) == 1:
        return reports[0].to_json() + "\n"
    document = {"kind": _LIST_KIND, "schema": SCHEMA, "reports": [report.to_dict() for report in reports]}
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


def write_reports(reports: Sequence[GeometryReport], path: str | Path, published: Sequence[PublishedValues] = ()) -> Path:
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


def read_report(path: str | Path) -> list[GeometryReport]:
    """The reports of a JSON result file, with their centroid cosines when the .npz lies beside it.

    Raises FileFormatError when the file is something else, was cut, or was written by a newer version.
    """
    path = Path(path)
    document = _read_document(path)
    several = document.get("kind") == _LIST_KIND
    found = document.get("reports") if several else [document]
    if not isinstance(found, list) or not found:
        raise FileFormatError(f"result file must hold a list of reports; got {type(found).__name__} in {path}")
    reports = [_report_of(data, path) for data in found]
    return _with_centroids(reports, centroids_path(path))


def centroids_path(path: str | Path) -> Path:
    """Where the centroid cosines of a JSON result file lie.

    >>> centroids_path("runs/resnet50.json").as_posix()
    'runs/resnet50.centroids.npz'
    """
    return Path(path).with_suffix(".centroids.npz")


def _read_document(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"), parse_constant=_no_constant)
    except FileNotFoundError:
        raise FileFormatError(f"result file must exist; got {path}") from None
    except OSError as failure:
        raise FileFormatError(f"result file must be readable; got {failure.strerror!r} at {path}") from failure
    except (ValueError, RecursionError) as failure:
        raise FileFormatError(f"result file must hold JSON; got {path} ({_one_line(failure)})") from None
    kind = document.get("kind") if isinstance(document, dict) else None
    if kind not in ("geometry", _LIST_KIND):
        raise FileFormatError(f"result file must be of kind 'geometry' or '{_LIST_KIND}'; got {kind!r} in {path}")
    schema = document.get("schema")
    if not isinstance(schema, int) or schema > SCHEMA:
        raise FileFormatError(f"result file must have schema {SCHEMA} or older; got {schema!r} in {path}; a newer version wrote it")
    return document


def _report_of(data: Any, path: Path) -> GeometryReport:
    try:
        return GeometryReport.from_dict(data)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as failure:
        reason = f"{type(failure).__name__}: {_one_line(failure)}"
        raise FileFormatError(f"result file must hold whole reports; got {path} ({reason})") from failure


def _write_centroids(reports: Sequence[GeometryReport], path: Path) -> None:
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


def _with_centroids(reports: list[GeometryReport], path: Path) -> list[GeometryReport]:
    if not path.is_file():
        return reports
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as arrays:
            names = ["centroid_cosine"] if len(reports) == 1 else [f"centroid_cosine_{place}" for place in range(len(reports))]
            matrices = [arrays.get(name) for name in names]
    except Exception as failure:
        reason = _one_line(failure)
        raise FileFormatError(f"centroid file must be a whole .npz file; got {path} ({reason}); delete it to go without") from failure
    return [dataclasses.replace(report, centroid_cosine=matrix) for report, matrix in zip(reports, matrices, strict=True)]


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number")


def _one_line(failure: BaseException) -> str:
    return " ".join(str(failure).split())
