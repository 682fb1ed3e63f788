"""Series as a table for people, and as JSON or CSV for programs."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path

from repr_probe.errors import UsageError
from repr_probe.files.atomic import atomic_write
from repr_probe.metrics.definitions import DEFINITIONS
from repr_probe.monitor.series import AXES, Series, common_names, is_number, not_of_steps

SCHEMA = 1
KIND = "dynamics"
SUFFIXES = (".json", ".csv")
# What a table on a terminal shows, in this order, of what there is; files hold everything.
SHOWN = ("loss", "mutual_information", "knn_top1", "linear_top1", "anisotropy", "feature_correlation", "center_vector_norm", "centroid_rank",
         "effective_rank", "d_prime", "angle_all_mean", "angle_positive_mean", "monitor_seconds")  # fmt: skip
_HEADS = {"mutual_information": "MI", "knn_top1": "kNN %", "linear_top1": "linear %", "effective_rank": "rank", "centroid_rank": "centroid rank",
          "angle_all_mean": "angle all", "angle_positive_mean": "angle same", "monitor_seconds": "seconds"}  # fmt: skip
PERCENT = ("knn_top1", "linear_top1")


def to_rows(series: Sequence[Series], keys: Sequence[str] | None = None) -> list[list[str]]:
    """Head and rows of texts: run (where there are several), step, epoch, then `keys` (default: the well-known ones that are there).

    Records without any of the keys are left out, and those of single steps where there are others; an empty text stands for no number.
    """
    held = common_names(series)
    chosen = [key for key in SHOWN if key in held] or list(held[:8]) if keys is None else list(keys)
    axes = [axis for axis in AXES if any(is_number(row.get(axis)) for one in series for row in one.rows)]
    head = [*(["run"] if len(series) > 1 else []), *axes, *map(column_head, chosen)]
    rows = [
        [*([one.name] if len(series) > 1 else []), *(_place(row.get(axis)) for axis in axes), *(shown(key, row.get(key)) for key in chosen)]
        for one in series
        for row in not_of_steps(one.rows) or one.rows
        if any(is_number(row.get(key)) for key in chosen)
    ]
    return [head, *rows]


def column_head(key: str) -> str:
    """How a column of a table is called.

    >>> column_head("knn_top1"), column_head("center_vector_norm"), column_head("h_global")
    ('kNN %', 'CVN', 'h_global')
    """
    return _HEADS.get(key) or (DEFINITIONS[key].symbol if key in DEFINITIONS else key)


def shown(key: str, value: object) -> str:
    """A number with the decimals that its key has in reports.

    >>> shown("knn_top1", 0.98765), shown("effective_rank", 41.27), shown("loss", 0.51234), shown("loss", None)
    ('98.8', '41.3', '0.5123', '')
    """
    if not is_number(value):
        return ""
    number = float(value)  # type: ignore[arg-type]
    if key in PERCENT:
        return f"{100 * number:.1f}"
    if key.endswith("_seconds"):
        return f"{number:.2f}"
    return f"{number:.{DEFINITIONS[key].digits}f}" if key in DEFINITIONS else f"{number:.4f}"


def to_json(series: Sequence[Series]) -> str:
    """`{"kind": "dynamics", "schema": 1, "series": [{"name", "rows", "notes"}]}`; numbers that are not finite are null."""
    listed = [{"name": one.name, "rows": [_plain(row) for row in one.rows], "notes": list(one.notes)} for one in series]
    return json.dumps({"kind": KIND, "schema": SCHEMA, "series": listed}, ensure_ascii=False, indent=1, allow_nan=False) + "\n"


def to_csv(series: Sequence[Series]) -> str:
    """One row a record, full precision: run, step, epoch, other texts, then every number; an empty field where there is none."""
    columns = list(dict.fromkeys(["run", *AXES, *(key for one in series for row in one.rows for key in row)]))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    for one in series:
        for row in one.rows:
            writer.writerow({"run": one.name, **{key: "" if value is None else value for key, value in _plain(row).items()}})
    return text.getvalue()


def write_series(series: Sequence[Series], path: str | Path) -> Path:
    """Write every record into one file, whole or absent, as JSON or CSV by its suffix; UsageError for another one."""
    path = Path(path).expanduser()
    atomic_write(path, {".json": to_json, ".csv": to_csv}[check_suffix(path)](series))
    return path


def check_suffix(path: str | Path) -> str:
    """The suffix of a file for series; UsageError for one that is not written, so that a long run can refuse before it starts."""
    suffix = Path(path).suffix.lower()
    if suffix not in SUFFIXES:
        raise UsageError(f"the series file must end in {' or '.join(SUFFIXES)}; got {str(path)!r}")
    return suffix


def _plain(row: object) -> dict[str, object]:
    return {key: None if isinstance(value, float) and not is_number(value) else value for key, value in dict(row).items()}  # type: ignore[call-overload]


def _place(value: object) -> str:
    return f"{value:g}" if is_number(value) and not isinstance(value, int) else f"{value}" if is_number(value) else ""
