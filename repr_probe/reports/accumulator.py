"""GeometryAccumulator: the one-pass measures of a stream; shards merge exactly, in any order."""

from __future__ import annotations

import copy
from collections.abc import Hashable
from dataclasses import replace
from typing import Any

import numpy as np

from repr_probe.errors import InputError
from repr_probe.features.door import as_features
from repr_probe.features.feature_set import Features
from repr_probe.metrics.definitions import DEFINITIONS, PRESETS
from repr_probe.metrics.measurement import Measurement
from repr_probe.metrics.moments import ClassSums, MomentState
from repr_probe.metrics.states import GeometryStates, Options
from repr_probe.reports.geometry import measure_all, report_keys
from repr_probe.reports.geometry_report import GeometryReport
from repr_probe.reports.versions import library_versions

_STORED = "needs stored features: geometry_report(features) or a second pass"


class _StreamedStates(GeometryStates):
    """States for which only the moments exist: what would read rows again says so."""

    def __init__(self, moments: MomentState, class_names: tuple[str, ...]) -> None:
        super().__init__(Features(np.empty((moments.n, 0)), None, class_names), Options(intervals=False))
        self.__dict__["features"] = _Shape(moments.n, moments.n_features, int((moments.classes.count > 0).sum()), class_names)
        self.__dict__["moments"] = moments
        self.__dict__["wide"] = False

    @property
    def n_unit(self) -> int:
        return self.moments.n - self.moments.n_zero

    @property
    def n_labelled(self) -> int:
        return int(self.moments.classes.count.sum())

    @property
    def n_classes(self) -> int:
        return int((self.moments.classes.count > 0).sum())


class _Shape:
    """The part of Features that one-pass measures look at."""

    def __init__(self, n_samples: int, n_features: int, n_classes: int, class_names: tuple[str, ...]) -> None:
        self.n_samples, self.n_features, self.n_classes, self.class_names = n_samples, n_features, n_classes, class_names
        self.labels, self.views, self.notes, self.n_dropped = None, None, (), 0
        self.provenance: dict[str, Any] = {}


class GeometryAccumulator:
    """Feed chunks, merge shards, compute: anisotropy, correlation, CVN, ranks, mean cosines, centroid ranks, norms and sparsity.

    Measures that need a second look at the rows (angles, d-prime, intervals) are None with that reason; store the features for those.
    Memory: two (D + 2)² matrices and 2 K D numbers.

    >>> first, second = GeometryAccumulator(), GeometryAccumulator()
    >>> _ = first.update([[1.0, 0.0], [0.0, 1.0]], ["a", "b"]), second.update([[-1.0, 0.0], [0.0, -1.0]], ["a", "b"])
    >>> first.merge(second).compute().center_vector_norm.value
    0.0
    """

    def __init__(self) -> None:
        self._moments: MomentState | None = None
        self._codes: dict[Hashable, int] = {}
        self._n_unlabelled = 0

    def update(self, features: Any, labels: Any = None) -> GeometryAccumulator:
        """Add a chunk (rows, n_features) with one label a row, or none; returns self. A bad chunk raises InputError and adds nothing."""
        chunk = as_features(features, labels)
        if self._moments is None:
            self._moments = MomentState(chunk.n_features)
        if chunk.n_features != self._moments.n_features:
            raise InputError(f"chunks must have {self._moments.n_features} features like those before; got {chunk.n_features}")
        codes = self._own_codes(chunk)
        for start in range(0, chunk.n_samples, 4096):
            block = np.array(chunk.values[start : start + 4096], dtype=np.float64)
            self._moments.update(block, codes[start : start + 4096])
        self._n_unlabelled += int((codes < 0).sum())
        return self

    def _own_codes(self, chunk: Features) -> np.ndarray:
        if chunk.labels is None:
            return np.full(chunk.n_samples, -1, np.int64)
        table = np.array([self._codes.setdefault(name, len(self._codes)) for name in chunk.class_names] + [-1], dtype=np.int64)
        return table[chunk.labels]

    def merge(self, other: GeometryAccumulator) -> GeometryAccumulator:
        """A new accumulator that has seen what both have; classes are matched by name."""
        merged = GeometryAccumulator()
        merged._codes = dict(self._codes)
        merged._n_unlabelled = self._n_unlabelled + other._n_unlabelled
        if self._moments is None or other._moments is None:
            present = other if self._moments is None else self
            merged._moments, merged._codes = copy.deepcopy(present._moments), dict(present._codes)
            return merged
        if self._moments.n_features != other._moments.n_features:
            raise InputError(f"accumulators must have the same features; got {self._moments.n_features} and {other._moments.n_features}")
        place = np.array([merged._codes.setdefault(name, len(merged._codes)) for name in other._codes], dtype=np.int64)
        theirs = copy.copy(other._moments)
        theirs.classes = ClassSums.empty(len(merged._codes), theirs.n_features)
        known = other._moments.classes
        for new, old in zip(theirs.classes.parts(), known.parts(), strict=True):
            new[place[: len(known.count)]] = old
        merged._moments = self._moments.merged(theirs)
        return merged

    def compute(self, *, preset: str = "default") -> GeometryReport:
        """The report of everything seen so far; the accumulator can go on."""
        if preset not in PRESETS:
            raise InputError(f"preset must be 'paper', 'default' or 'full'; got {preset!r}")
        if self._moments is None:
            raise InputError("features must have at least one row; the accumulator has seen none")
        moments = self._moments
        states = _StreamedStates(moments, tuple(str(name) for name in self._codes))
        keys = report_keys(preset, states.features)
        possible = [key for key in keys if key in ONE_PASS]
        found = measure_all(states, possible)
        measures = {key: replace(found[key], ci_reason=_STORED) if key in found else _not_kept(key) for key in keys}
        return GeometryReport(
            measures, f"stream {moments.n} x {moments.n_features}", moments.n, moments.n_features, states.n_classes,
            counts={"n_zero": moments.n_zero, "n_unlabelled": self._n_unlabelled, "n_constant": int(states.constant.sum())},
            flags={"rank_limited_by_n": bool(states.effective_n < 10.0 * moments.n_features)},
            notes=("one pass over a stream: no intervals, no angles",),
            options={"preset": preset, "stream": True}, versions=library_versions(), class_names=tuple(str(name) for name in self._codes),
        )  # fmt: skip


def _not_kept(key: str) -> Measurement:
    return Measurement(None, variant=DEFINITIONS[key].variant, reason=_STORED)


ONE_PASS = frozenset(
    key for key, row in DEFINITIONS.items()
    if row.needs == "features" and key != "norm_alignment" and not key.startswith("effective_rank_extrapolated")
) | {"centroid_rank", "centroid_rank_centered", "centroid_rank_eigenvalues", "centroid_rank_raw", "centroid_rank_unit",
     "centroid_rank_weighted", "centroid_noise_share", "alignment_class"}  # fmt: skip
