"""Which classes two semantic reports share, which of them the text model reads alike, and what is said of the others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from repr_probe.files.printable import listed

if TYPE_CHECKING:
    from repr_probe.reports.semantic_report import SemanticReport

_NAMED = 10  # classes in a note
_SAME = 1e-4  # distances of one text by one model, computed twice


def shared_classes(a: SemanticReport, b: SemanticReport) -> tuple[np.ndarray, np.ndarray]:
    """Positions in `a` and in `b` of the classes that both have, matched by synset and name, in the order of `a`."""
    one, other = (_keys(report) for report in (a, b))
    place = {key: number for number, key in enumerate(other)}
    shared = [number for number, key in enumerate(one) if key in place]
    return np.array(shared, dtype=int), np.array([place[one[number]] for number in shared], dtype=int)


def _keys(report: SemanticReport) -> list[tuple[Any, ...]]:
    """What each class is, and how often it came before: two classes may have one name."""
    keys = [(row.get("synset"), bool(row.get("new_leaf")), row["name"]) for row in report.classes]
    return [(*key, keys[:number].count(key)) for number, key in enumerate(keys)]


def agreeing(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Positions of classes among which two (K, K) reference matrices say the same; those that differ from most others are left out first.

    A class's words depend on the others (the two cranes of ImageNet are told apart, one alone is "crane"), so they may differ between reports.

    >>> one = np.array([[0.0, 1.0, 2.0], [1.0, 0.0, 3.0], [2.0, 3.0, 0.0]])
    >>> other = np.array([[0.0, 1.5, 2.0], [1.5, 0.0, 3.5], [2.0, 3.5, 0.0]])
    >>> agreeing(one, other)
    array([0, 2])
    """
    differs = ~np.isclose(one, other, rtol=0.0, atol=_SAME, equal_nan=True)
    kept = np.arange(len(one))
    while (counts := differs[np.ix_(kept, kept)].sum(axis=1)).any():
        kept = np.delete(kept, counts.argmax())
    return kept


def alone(report: SemanticReport, shared: np.ndarray) -> list[str]:
    """A note on the classes of the report that are not shared."""
    names = [report.class_names[place] for place in np.setdiff1d(np.arange(len(report.classes)), shared)]
    return [f"left out, classes of {report.name} alone: {listed(names, limit=_NAMED)}"] if names else []


def worded_otherwise(names: Sequence[str]) -> str:
    """The note on classes whose words differ."""
    return f"left out for the text, classes that a namesake makes it read otherwise: {listed(names, limit=_NAMED)}"
