"""A SemanticReport to a file and back: the suffix chooses the format; a file is whole or absent."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from repr_probe.errors import FileFormatError, UsageError
from repr_probe.files.atomic import atomic_write
from repr_probe.reports.semantic_csv import to_csv
from repr_probe.reports.semantic_formats import to_latex, to_markdown, to_text
from repr_probe.reports.semantic_report import KIND, SCHEMA, SemanticReport
from repr_probe.reports.sources import PublishedValues
from repr_probe.reports.write import centroids_path

Renderer = Callable[[SemanticReport, Sequence[PublishedValues]], str]

RENDERERS: Mapping[str, Renderer] = {
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


def write_semantic(report: SemanticReport, path: str | Path, published: Sequence[PublishedValues] = ()) -> Path:
    """Write the report in the format of the suffix; beside a JSON file the cosines go to `<stem>.centroids.npz`. Returns the path.

    Raises UsageError for another suffix and StoreError when the place cannot be written.
    """
    path = Path(path).expanduser()
    suffix = check_suffix(path)
    atomic_write(path, RENDERERS[suffix](report, published))
    if suffix == ".json":
        _write_cosines(report, centroids_path(path))
    return path


def read_semantic(path: str | Path) -> SemanticReport:
    """The report of a JSON result file, with its cosines when the .npz lies beside it.

    Raises FileFormatError when the file is something else, was cut, or was written by a newer version.
    """
    path = Path(path)
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as failure:
        raise FileFormatError(f"result file must be readable JSON; got {path} ({type(failure).__name__})") from None
    kind = data.get("kind") if isinstance(data, dict) else None
    if kind != KIND:
        raise FileFormatError(f"result file must be of kind {KIND!r}; got {kind!r} in {path}")
    if not isinstance(data.get("schema"), int) or data["schema"] > SCHEMA:
        raise FileFormatError(f"result file must have schema {SCHEMA} or older; got {data.get('schema')!r} in {path}; a newer version wrote it")
    try:
        fields = {**data, "centroid_cosine": _read_cosines(centroids_path(path), len(data["classes"]))}
        return SemanticReport.from_dict(fields)
    except (KeyError, TypeError, ValueError, AttributeError) as failure:
        raise FileFormatError(f"result file must hold a whole report; got {path} ({type(failure).__name__})") from failure


def _write_cosines(report: SemanticReport, path: Path) -> None:
    if report.centroid_cosine is None:
        path.unlink(missing_ok=True)  # a matrix left from an earlier run under this name would be read as this run's
        return
    packed = io.BytesIO()
    np.savez_compressed(packed, centroid_cosine=report.centroid_cosine, class_names=np.array(report.class_names, dtype=np.str_))
    atomic_write(path, packed.getvalue())


def _read_cosines(path: Path, n_classes: int) -> np.ndarray | None:
    if not path.is_file():
        return None
    with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as arrays:
        matrix = arrays["centroid_cosine"]
    return matrix if matrix.shape == (n_classes, n_classes) else None
