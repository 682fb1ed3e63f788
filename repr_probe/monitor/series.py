"""Series: the numbers of one run over its steps, as a training loop or a monitor wrote them down (metrics.jsonl)."""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from repr_probe.errors import FileFormatError, InputError
from repr_probe.files.printable import printable

FILE = "metrics.jsonl"
AXES = ("step", "epoch")  # what a series can be drawn over
_SHOWN = 120  # characters of a line in an error


class Curve(NamedTuple):
    """x: (n,) steps or epochs, rising.  y: (n,) values."""

    x: np.ndarray
    y: np.ndarray


@dataclass(frozen=True)
class Series:
    """name: of the run.  rows: one mapping a record, in the order written: step, perhaps epoch, and numbers by their keys.

    notes: what was left aside while reading.

    >>> series = Series("run", ({"step": 10, "loss": 2.0}, {"step": 20, "loss": 1.0, "knn_top1": 0.5}))
    >>> series.names(), series.curve("loss").y.tolist(), series.last("knn_top1")
    (('loss', 'knn_top1'), [2.0, 1.0], 0.5)
    """

    name: str
    rows: tuple[Mapping[str, Any], ...]
    notes: tuple[str, ...] = ()

    def names(self) -> tuple[str, ...]:
        """Names of the numbers, in the order of their first appearance; steps and epochs are not among them."""
        names = dict.fromkeys(key for row in self.rows for key, value in row.items() if is_number(value))
        return tuple(key for key in names if key not in AXES)

    def curve(self, measure: str, over: str = "step") -> Curve:
        """The values of `measure` over "step" or "epoch"; of several records at one place the last holds.

        Where records of an epoch hold it (its mean, an evaluation), those of single steps (`"kind": "step"`) are passed over.
        Raises InputError when the series has no such number, with the nearest names.
        """
        if over not in AXES:
            raise InputError(f"over must be {' or '.join(AXES)}; got {over!r}")
        held = [row for row in self.rows if is_number(row.get(over)) and is_number(row.get(measure))]
        points = {float(row[over]): float(row[measure]) for row in not_of_steps(held) or held}
        if not points:
            missing = over if measure in self.names() else measure
            near = ", ".join(difflib.get_close_matches(measure, self.names(), n=3) or self.names()[:6]) if missing == measure else "step"
            raise InputError(f"measure must be a number that {self.name} holds; got no {printable(missing)!r}; nearest: {near or 'it holds none'}")
        places = sorted(points)
        return Curve(np.array(places), np.array([points[place] for place in places]))

    def last(self, key: str) -> float | None:
        """The last value of `key`, None where the series has none."""
        return next((float(row[key]) for row in reversed(self.rows) if is_number(row.get(key))), None)


def read_series(path: str | Path, *, name: str | None = None) -> Series:
    """The series in a metrics.jsonl, or in the folder of a run that holds one.

    A last line that was cut (a run that is being written, or was killed) is left aside and noted; so are lines of nothing.
    Raises FileFormatError for a file that is missing, holds no record, or has another line that is no JSON object, with its number.
    """
    path = Path(path)
    file = path / FILE if path.is_dir() else path
    try:
        text = file.read_text(encoding="utf-8", errors="replace")
    except OSError as failure:
        raise FileFormatError(f"{file} must be a readable {FILE}; got {failure.strerror!r}", code="E_JSON") from None
    lines = [(number, line) for number, line in enumerate(text.splitlines(), start=1) if line.strip()]
    rows: list[Mapping[str, Any]] = []
    notes: list[str] = []
    for number, line in lines:
        record = _record(line)
        if record is not None:
            rows.append(record)
        elif number == lines[-1][0] and not text.endswith("\n"):
            notes.append(f"the last line of {file.name} is cut and was left aside")
        else:
            got = printable(line, limit=_SHOWN)
            raise FileFormatError(f"{file} must hold one JSON object a line; got {got!r} in line {number}", code="E_JSON")
    if not rows:
        raise FileFormatError(f"{file} must hold at least one record; got none", code="E_JSON")
    return Series(name or (file.parent.name if file.name == FILE else file.stem), tuple(rows), tuple(notes))


def not_of_steps(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Records of epochs and evaluations; [] where every one is of a single step."""
    return [row for row in rows if row.get("kind") != "step"]


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def common_names(series: Sequence[Series]) -> tuple[str, ...]:
    """Names that any of the series has, in the order of their first appearance."""
    return tuple(dict.fromkeys(key for one in series for key in one.names()))


def _record(line: str) -> dict[str, Any] | None:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else None
