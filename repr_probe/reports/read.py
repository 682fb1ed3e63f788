"""Result files back to reports: the kinds that numbers alone make. `repr_probe.workflows.read_report` adds those of maps, runs and pages."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from repr_probe.errors import FileFormatError
from repr_probe.reports import comparison, dense_report, geometry_report, map_summary, probe_report, semantic_comparison, semantic_report
from repr_probe.reports.document import read_document, whole
from repr_probe.reports.geometry_report import GeometryReport
from repr_probe.reports.write import LIST_KIND, centroids_path


class Reader(NamedTuple):
    """How one kind is read. schema: the newest that is known.  reports: (document, its path) -> the reports it holds."""

    schema: int
    reports: Callable[[dict[str, Any], Path], list[Any]]


def read_report(path: str | Path, readers: Mapping[str, Reader] | None = None) -> list[Any]:
    """The reports of a JSON result file: several of `geometry-list`, otherwise one; with the centroid cosines where their .npz lies beside it.

    readers: the kinds that will do; default READERS.
    Raises FileFormatError, one line, when the file is something else, was cut, or was written by a newer version.
    """
    readers = READERS if readers is None else readers
    document = read_document(path, {kind: reader.schema for kind, reader in readers.items()})
    return readers[document["kind"]].reports(document, Path(path))


def read_geometry(path: str | Path) -> list[GeometryReport]:
    """`read_report` where only reports of `geometry` will do."""
    return read_report(path, {kind: READERS[kind] for kind in ("geometry", LIST_KIND)})


def one(from_dict: Callable[[Any], Any]) -> Callable[[dict[str, Any], Path], list[Any]]:
    """A reader of documents that hold one report."""
    return lambda document, path: [whole(from_dict, document, path)]


def _geometry(document: dict[str, Any], path: Path) -> list[GeometryReport]:
    several = document["kind"] == LIST_KIND
    found = document.get("reports") if several else [document]
    if not isinstance(found, list) or not found:
        raise FileFormatError(f"result file must hold a list of reports; got {type(found).__name__} in {path}")
    reports = [whole(GeometryReport.from_dict, data, path) for data in found]
    names = ["centroid_cosine"] if len(reports) == 1 else [f"centroid_cosine_{place}" for place in range(len(reports))]
    matrices = _cosines(centroids_path(path), names)
    return [dataclasses.replace(report, centroid_cosine=matrices.get(name)) for report, name in zip(reports, names, strict=True)]


def _semantic(document: dict[str, Any], path: Path) -> list[semantic_report.SemanticReport]:
    report = whole(semantic_report.SemanticReport.from_dict, document, path)
    matrix = _cosines(centroids_path(path), ["centroid_cosine"]).get("centroid_cosine")
    fits = matrix is not None and matrix.shape == (len(report.classes), len(report.classes))
    return [dataclasses.replace(report, centroid_cosine=matrix if fits else None)]


def _cosines(path: Path, names: list[str]) -> dict[str, np.ndarray]:
    """The matrices of a centroid file; {} without one."""
    if not path.is_file():
        return {}
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as arrays:
            return {name: arrays[name] for name in names if name in arrays}
    except Exception as failure:
        reason = " ".join(str(failure).split())
        raise FileFormatError(f"centroid file must be a whole .npz file; got {path} ({reason}); delete it to go without") from failure


READERS: dict[str, Reader] = {
    "geometry": Reader(geometry_report.SCHEMA, _geometry),
    LIST_KIND: Reader(geometry_report.SCHEMA, _geometry),
    semantic_report.KIND: Reader(semantic_report.SCHEMA, _semantic),
    semantic_comparison.KIND: Reader(semantic_comparison.SCHEMA, one(semantic_comparison.SemanticComparison.from_dict)),
    "probe": Reader(probe_report.SCHEMA, one(probe_report.ProbeReport.from_dict)),
    comparison.KIND: Reader(comparison.SCHEMA, one(comparison.Comparison.from_dict)),
    dense_report.KIND: Reader(dense_report.SCHEMA, one(dense_report.DenseReport.from_dict)),
    **dict.fromkeys(map_summary.KINDS, Reader(map_summary.SCHEMA, one(map_summary.MapSummary.from_dict))),
}
"""Kind -> its reader, in the order of docs/json.md."""
