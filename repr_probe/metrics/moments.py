"""MomentState: everything that one pass over the rows can tell; additive, mergeable in any order, in float64."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np

from repr_probe.metrics.algebra import HOST, Algebra, Array
from repr_probe.metrics.lifted import LiftedGram

_CONSTANT = 8.0 * np.finfo(np.float64).eps


@dataclass
class ClassSums:
    """Per class, over non-zero labelled rows: count, Σ lifted unit row, Σ raw row (each (K, ·))."""

    count: Array
    lifted: Array
    raw: Array

    @classmethod
    def empty(cls, n_classes: int, n_features: int, algebra: Algebra = HOST) -> ClassSums:
        return cls(algebra.zeros(n_classes), algebra.zeros(n_classes, n_features + 2), algebra.zeros(n_classes, n_features))

    def grown(self, n_classes: int, algebra: Algebra = HOST) -> ClassSums:
        """The same sums with room for more classes."""
        more = n_classes - len(self.count)
        if more <= 0:
            return self
        return ClassSums(*(algebra.xp.concatenate([part, algebra.zeros(more, *part.shape[1:])]) for part in self.parts()))

    def parts(self) -> tuple[Array, Array, Array]:
        return self.count, self.lifted, self.raw

    def add(self, codes: np.ndarray, lifted: Array, raw: Array, algebra: Algebra = HOST) -> None:
        """Segment sums: rows sorted by code, then added run by run."""
        order = np.argsort(codes, kind="stable")
        order = order[codes[order] >= 0]
        if not len(order):
            return
        sorted_codes = codes[order]
        starts = np.flatnonzero(np.r_[True, sorted_codes[1:] != sorted_codes[:-1]])
        present = sorted_codes[starts]
        self.count[present] += algebra.asarray(np.diff(np.r_[starts, len(order)]))
        self.lifted[present] += algebra.segment_sums(lifted, order, starts)
        self.raw[present] += algebra.segment_sums(raw, order, starts)

    def home(self, algebra: Algebra) -> ClassSums:
        return ClassSums(*(algebra.host(part) for part in self.parts()))


@dataclass
class ColumnSums:
    """Per feature: extremes, count of exact zeros, Σ|x|, Σx²."""

    low: Array
    high: Array
    zeros: Array
    absolute: Array
    square: Array

    @classmethod
    def empty(cls, n_features: int, algebra: Algebra = HOST) -> ColumnSums:
        low, high, *sums = (algebra.zeros(n_features) for _ in range(5))
        return cls(low + np.inf, high - np.inf, *sums)

    def add(self, block: Array, magnitude: Array, algebra: Algebra = HOST) -> None:
        xp = algebra.xp
        self.low = xp.minimum(self.low, xp.amin(block, axis=0))
        self.high = xp.maximum(self.high, xp.amax(block, axis=0))
        self.zeros += (block == 0).sum(axis=0)
        self.absolute += magnitude.sum(axis=0)
        self.square += xp.einsum("ij,ij->j", block, block)

    def home(self, algebra: Algebra) -> ColumnSums:
        return ColumnSums(*(algebra.host(part) for part in (self.low, self.high, self.zeros, self.absolute, self.square)))

    def merged(self, other: ColumnSums) -> ColumnSums:
        return ColumnSums(np.minimum(self.low, other.low), np.maximum(self.high, other.high), self.zeros + other.zeros,
                          self.absolute + other.absolute, self.square + other.square)  # fmt: skip


@dataclass
class RowScalars:
    """Sums over rows of per-row numbers: norm, norm² and norm⁴, Hoyer and Treves-Rolls sparsity (non-zero rows), active features.

    reference, deviation, deviation2: the first norm seen, and Σ and Σ² of norm - reference (a variance without cancellation).
    """

    count: int = 0
    reference: float = 0.0
    deviation: float = 0.0
    deviation2: float = 0.0
    norm: float = 0.0
    norm2: float = 0.0
    norm4: float = 0.0
    norm_low: float = np.inf
    norm_high: float = 0.0
    hoyer: float = 0.0
    hoyer2: float = 0.0
    treves: float = 0.0
    treves2: float = 0.0
    active: float = 0.0
    active_low: float = np.inf

    def add_norms(self, norms: Array) -> None:
        """(rows,) lengths."""
        if not self.count:
            self.reference = float(norms[0])
        deviation = norms - self.reference
        self.count += len(norms)
        self.deviation += float(deviation.sum())
        self.deviation2 += float(deviation @ deviation)
        self.norm += float(norms.sum())
        self.norm2 += float(norms @ norms)
        self.norm4 += float(norms**2 @ norms**2)
        self.norm_low, self.norm_high = min(self.norm_low, float(norms.min())), max(self.norm_high, float(norms.max()))

    def norm_std(self) -> float:
        """Population SD of the norms."""
        return float(np.sqrt(max(0.0, self.deviation2 / self.count - (self.deviation / self.count) ** 2)))

    def merged(self, other: RowScalars) -> RowScalars:
        if not self.count or not other.count:
            return replace(self if self.count else other)
        move = other.reference - self.reference
        other = replace(other, deviation=other.deviation + other.count * move,
                        deviation2=other.deviation2 + 2.0 * move * other.deviation + other.count * move**2)  # fmt: skip
        sums = {name: getattr(self, name) + getattr(other, name) for name in self.__dataclass_fields__}
        sums |= {name: min(getattr(self, name), getattr(other, name)) for name in ("norm_low", "active_low")}
        return RowScalars(**{**sums, "norm_high": max(self.norm_high, other.norm_high), "reference": self.reference})


@dataclass
class MomentState:
    """One-pass state of features with n_features columns. `raw` holds all rows, `unit` the non-zero rows scaled to length 1.

    Memory: two (D + 2)² matrices and 2 K D numbers, whatever the number of rows; with grams=False only sums over rows and columns are kept.
    algebra: where rows are added, until `settle` brings the sums home; a state is merged, sent and read settled.
    """

    n_features: int
    n: int = 0
    n_zero: int = 0
    grams: bool = True
    algebra: Algebra = HOST
    raw: LiftedGram | None = None
    unit: LiftedGram | None = None
    columns: ColumnSums = field(init=False)
    scalars: RowScalars = field(default_factory=RowScalars)
    classes: ClassSums = field(init=False)

    def __post_init__(self) -> None:
        self.columns = ColumnSums.empty(self.n_features, self.algebra)
        self.classes = ClassSums.empty(0, self.n_features, self.algebra)

    def update(self, block: Array, codes: np.ndarray | None = None) -> None:
        """Add (rows, n_features) float64 rows, which stand where `algebra` works; codes (rows,) with -1 for unlabelled rows."""
        norms = self.algebra.norms(block)
        magnitude = abs(block)
        self.columns.add(block, magnitude, self.algebra)
        self._add_scalars(block, magnitude, norms)
        full = norms > 0
        self.n += len(block)
        self.n_zero += int((~full).sum())
        if self.grams:
            self._add_grams(block, norms, full, codes)

    def _add_grams(self, block: Array, norms: Array, full: Array, codes: np.ndarray | None) -> None:
        host = self.algebra.host
        if self.raw is None:
            middle = self.algebra.xp.argsort(norms)[len(norms) // 2]  # a row of usual length: one far out would cost digits of all others
            self.raw = LiftedGram(host(block[middle]).copy(), algebra=self.algebra)
        self.raw.add(self.raw.lift(block))
        if not full.any():
            return
        rows = block if full.all() else block[full]
        unit = rows / norms[full][:, None]
        if self.unit is None:
            self.unit = LiftedGram(host(unit[0]).copy(), algebra=self.algebra)
        lifted = self.unit.lift(unit)
        del unit
        self.unit.add(lifted)
        if codes is not None and (codes >= 0).any():
            self.classes = self.classes.grown(int(codes.max()) + 1, self.algebra)
            self.classes.add(codes[host(full)], lifted, rows, self.algebra)

    def _add_scalars(self, block: Array, magnitude: Array, norms: Array) -> None:
        sums, width = self.scalars, self.n_features
        active = width - (block == 0).sum(axis=1)
        sums.add_norms(norms)
        sums.active += float(active.sum())
        sums.active_low = min(sums.active_low, float(active.min()))
        full = norms > 0
        if width > 1 and full.any():
            ratio = magnitude[full].sum(axis=1) / norms[full]
            hoyer = (math.sqrt(width) - ratio) / (math.sqrt(width) - 1.0)
            treves = (1.0 - ratio * ratio / width) / (1.0 - 1.0 / width)
            sums.hoyer += float(hoyer.sum())
            sums.hoyer2 += float(hoyer @ hoyer)
            sums.treves += float(treves.sum())
            sums.treves2 += float(treves @ treves)

    def settle(self) -> None:
        """Give back working memory and leave the device."""
        for gram in (self.raw, self.unit):
            if gram is not None:
                gram.settle()
        self.columns, self.classes = self.columns.home(self.algebra), self.classes.home(self.algebra)
        self.algebra = HOST

    def merged(self, other: MomentState) -> MomentState:
        """The state of both sets of rows (same class codes on both sides)."""
        result = MomentState(self.n_features, self.n + other.n, self.n_zero + other.n_zero, self.grams)
        result.raw = _merge(self.raw, other.raw)
        result.unit = _merge(self.unit, other.unit)
        result.columns = self.columns.merged(other.columns)
        result.scalars = self.scalars.merged(other.scalars)
        result.classes = self._merged_classes(other, result)
        return result

    def _merged_classes(self, other: MomentState, result: MomentState) -> ClassSums:
        n_classes = max(len(self.classes.count), len(other.classes.count))
        ours, theirs = self.classes.grown(n_classes), other.classes.grown(n_classes)
        lifted = theirs.lifted
        if result.unit is not None and other.unit is not None and n_classes:
            d = other.unit.reference - result.unit.reference
            lifted = lifted.copy()
            lifted[:, -2] += 2.0 * (lifted[:, :-2] @ d) + lifted[:, -1] * (d @ d)
            lifted[:, :-2] += lifted[:, -1:] * d
        return ClassSums(ours.count + theirs.count, ours.lifted + lifted, ours.raw + theirs.raw)

    def constant_columns(self, variance: np.ndarray) -> np.ndarray:
        """(D,) bool: min == max, or a spread (variance (D,) of the columns) within rounding of the largest entry."""
        peak = np.maximum(np.abs(self.columns.low), np.abs(self.columns.high))
        return (self.columns.low == self.columns.high) | (np.sqrt(np.maximum(variance, 0.0)) <= _CONSTANT * peak)


def _merge(a: LiftedGram | None, b: LiftedGram | None) -> LiftedGram | None:
    if a is None or b is None:
        return a if b is None else b
    return a.merged(b)
