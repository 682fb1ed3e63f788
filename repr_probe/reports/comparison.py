"""Comparison: several encoders on the same images, as rows of numbers, their paired differences and their CKA."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from repr_probe.metrics.measurement import Measurement
from repr_probe.metrics.paired import PairedDifference

SCHEMA = 1
KIND = "comparison"
PARTS = ("geometry", "semantic", "probe")  # Tables III, IV and I


@dataclass(frozen=True, eq=False)
class MeasuredRow:
    """The numbers of one encoder for one part. measures: key -> Measurement.  provenance, options: of the report it was taken from."""

    name: str
    measures: Mapping[str, Measurement]
    n_samples: int
    n_classes: int
    class_names: tuple[str, ...] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        plain = {name: getattr(self, name) for name in ("name", "n_samples", "n_classes")}
        measures = {key: one.to_dict() for key, one in self.measures.items()}
        told = {"provenance": dict(self.provenance), "options": dict(self.options), "notes": list(self.notes)}
        return {**plain, "class_names": list(self.class_names), "measures": measures, **told}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> MeasuredRow:
        fields = {name: data[name] for name in cls.__dataclass_fields__ if name in data}
        fields["measures"] = {key: Measurement.from_dict(one) for key, one in data["measures"].items()}
        return cls(**{**fields, "class_names": tuple(data.get("class_names", ())), "notes": tuple(data.get("notes", ()))})


@dataclass(frozen=True, eq=False)
class RowPair:
    """Two rows of one part, measured on the same images. differences: key -> first minus second; empty with a `reason`."""

    part: str
    first: str
    second: str
    differences: Mapping[str, PairedDifference] = field(default_factory=dict)
    reason: str | None = None

    def to_dict(self) -> dict[str, Any]:
        differences = {key: dataclasses.asdict(one) for key, one in self.differences.items()}
        for one in differences.values():
            one["ci"] = None if one["ci"] is None else list(one["ci"])
        return {"part": self.part, "first": self.first, "second": self.second, "differences": differences, "reason": self.reason}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> RowPair:
        fields = PairedDifference.__dataclass_fields__
        known = {key: {name: one[name] for name in fields if name in one} for key, one in data["differences"].items()}
        found = {key: PairedDifference(**{**one, "ci": None if one["ci"] is None else tuple(one["ci"])}) for key, one in known.items()}
        return cls(data["part"], data["first"], data["second"], found, data.get("reason"))


@dataclass(frozen=True)
class CkaPair:
    """Linear CKA of two rows' features: debiased and biased estimate; None with a `reason`. n: images."""

    first: str
    second: str
    debiased: float | None
    biased: float | None
    n: int | None = None
    reason: str | None = None


@dataclass(frozen=True, eq=False)
class Comparison:
    """Result of `compare`.

    names: of the rows, each once.  rows: "geometry", "semantic", "probe" -> one MeasuredRow a name, in their order.
    pairs: paired differences of every two rows.  cka: of every two rows.  notes: what a reader has to know.
    """

    names: tuple[str, ...]
    rows: Mapping[str, tuple[MeasuredRow, ...]]
    pairs: tuple[RowPair, ...] = ()
    cka: tuple[CkaPair, ...] = ()
    notes: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    created: str = ""

    def __post_init__(self) -> None:
        for name in ("rows", "options", "versions"):
            object.__setattr__(self, name, MappingProxyType(dict(getattr(self, name))))

    @property
    def dataset(self) -> str:
        """The data set of all rows; "" where it is unknown."""
        return next((str(row.provenance["dataset"]) for rows in self.rows.values() for row in rows if row.provenance.get("dataset")), "")

    def measures_of(self, name: str) -> dict[str, Measurement]:
        """Every number of one row, of all parts."""
        place = self.names.index(name)
        return {key: one for rows in self.rows.values() for key, one in rows[place].measures.items()}

    def __str__(self) -> str:
        from repr_probe.reports.comparison_formats import to_text

        return to_text(self)

    def __repr__(self) -> str:
        return f"Comparison({', '.join(self.names)}: {', '.join(self.rows)})"

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready; undefined values are None; published rows are never in it."""
        return {
            "kind": KIND,
            "schema": SCHEMA,
            "names": list(self.names),
            "rows": {part: [row.to_dict() for row in rows] for part, rows in self.rows.items()},
            "pairs": [pair.to_dict() for pair in self.pairs],
            "cka": [dataclasses.asdict(pair) for pair in self.cka],
            "notes": list(self.notes),
            "options": dict(self.options),
            "versions": dict(self.versions),
            "created": self.created,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Comparison:
        """The inverse of `to_dict`; fields it does not know are passed over (the schema only grows)."""
        fields = {name: data[name] for name in ("options", "versions", "created") if name in data}
        return cls(
            names=tuple(data["names"]),
            rows={part: tuple(MeasuredRow.from_dict(row) for row in rows) for part, rows in data["rows"].items()},
            pairs=tuple(RowPair.from_dict(pair) for pair in data["pairs"]),
            cka=tuple(CkaPair(**{name: pair[name] for name in CkaPair.__dataclass_fields__ if name in pair}) for pair in data["cka"]),
            notes=tuple(data.get("notes", ())),
            **fields,
        )

    def to_json(self) -> str:
        return json.dumps(self.to_dict(), ensure_ascii=False, indent=1, allow_nan=False)

    def to_markdown(self) -> str:
        from repr_probe.reports.comparison_formats import to_markdown

        return to_markdown(self)

    def to_latex(self) -> str:
        from repr_probe.reports.comparison_formats import to_latex

        return to_latex(self)

    def to_csv(self) -> str:
        from repr_probe.reports.comparison_csv import to_csv

        return to_csv(self)

    def save(self, path: str | Path) -> Path:
        """Write by suffix: .json .csv .md .tex .txt."""
        from repr_probe.reports.comparison_write import write_comparison

        return write_comparison(self, path)
