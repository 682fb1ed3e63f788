"""A result file back to a SemanticReport."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np

from repr_probe.errors import FileFormatError
from repr_probe.reports.semantic_report import KIND, SCHEMA, SemanticReport
from repr_probe.reports.write import centroids_path


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


def _read_cosines(path: Path, n_classes: int) -> np.ndarray | None:
    if not path.is_file():
        return None
    with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as arrays:
        matrix = arrays["centroid_cosine"]
    return matrix if matrix.shape == (n_classes, n_classes) else None
