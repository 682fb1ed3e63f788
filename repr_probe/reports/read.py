"""Result files back to reports."""

from __future__ import annotations

import dataclasses
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from repr_probe.errors import FileFormatError
from repr_probe.reports.geometry_report import SCHEMA, GeometryReport
from repr_probe.reports.write import LIST_KIND, centroids_path

if TYPE_CHECKING:
    from repr_probe.reports.probe_report import ProbeReport

Report = TypeVar("Report")
GEOMETRY, PROBE = "geometry", "probe"
KINDS = (GEOMETRY, LIST_KIND, PROBE)


def read_report(path: str | Path) -> list[GeometryReport] | list[ProbeReport]:
    """The reports of a JSON result file: of `geometry` with their centroid cosines when the .npz lies beside it, or one of `probe`.

    Raises FileFormatError when the file is something else, was cut, or was written by a newer version.
    """
    path = Path(path)
    document = _read_document(path)
    return [_probe_of(document, path)] if document["kind"] == PROBE else _geometry_of(document, path)


def read_geometry(path: str | Path) -> list[GeometryReport]:
    """`read_report` where only reports of `geometry` will do."""
    path = Path(path)
    return _geometry_of(_read_document(path, kinds=(GEOMETRY, LIST_KIND)), path)


def _geometry_of(document: dict[str, Any], path: Path) -> list[GeometryReport]:
    several = document["kind"] == LIST_KIND
    found = document.get("reports") if several else [document]
    if not isinstance(found, list) or not found:
        raise FileFormatError(f"result file must hold a list of reports; got {type(found).__name__} in {path}")
    reports = [_whole(GeometryReport.from_dict, data, path) for data in found]
    return _with_centroids(reports, centroids_path(path))


def _probe_of(document: dict[str, Any], path: Path) -> ProbeReport:
    from repr_probe.reports.probe_report import ProbeReport

    return _whole(ProbeReport.from_dict, document, path)


def _read_document(path: Path, kinds: tuple[str, ...] = KINDS) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"), parse_constant=_no_constant)
    except FileNotFoundError:
        raise FileFormatError(f"result file must exist; got {path}") from None
    except OSError as failure:
        raise FileFormatError(f"result file must be readable; got {failure.strerror!r} at {path}") from failure
    except (ValueError, RecursionError) as failure:
        raise FileFormatError(f"result file must hold JSON; got {path} ({_one_line(failure)})") from None
    kind = document.get("kind") if isinstance(document, dict) else None
    if kind not in kinds:
        *first, last = map(repr, kinds)
        raise FileFormatError(f"result file must be of kind {', '.join(first)} or {last}; got {kind!r} in {path}")
    schema = document.get("schema")
    if not isinstance(schema, int) or schema > SCHEMA:
        raise FileFormatError(f"result file must have schema {SCHEMA} or older; got {schema!r} in {path}; a newer version wrote it")
    return document


def _whole(from_dict: Callable[[Any], Report], data: Any, path: Path) -> Report:
    try:
        return from_dict(data)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as failure:
        reason = f"{type(failure).__name__}: {_one_line(failure)}"
        raise FileFormatError(f"result file must hold whole reports; got {path} ({reason})") from failure


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
