"""Two representations of the same classes against the same references: is the difference more than which classes happened to be there?"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from repr_probe.errors import InputError, UndefinedMeasure
from repr_probe.files.printable import listed
from repr_probe.metrics.matrix_alignment import Difference, compare
from repr_probe.reports.safe_text import pad, printable
from repr_probe.reports.semantic_definitions import DEFINITIONS
from repr_probe.reports.semantic_layout import number, p_text
from repr_probe.reports.semantic_report import SemanticReport


@dataclass(frozen=True, eq=False)
class SemanticComparison:
    """differences: key -> Difference (a, b, a - b, 95 % interval over classes, two-sided p by the jackknife); None with a reason where undefined.

    names: of a and b.  n_classes: the classes that both have.
    """

    names: tuple[str, str]
    n_classes: int
    differences: Mapping[str, Difference]

    def __post_init__(self) -> None:
        object.__setattr__(self, "differences", MappingProxyType(dict(self.differences)))

    def __str__(self) -> str:
        one, other = map(printable, self.names)
        lines = [f"{one} - {other}", f"{self.n_classes:,} classes of both; delete-one-class jackknife of the difference", ""]
        lines.append(f"{pad('measure', 20)}{'a':>8}{'b':>8}{'a - b':>9}  {pad('95 % interval', 18)}p")
        for key, found in self.differences.items():
            interval = "" if found.ci is None else f"[{found.ci[0]:.3f}, {found.ci[1]:.3f}]"
            values = f"{number(found.a):>8}{number(found.b):>8}{number(found.difference):>9}"
            lines.append(f"{pad(DEFINITIONS[key].symbol, 20)}{values}  {pad(interval, 18)}{p_text(found.p)}")
        lines += [f"  - {reason}" for reason in dict.fromkeys(one.reason for one in self.differences.values() if one.reason)]
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "kind": "semantic-comparison",
            "schema": 1,
            "names": list(self.names),
            "n_classes": self.n_classes,
            "differences": {
                key: {**dataclasses.asdict(one), "ci": None if one.ci is None else list(one.ci)} for key, one in self.differences.items()
            },
        }


def compare_semantic(a: SemanticReport, b: SemanticReport) -> SemanticComparison:
    """Spearman and Pearson of `a` minus those of `b`, for every reference that both have, over the classes that both have.

    Classes are matched by synset and name; each is left out of both at once, so what makes a class hard for both cancels.
    Raises InputError for reports without their matrices (read from JSON), with other references (another text model or template), or with
    fewer than three classes in common (E_CLASSES).
    """
    for report in (a, b):
        if report.centroid_cosine is None or not report.references:
            raise InputError(f"reports to compare must hold their matrices; got {report.name!r} read from a file; compare where they were made")
    if "text" in a.references and "text" in b.references:
        for option in ("text_model", "template"):
            if a.options.get(option) != b.options.get(option):
                raise InputError(f"reports to compare must have one {option}; got {a.options.get(option)!r} and {b.options.get(option)!r}")
    first, second = _common(a, b)
    distances = [1.0 - _part(np.asarray(report.centroid_cosine), places) for report, places in ((a, first), (b, second))]
    found: dict[str, Difference] = {}
    for name in [name for name in a.references if name in b.references]:
        reference = _part(a.references[name], first)
        if not np.allclose(reference, _part(b.references[name], second), atol=1e-4):
            raise InputError(f"reports to compare must have the same references; got two that differ in {name}")
        keep = None if name == "text" else _apart(a, first)
        try:
            pair = compare(distances[0], distances[1], reference, keep=keep)
        except UndefinedMeasure:
            continue
        found |= {f"spearman_{name}": pair.spearman, f"pearson_{name}": pair.pearson}
    if not found:
        raise InputError("reports to compare must share a reference that tells classes apart; got none", code="E_CONSTANT")
    return SemanticComparison((a.name, b.name), len(first), {key: found[key] for key in DEFINITIONS if key in found})


def _common(a: SemanticReport, b: SemanticReport) -> tuple[list[int], list[int]]:
    keys = [[(row.get("synset"), bool(row.get("new_leaf")), row["name"]) for row in report.classes] for report in (a, b)]
    place = {key: number for number, key in enumerate(keys[1])}
    shared = [(number, place[key]) for number, key in enumerate(keys[0]) if key in place]
    if len(shared) < 3:
        names = listed(a.class_names), listed(b.class_names)
        raise InputError(f"reports to compare must share 3 classes; got {len(shared)} of {names[0]} and {names[1]}", code="E_CLASSES")
    return [one for one, _ in shared], [other for _, other in shared]


def _part(matrix: np.ndarray, places: list[int]) -> np.ndarray:
    return matrix[np.ix_(places, places)]


def _apart(report: SemanticReport, places: list[int]) -> np.ndarray:
    """(K, K) bool: pairs of classes on different synsets, or on new leaves below one."""
    rows = [report.classes[place] for place in places]
    names = np.array([f"{row['synset']}#{number}" if row.get("new_leaf") else str(row["synset"]) for number, row in enumerate(rows)])
    return names[:, None] != names[None, :]
