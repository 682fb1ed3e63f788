"""Alignments of one representation with each reference, as Measurements with their Mantel p."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from repr_probe import progress
from repr_probe.errors import UndefinedMeasure
from repr_probe.metrics.matrix_alignment import Alignment, Cophenetic, align, cophenetic_alignment, ranks_alike
from repr_probe.metrics.measurement import Measurement
from repr_probe.reports.semantic_definitions import DEFINITIONS

_POPULATION = "classes"


@dataclass
class Measured:
    """measures: key -> Measurement.  p_values: key -> p of the Mantel test, None where the measure is undefined or no test was asked for."""

    measures: dict[str, Measurement] = field(default_factory=dict)
    p_values: dict[str, float | None] = field(default_factory=dict)

    def ordered(self) -> Measured:
        """In the order of the definition table."""
        keys = [key for key in DEFINITIONS if key in self.measures]
        return Measured({key: self.measures[key] for key in keys}, {key: self.p_values[key] for key in keys})


def measure_alignment(
    representation: np.ndarray,
    references: Mapping[str, np.ndarray],
    keep: Mapping[str, np.ndarray],
    *,
    linkage: str,
    permutations: int,
    seed: int,
    intervals: bool,
    reasons: Mapping[str, str],
) -> Measured:
    """Spearman and Pearson against every reference, both cophenetics against WuP.

    keep: reference -> (K, K) bool, the pairs that count.  reasons: reference -> why it says nothing, if so.
    """
    how: dict[str, Any] = {"permutations": permutations, "seed": seed, "intervals": intervals}
    found = Measured()
    with progress.task("alignment", len(references) + 1) as advance:
        for name, result in _alignments(representation, references, keep, how):
            _add_alignment(found, name, result, reasons.get(name))
            advance(1)
        if "wup" in references:
            _add_cophenetic(
                found,
                lambda: cophenetic_alignment(representation, references["wup"], keep=keep["wup"], linkage=linkage, **how),
                reasons.get("wup"),
                linkage,
            )
        advance(1)
    return found.ordered()


def _alignments(representation: np.ndarray, references: Mapping[str, np.ndarray], keep: Mapping[str, np.ndarray],
                how: Mapping[str, Any]) -> Iterator[tuple[str, Alignment | UndefinedMeasure]]:  # fmt: skip
    """Each reference's alignment or why it has none; of references that rank the pairs alike (LCH and path) only the first is ranked and tested."""
    made: dict[str, Alignment] = {}
    for name, reference in references.items():
        alike = (made[other] for other in made
                 if np.array_equal(keep[other], keep[name]) and ranks_alike(references[other], reference, keep[name]))  # fmt: skip
        try:
            made[name] = align(representation, reference, keep=keep[name], same_order=next(alike, None), **how)
        except UndefinedMeasure as undefined:
            yield name, undefined
        else:
            yield name, made[name]


def _add_alignment(found: Measured, name: str, result: Alignment | UndefinedMeasure, reason: str | None) -> None:
    keys = (f"spearman_{name}", f"pearson_{name}")
    if isinstance(result, UndefinedMeasure):
        for key in keys:
            _undefined(found, key, reason or str(result))
        return
    values = ((result.spearman, result.spearman_ci, result.mantel_p), (result.pearson, result.pearson_ci, result.pearson_p))
    for key, (value, interval, p) in zip(keys, values, strict=True):
        found.measures[key] = _measurement(key, value, interval, result)
        found.p_values[key] = p


def _add_cophenetic(found: Measured, measure: Callable[[], Cophenetic], reason: str | None, linkage: str) -> None:
    keys = ("cophenetic_rep_tree", "cophenetic_tree_tree")
    try:
        result = measure()
    except UndefinedMeasure as undefined:
        for key in keys:
            _undefined(found, key, reason or str(undefined))
        return
    note = f", {linkage} linkage"
    found.measures[keys[0]] = _measurement(keys[0], result.rep_tree, result.rep_tree_ci, result, note)
    found.p_values[keys[0]] = result.rep_tree_p
    if result.tree_tree is None:
        _undefined(found, keys[1], result.tree_tree_reason or "undefined")
        return
    found.measures[keys[1]] = _measurement(keys[1], result.tree_tree, result.tree_tree_ci, result, note)
    found.p_values[keys[1]] = result.tree_tree_p


def _measurement(key: str, value: float, interval: tuple[float, float] | None, result: Alignment | Cophenetic, note: str = "") -> Measurement:
    return Measurement(
        value=float(value),
        ci=interval,
        ci_method=result.ci_method if interval is not None else None,
        population=_POPULATION if interval is not None else None,
        variant=DEFINITIONS[key].variant + note,
        n=result.n_pairs,
        ci_reason=None if interval is not None else result.ci_reason,
    )


def _undefined(found: Measured, key: str, reason: str) -> None:
    found.measures[key] = Measurement(None, variant=DEFINITIONS[key].variant, reason=reason)
    found.p_values[key] = None
