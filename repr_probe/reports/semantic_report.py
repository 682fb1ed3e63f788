"""SemanticReport: how far a representation's classes lie to each other as WordNet and language say, with everything needed to repeat it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from repr_probe.metrics.measurement import Measurement
from repr_probe.reports.named_measures import NamedMeasures

if TYPE_CHECKING:
    from repr_probe.reports.semantic_comparison import SemanticComparison

SCHEMA = 1
KIND = "semantic"
_MAPPINGS = ("measures", "p_values", "control", "ceiling", "options", "versions", "provenance", "references")
_TUPLES = ("classes", "pairs", "groups", "left_out", "notes")


@dataclass(frozen=True, eq=False)
class SemanticReport(NamedMeasures):
    """Result of `semantic_report`. `report.spearman_wup` and `report.measures["spearman_wup"]` are the same Measurement.

    measures: key -> Measurement in the order of the definition table.  p_values: key -> p of the Mantel test, or None where there is none.
    classes: one mapping a used class, in the order of their synsets: name, n (images), synset, source, note, and its row's Spearman by
    reference ("row").  pairs: the pairs of classes that representation and reference disagree on most (a, b, kind, representation, reference,
    surprise).  groups: the same Spearman within one WordNet group (name, n_classes, leaves, spearman, p, spearman_strict).
    control: what the split animal / artifact explains.  ceiling: split-half reliability of the representation.
    left_out: classes (or pairs of them) without a part in the numbers, each with the reason.
    centroid_cosine: (K, K) cosines of the class centroids, order of `classes`; references: measure -> (K, K) distances. Neither is in the
    JSON; the cosines are saved as .npz beside it.  leaf_order: positions of the classes in the order of WordNet's leaves.
    comparison: with another checkpoint on the same classes, where one was asked for.
    """

    measures: Mapping[str, Measurement]
    name: str
    n_samples: int
    n_features: int
    n_classes: int
    p_values: Mapping[str, float | None] = field(default_factory=dict)
    classes: tuple[Mapping[str, Any], ...] = ()
    pairs: tuple[Mapping[str, Any], ...] = ()
    groups: tuple[Mapping[str, Any], ...] = ()
    control: Mapping[str, Any] = field(default_factory=dict)
    ceiling: Mapping[str, Any] = field(default_factory=dict)
    left_out: tuple[Mapping[str, Any], ...] = ()
    leaf_order: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    centroid_cosine: np.ndarray | None = None
    references: Mapping[str, np.ndarray] = field(default_factory=dict)
    created: str = ""
    comparison: SemanticComparison | None = None

    def __post_init__(self) -> None:
        for name in _MAPPINGS:
            object.__setattr__(self, name, MappingProxyType(dict(getattr(self, name))))

    @property
    def class_names(self) -> tuple[str, ...]:
        return tuple(str(row["name"]) for row in self.classes)

    def __str__(self) -> str:
        from repr_probe.reports.semantic_formats import to_text

        return to_text(self)

    def __repr__(self) -> str:
        return f"SemanticReport({self.name}: {self.n_classes} classes, {len(self.measures)} measures)"

    def _repr_html_(self) -> str:
        from repr_probe.reports.semantic_html import to_html

        return to_html(self)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready; undefined values are None; holds no matrix."""
        plain = ("name", "n_samples", "n_features", "n_classes")
        return {
            "kind": KIND,
            "schema": SCHEMA,
            **{name: getattr(self, name) for name in plain},
            "measures": {key: measurement.to_dict() for key, measurement in self.measures.items()},
            **{name: dict(getattr(self, name)) for name in ("p_values", "control", "ceiling", "options", "versions", "provenance")},
            "classes": [dict(row) for row in self.classes],
            "pairs": [dict(row) for row in self.pairs],
            "groups": [dict(row) for row in self.groups],
            "left_out": [dict(row) for row in self.left_out],
            "leaf_order": list(self.leaf_order),
            "notes": list(self.notes),
            "created": self.created,
            **({} if self.comparison is None else {"comparison": self.comparison.to_dict()}),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> SemanticReport:
        """The inverse of `to_dict`, but for the matrices."""
        from repr_probe.reports.semantic_comparison import SemanticComparison

        fields = {name: data[name] for name in cls.__dataclass_fields__ if name in data}
        fields["measures"] = {key: Measurement.from_dict(value) for key, value in data["measures"].items()}
        for name in (*_TUPLES, "leaf_order"):
            fields[name] = tuple(data.get(name, ()))
        if fields.get("comparison") is not None:
            fields["comparison"] = SemanticComparison.from_dict(fields["comparison"])
        return cls(**fields)

    def to_json(self) -> str:
        return json.dumps(self.to_dict(), ensure_ascii=False, indent=1, allow_nan=False)

    def to_markdown(self) -> str:
        from repr_probe.reports.semantic_formats import to_markdown

        return to_markdown(self)

    def to_latex(self) -> str:
        from repr_probe.reports.semantic_formats import to_latex

        return to_latex(self)

    def to_csv(self) -> str:
        from repr_probe.reports.semantic_csv import to_csv

        return to_csv(self)

    def save(self, path: str | Path) -> Path:
        """Write by suffix: .json (cosines of the centroids beside it as .npz), .csv, .md, .tex, .txt or .html."""
        from repr_probe.reports.semantic_write import write_semantic

        return write_semantic(self, path)
