"""Two representations of the same classes against the same references: is the difference more than which classes happened to be there?"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from repr_probe.errors import InputError, UndefinedMeasure
from repr_probe.files.printable import listed
from repr_probe.metrics.matrix_alignment import Difference, compare
from repr_probe.reports.safe_text import cells, pad, printable
from repr_probe.reports.semantic_definitions import DEFINITIONS
from repr_probe.reports.semantic_layout import comparison_section
from repr_probe.reports.semantic_shared import agreeing, alone, shared_classes, worded_otherwise

if TYPE_CHECKING:
    from repr_probe.reports.semantic_report import SemanticReport

SCHEMA = 1
KIND = "semantic-comparison"


@dataclass(frozen=True, eq=False)
class SemanticComparison:
    """differences: key -> Difference (a, b, a - b, 95 % interval over classes, two-sided p by the jackknife); None with a reason where undefined.

    names: of a and b.  n_classes: the classes that both have.  provenance: where the features of b came from.
    notes: which classes were left out, and why.
    """

    names: tuple[str, str]
    n_classes: int
    differences: Mapping[str, Difference]
    provenance: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("differences", "provenance"):
            object.__setattr__(self, name, MappingProxyType(dict(getattr(self, name))))

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (self.names, self.n_classes, dict(self.differences), dict(self.provenance), self.notes)

    def __str__(self) -> str:
        section = comparison_section(self)
        widths = [max(cells(row[place]) for row in (section.heads, *section.rows)) for place in range(len(section.heads))]
        lines = [f"{printable(self.names[0])} {section.title}"]
        for row in (section.heads, *section.rows):
            lines.append("  ".join(pad(cell, width, right=place > 0) for place, (cell, width) in enumerate(zip(row, widths))))
        return "\n".join([*lines, *(f"  - {text}" for text in section.items)])

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "kind": KIND,
            "schema": SCHEMA,
            "names": list(self.names),
            "n_classes": self.n_classes,
            "notes": list(self.notes),
            "provenance": dict(self.provenance),
            "differences": {
                key: {**dataclasses.asdict(one), "ci": None if one.ci is None else list(one.ci)} for key, one in self.differences.items()
            },
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> SemanticComparison:
        """The inverse of `to_dict`."""
        one, other = data["names"]
        fields = Difference.__dataclass_fields__
        known = {key: {name: row[name] for name in fields if name in row} for key, row in data["differences"].items()}
        found = {key: Difference(**{**row, "ci": None if row["ci"] is None else tuple(row["ci"])}) for key, row in known.items()}
        return cls((str(one), str(other)), int(data["n_classes"]), found, data.get("provenance", {}), tuple(data.get("notes", ())))


def _rebuild(*fields: Any) -> SemanticComparison:
    return SemanticComparison(*fields)


def compare_semantic(a: SemanticReport, b: SemanticReport) -> SemanticComparison:
    """Spearman and Pearson of `a` minus those of `b`, for every reference that both have, over the classes that both have.

    Classes are matched by synset and name; each is left out of both at once, so what makes a class hard for both cancels. Classes that only
    one has, and of the text those that the two word otherwise (a namesake among the others), are left out; `notes` names them.
    Raises InputError for reports without their matrices (read from JSON), with other references (another text model, template or WordNet),
    or with fewer than three classes in common (E_CLASSES).
    """
    for report in (a, b):
        if report.centroid_cosine is None or not report.references:
            raise InputError(f"reports to compare must hold their matrices; got {report.name!r} read from a file; compare where they were made")
    if "text" in a.references and "text" in b.references:
        for option in ("text_model", "template"):
            if a.options.get(option) != b.options.get(option):
                raise InputError(f"reports to compare must have one {option}; got {a.options.get(option)!r} and {b.options.get(option)!r}")
    first, second = shared_classes(a, b)
    if len(first) < 3:
        got = f"{len(first)} of {listed(a.class_names)} and {listed(b.class_names)}"
        raise InputError(f"reports to compare must share 3 classes; got {got}", code="E_CLASSES")
    distances = [1.0 - _part(np.asarray(report.centroid_cosine), places) for report, places in ((a, first), (b, second))]
    notes = [*alone(a, first), *alone(b, second)]
    found: dict[str, Difference] = {}
    for name in [name for name in a.references if name in b.references]:
        reference, other = _part(a.references[name], first), _part(b.references[name], second)
        alike = _alike(name, reference, other)
        if len(alike) < len(first):
            notes.append(worded_otherwise([a.class_names[first[place]] for place in np.setdiff1d(np.arange(len(first)), alike)]))
        reference = _part(reference, alike)
        keep = np.isfinite(reference) if name == "text" else _apart(a, first)
        try:
            pair = compare(_part(distances[0], alike), _part(distances[1], alike), reference, keep=keep)
        except UndefinedMeasure:
            continue
        found |= {f"spearman_{name}": pair.spearman, f"pearson_{name}": pair.pearson}
    if not found:
        raise InputError("reports to compare must share a reference that tells classes apart; got none", code="E_CONSTANT")
    ordered = {key: found[key] for key in DEFINITIONS if key in found}
    return SemanticComparison((a.name, b.name), len(first), ordered, b.provenance, tuple(notes))


def _alike(name: str, reference: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Positions of the classes of which the two say the same: all, or for the text most of them."""
    places = agreeing(reference, other)
    if len(places) < len(reference) and (name != "text" or 2 * len(places) < len(reference)):
        told = "measure both with one WordNet and one text model"
        raise InputError(f"reports to compare must have the same references; got two that differ in {name}; {told}")
    return places


def _part(matrix: np.ndarray, places: np.ndarray) -> np.ndarray:
    return matrix[np.ix_(places, places)]


def _apart(report: SemanticReport, places: np.ndarray) -> np.ndarray:
    """(K, K) bool: pairs of classes on different synsets, or on new leaves below one."""
    rows = [report.classes[place] for place in places]
    names = np.array([f"{row['synset']}#{number}" if row.get("new_leaf") else str(row["synset"]) for number, row in enumerate(rows)])
    return names[:, None] != names[None, :]
