"""GeometryReport: the numbers of one matrix of features, with everything needed to read and repeat them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from repr_probe.metrics.measurement import Measurement
from repr_probe.reports.named_measures import NamedMeasures

SCHEMA = 1


@dataclass(frozen=True, eq=False)
class GeometryReport(NamedMeasures):
    """Result of `geometry_report`. `report.d_prime` and `report.measures["d_prime"]` are the same Measurement.

    measures: key -> Measurement in the order of the definition table.  counts: rows dropped, zero rows, singleton classes and so on.
    histograms: "all", "positive", "negative" -> (3600,) int64 counts of angles in bins of 0.05 degrees.
    classes: one mapping a class: name, n, positive_angle_mean, nearest, nearest_angle (angles of centroids, degrees).
    centroid_cosine: (n_classes, n_classes) cosines of class centroids, or None above 2,000 classes; saved as .npz beside the JSON.
    identity_failures: exact identities that the numbers break (always empty unless something is wrong).
    """

    measures: Mapping[str, Measurement]
    name: str
    n_samples: int
    n_features: int
    n_classes: int
    counts: Mapping[str, int | None] = field(default_factory=dict)
    flags: Mapping[str, bool] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    identity_failures: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    class_names: tuple[str, ...] = ()
    histograms: Mapping[str, np.ndarray] = field(default_factory=dict)
    classes: tuple[Mapping[str, Any], ...] = ()
    centroid_cosine: np.ndarray | None = None
    created: str = ""

    def __post_init__(self) -> None:
        for name in ("measures", "counts", "flags", "options", "versions", "provenance", "histograms"):
            object.__setattr__(self, name, MappingProxyType(dict(getattr(self, name))))

    def __str__(self) -> str:
        from repr_probe.reports.text import to_text

        return to_text([self])

    def __repr__(self) -> str:
        return f"GeometryReport({self.name}: {self.n_samples} x {self.n_features}, {len(self.measures)} measures)"

    def _repr_html_(self) -> str:
        from repr_probe.reports.html import to_html

        return to_html([self])

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready; undefined values are None; holds neither features nor the centroid matrix."""
        return {
            "kind": "geometry",
            "schema": SCHEMA,
            "name": self.name,
            "n_samples": self.n_samples,
            "n_features": self.n_features,
            "n_classes": self.n_classes,
            "measures": {key: measurement.to_dict() for key, measurement in self.measures.items()},
            "counts": dict(self.counts),
            "flags": dict(self.flags),
            "notes": list(self.notes),
            "identity_failures": list(self.identity_failures),
            "options": dict(self.options),
            "versions": dict(self.versions),
            "provenance": dict(self.provenance),
            "class_names": list(self.class_names),
            "histograms": {name: counts.tolist() for name, counts in self.histograms.items()},
            "classes": [dict(row) for row in self.classes],
            "created": self.created,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> GeometryReport:
        """The inverse of `to_dict`, but for the centroid matrix."""
        fields = {name: data[name] for name in cls.__dataclass_fields__ if name in data}
        fields["measures"] = {key: Measurement.from_dict(value) for key, value in data["measures"].items()}
        fields["histograms"] = {name: np.asarray(counts, dtype=np.int64) for name, counts in data.get("histograms", {}).items()}
        for name in ("notes", "identity_failures", "class_names", "classes"):
            fields[name] = tuple(data.get(name, ()))
        return cls(**fields)

    def to_json(self) -> str:
        return json.dumps(self.to_dict(), ensure_ascii=False, indent=1, allow_nan=False)

    def to_markdown(self) -> str:
        from repr_probe.reports.markdown import to_markdown

        return to_markdown([self])

    def to_latex(self) -> str:
        from repr_probe.reports.latex import to_latex

        return to_latex([self])

    def to_csv(self) -> str:
        from repr_probe.reports.csv_table import to_csv

        return to_csv([self])

    def save(self, path: str | Path) -> Path:
        """Write by suffix: .json (centroid matrix beside it as .npz), .csv, .md, .tex, .txt or .html."""
        from repr_probe.reports.write import write_reports

        return write_reports([self], path)
