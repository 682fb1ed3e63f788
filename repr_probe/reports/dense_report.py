"""DenseReport: what linear heads on frozen maps reached on one data set under one protocol, with the lines that give it a scale."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from repr_probe.reports.dense_row import DenseRow

SCHEMA = 1
KIND = "segment"


@dataclass(frozen=True, eq=False)
class DenseReport:
    """Rows of one protocol: the hypercolumn first, then single layers where asked for, then the random and the majority line.

    protocol: solver, input and layers in one id; rows of other protocols do not belong in the same column.
    settings: every number of the run.  n_train, n_test: images.  notes: what a reader has to know.
    """

    name: str
    architecture: str
    dataset: str
    split: str
    protocol: str
    rows: tuple[DenseRow, ...]
    class_names: tuple[str, ...]
    n_train: int
    n_test: int
    settings: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    created: str = ""

    def row(self, kind: str) -> DenseRow:
        """The best row of a kind by mean IoU; KeyError when there is none."""
        found = [row for row in self.rows if row.kind == kind]
        if not found:
            raise KeyError(kind)
        return max(found, key=lambda row: row.measures["mean_iou"])

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; published rows are never in it."""
        facts = ("name", "architecture", "dataset", "split", "protocol", "n_train", "n_test", "created")
        return {
            "kind": KIND,
            "schema": SCHEMA,
            **{fact: getattr(self, fact) for fact in facts},
            "class_names": list(self.class_names),
            "rows": [row.to_dict(self.class_names) for row in self.rows],
            "settings": dict(self.settings),
            "versions": dict(self.versions),
            "notes": list(self.notes),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> DenseReport:
        """The inverse of `to_dict`; unknown fields are passed over. KeyError, TypeError or ValueError for anything else."""
        names = tuple(data["class_names"])
        fields = {name: data[name] for name in cls.__dataclass_fields__ if name in data}
        rows = tuple(DenseRow.from_dict(row, names) for row in data["rows"])
        return cls(**{**fields, "class_names": names, "rows": rows, "notes": tuple(data["notes"])})

    def to_json(self) -> str:
        return json.dumps(self.to_dict(), ensure_ascii=False, indent=1, allow_nan=False)

    def save(self, path: str | Path) -> Path:
        """Write by suffix: .json, .csv, .md, .tex or .txt."""
        from repr_probe.reports.dense_formats import write_dense

        write_dense(self, path)
        return Path(path)

    def __str__(self) -> str:
        from repr_probe.reports.dense_formats import to_text

        return to_text(self)
