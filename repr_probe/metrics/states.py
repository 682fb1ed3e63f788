"""GeometryStates: the shared work behind the measures, each part done once, on first use, and only if a measure asks for it."""

from __future__ import annotations

from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from repr_probe.errors import UndefinedMeasure
from repr_probe.features.feature_set import Features
from repr_probe.metrics.algebra import Algebra, algebra_on
from repr_probe.metrics.angle_sums import AnglePass
from repr_probe.metrics.centroids import Centroids
from repr_probe.metrics.correlation import Correlation, correlation_by_columns, correlation_of
from repr_probe.metrics.cosine_pairs import cosine_pair_sums, cosine_pair_totals
from repr_probe.metrics.inference import delete_groups
from repr_probe.metrics.lifted import LiftedGram
from repr_probe.metrics.moments import MomentState
from repr_probe.metrics.pair_sums import PairSums, PairTotals, require_both_kinds
from repr_probe.metrics.pairs import angle_pass
from repr_probe.metrics.rows import Rows
from repr_probe.metrics.spectrum import Spectrum, spectrum_of
from repr_probe.ranks import ALONE, Ranks

POPULATIONS = ("classes", "images")
MIN_CLASSES = 10  # below this a jackknife over classes says nothing


@dataclass(frozen=True)
class Options:
    """How to measure. pairs: None for all pairs, else the number to draw. kernel: whether the pair pass also sums exp(-2‖u - u′‖²).

    device: of the pair pass, the nearest rows and, where it has float64 (`algebra_on`), of moments, cosine sums and spectra.
    matmul: products of the pair pass, "exact" or "fast".
    ranks: the processes that share the long passes, each with states of the same features (`GeometryStates.run_together`).
    keep: folder for the sums of a long pair pass that may be stopped.
    """

    seed: int = 0
    device: str = "cpu"
    population: str = "classes"
    pairs: int | None = None
    intervals: bool = True
    block: int | None = None
    kernel: bool = True
    matmul: str = "exact"
    ranks: Ranks = ALONE
    keep: Path | None = None


class GeometryStates:
    """Lazily computed states of one set of features. All spherical work runs on the non-zero rows, labelled work on those with a label.

    With more features than rows, Gram matrices are of the rows in N coordinates (a rotation: QR), which changes no measure made of them.
    """

    def __init__(self, features: Features, options: Options | None = None) -> None:
        self.features = features
        self.options = options or Options()
        self.rows = Rows(features.values)

    @cached_property
    def algebra(self) -> Algebra:
        """Where moments, cosine sums and spectra are computed."""
        return algebra_on(self.options.device)

    def _room(self) -> AbstractContextManager[None]:
        """For moments with class sums, and four sums a row."""
        width, n_classes = self.space.n_features, int(self.labels.max(initial=-1)) + 1
        return self.algebra.room(width, 2 * n_classes * (width + 1) + 4 * len(self.rows))

    # --- rows ---------------------------------------------------------------------------------------------------------

    @cached_property
    def wide(self) -> bool:
        return self.features.n_features > self.features.n_samples

    @cached_property
    def space(self) -> Rows:
        """Raw rows with the inner products of `rows` in min(N, D) coordinates."""
        if not self.wide:
            return self.rows
        triangle = np.asarray(np.linalg.qr(self.rows.block(0, len(self.rows)).T, mode="r"))
        return Rows(np.ascontiguousarray(triangle.T))

    @cached_property
    def lengths(self) -> np.ndarray:
        """(N,) norms of the rows."""
        ranks = self.options.ranks
        if ranks.world_size == 1:
            return self.algebra.lengths(self.rows)
        lengths = np.zeros(len(self.rows))
        start, stop = ranks.run_of(len(lengths))
        if start < stop:
            lengths[start:stop] = self.algebra.lengths(Rows(self.features.values[start:stop]))
        ranks.sum(lengths)
        return lengths

    @property
    def zero_rows(self) -> np.ndarray:
        """(N,) bool, float64 sum of squares exactly 0."""
        return self.lengths == 0

    def directions(self, index: np.ndarray | None) -> Rows:
        """Unit rows of `space` (index: which rows, all non-zero)."""
        return Rows(self.space.values, index, unit=True, lengths=None if self.wide else self.lengths)

    @cached_property
    def labels(self) -> np.ndarray:
        """(N,) codes, -1 where unlabelled."""
        labels = self.features.labels
        return np.full(self.features.n_samples, -1, np.int64) if labels is None else labels

    @cached_property
    def order(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(index of the non-zero rows: labelled first, sorted by group and class; codes; groups); codes and groups of the labelled, from 0."""
        kept = np.flatnonzero(~self.zero_rows)
        labelled, free = kept[self.labels[kept] >= 0], kept[self.labels[kept] < 0]
        _, codes = np.unique(self.labels[labelled], return_inverse=True)
        n_classes = int(codes.max()) + 1 if len(codes) else 0
        groups = delete_groups(n_classes, seed=self.options.seed)[codes] if n_classes else codes
        order = np.lexsort((np.arange(len(labelled)), codes, groups))
        return np.concatenate([labelled[order], free]), codes[order].astype(np.int64), groups[order].astype(np.int64)

    @property
    def n_unit(self) -> int:
        """Number of non-zero rows."""
        return len(self.order[0])

    @property
    def n_labelled(self) -> int:
        return len(self.order[1])

    @property
    def n_classes(self) -> int:
        return int(self.order[1].max()) + 1 if self.n_labelled else 0

    def require_directions(self, n: int) -> None:
        if self.n_unit < n:
            raise UndefinedMeasure(f"needs {n} non-zero rows; got {self.n_unit}")

    # --- one pass -----------------------------------------------------------------------------------------------------

    @cached_property
    def moments(self) -> MomentState:
        """Grams, class sums, column and row sums of the features as stored (sums) and in `space` (Grams and class sums)."""
        state = self._run(self.rows, self.options.ranks, grams=not self.wide)
        if self.wide:
            turned = self._run(self.space, ALONE, grams=True)  # few rows, and another machine may have turned them otherwise
            state.raw, state.unit, state.classes = turned.raw, turned.unit, turned.classes
        return state

    def _run(self, rows: Rows, ranks: Ranks, *, grams: bool) -> MomentState:
        """Over several ranks each takes its part of the rows, and the first one gets the state of all."""
        with self._room():
            state = MomentState(rows.n_features, grams=grams, algebra=self.algebra)
            for start, block in self.algebra.blocks(rows, ranks.run_of(len(rows), step=rows.block_size)):
                state.update(block, self.labels[start : start + len(block)])
            state.settle()
        return ranks.merge(state, MomentState.merged)

    @property
    def raw_gram(self) -> LiftedGram:
        gram = self.moments.raw
        if gram is None:
            raise UndefinedMeasure("needs a row")
        return gram

    @property
    def unit_gram(self) -> LiftedGram:
        gram = self.moments.unit
        if gram is None:
            raise UndefinedMeasure("all rows are zero")
        return gram

    @property
    def effective_n(self) -> float:
        """N (E r²)²/E r⁴, r the norms: how many rows count when a few are much longer."""
        sums = self.moments.scalars
        return sums.norm2**2 / sums.norm4 if sums.norm4 > 0 else 0.0

    # --- spectra ------------------------------------------------------------------------------------------------------

    @cached_property
    def _spectra(self) -> dict[tuple[bool, bool], Spectrum]:
        return {}

    def spectrum(self, *, unit: bool = False, center: bool = False) -> Spectrum:
        """Of raw or unit rows, about the origin or the mean. Raises UndefinedMeasure without variance."""
        key = (unit, center)
        if key not in self._spectra:
            gram = self.unit_gram if unit else self.raw_gram
            if center:
                self._require_spread(gram, unit)
            matrix = gram.scatter() if center else gram.second_moment()
            self._spectra[key] = spectrum_of(matrix, gram.count, n_features=self.features.n_features, vectors=self.options.intervals,
                                             algebra=self.algebra)  # fmt: skip
        return self._spectra[key]

    def _require_spread(self, gram: LiftedGram, unit: bool) -> None:
        if gram.count < 2:
            raise UndefinedMeasure(f"needs 2 rows; got {int(gram.count)}")
        if not unit and self.constant.all():
            raise UndefinedMeasure("no variance: every feature is constant")
        floor = (8 * np.finfo(np.float64).eps) ** 2 * gram.count * float(np.sum(gram.mean() ** 2))
        if float(np.trace(gram.scatter())) <= floor:
            raise UndefinedMeasure("no variance: all rows are equal")

    def spectral_rows(self, *, unit: bool) -> Rows:
        if not unit:
            return self.space
        return self.directions(np.flatnonzero(~self.zero_rows) if self.zero_rows.any() else None)

    # --- columns ------------------------------------------------------------------------------------------------------

    @cached_property
    def column_moments(self) -> tuple[np.ndarray, np.ndarray]:
        """(mean, variance) of each feature as stored, (D,) each."""
        if not self.wide:
            return self.raw_gram.mean(), np.maximum(np.diag(self.raw_gram.scatter()), 0.0) / self.features.n_samples
        return _column_moments(self.rows)

    @cached_property
    def unit_column_moments(self) -> tuple[np.ndarray, np.ndarray]:
        if not self.wide:
            return self.unit_gram.mean(), np.maximum(np.diag(self.unit_gram.scatter()), 0.0) / self.unit_gram.count
        return _column_moments(self.unit_rows)

    @property
    def unit_rows(self) -> Rows:
        """Non-zero rows as stored, scaled to length 1."""
        index = np.flatnonzero(~self.zero_rows) if self.zero_rows.any() else None
        return Rows(self.features.values, index, unit=True, lengths=self.lengths)

    @cached_property
    def constant(self) -> np.ndarray:
        """(D,) bool."""
        return self.moments.constant_columns(self.column_moments[1])

    @cached_property
    def correlation(self) -> Correlation:
        if self.wide:
            return correlation_by_columns(self.rows, *self.column_moments, self.constant)
        return correlation_of(self.raw_gram.scatter(), self.raw_gram.mean(), self.constant, self.features.n_samples)

    @cached_property
    def unit_correlation(self) -> Correlation:
        mean, variance = self.unit_column_moments
        constant = variance <= (8 * np.finfo(np.float64).eps) ** 2
        if self.wide:
            return correlation_by_columns(self.unit_rows, mean, variance, constant)
        return correlation_of(self.unit_gram.scatter(), mean, constant, self.n_unit)

    # --- pairs and classes --------------------------------------------------------------------------------------------

    def require_labels(self) -> None:
        if not self.n_labelled:
            raise UndefinedMeasure("needs labels" if self.features.labels is None else "needs a labelled, non-zero row")

    def require_pairs(self) -> None:
        self.require_labels()
        require_both_kinds(self.order[1])

    def require_same_class(self) -> None:
        self.require_labels()
        if np.bincount(self.order[1]).max() < 2:
            raise UndefinedMeasure(f"needs a class with two rows; all {self.n_classes} classes have one")

    def same_class_pairs(self) -> tuple[int, float]:
        """(number of unordered same-class pairs, their mean cosine) from the class sums alone (identity I2, about the reference)."""
        self.require_labels()
        sums = self.moments.classes
        n_pairs = int((sums.count * (sums.count - 1.0)).sum()) // 2
        if not n_pairs:
            raise UndefinedMeasure(f"needs a class with two rows; all {self.n_classes} classes have one")
        shifted, square = sums.lifted[:, :-2], sums.lifted[:, -2]
        deficit = float(np.sum(shifted * shifted) - sums.count @ square)
        return n_pairs, 1.0 + deficit / (2.0 * n_pairs)

    @cached_property
    def cosine_sums(self) -> PairSums:
        """Of the labelled rows; call require_pairs first."""
        index, codes, groups = self.order
        rows = self.directions(index[: len(codes)])
        ranks = ALONE if self.wide else self.options.ranks  # few rows, and another machine may have turned them otherwise
        gram = self._shared_unit_gram(ranks) if len(codes) == self.n_unit else None
        with self._room():
            return cosine_pair_sums(rows, codes, groups, gram, algebra=self.algebra, ranks=ranks)

    def _shared_unit_gram(self, ranks: Ranks) -> LiftedGram:
        """Of all rows, in every process: the first one has it from the moments."""
        if ranks.world_size == 1:
            return self.unit_gram
        gram = self.unit_gram if ranks.is_first else LiftedGram(np.zeros(self.space.n_features))
        for part in (gram.reference, gram.matrix):
            ranks.sum(part)
        return gram

    def class_cosine_totals(self) -> PairTotals:
        """Totals of cosine over same-class and all pairs of the labelled rows, without the row sums that jackknives need: cheaper."""
        index, codes, _ = self.order
        with self._room():
            return cosine_pair_totals(self.directions(index[: len(codes)]), codes, algebra=self.algebra)

    @cached_property
    def angles(self) -> AnglePass:
        """The exact pair pass over the non-zero rows."""
        self.require_directions(2)
        index, codes, groups = self.order
        extra = {} if self.options.block is None else {"block": self.options.block}
        return angle_pass(self.directions(index), codes, groups, shift=self.options.ranks.first_does(self._mean_angle),
                          kernel=2.0 if self.options.kernel else None, device=self.options.device, matmul=self.options.matmul,
                          ranks=self.options.ranks, keep=self.options.keep, **extra)  # fmt: skip

    def _mean_angle(self) -> float:
        """The angle of the mean cosine, degrees."""
        gram = self.unit_gram
        n = gram.count
        mean_cosine = (n * float(np.sum(gram.mean() ** 2)) - 1.0) / (n - 1.0)
        return float(np.degrees(np.arccos(np.clip(mean_cosine, -1.0, 1.0))))

    def run_together(self, *, angles: bool) -> None:
        """Do now, in every process, the passes that the ranks share; the first one then has what measures need and goes on alone.

        Every preset has a measure of the cosine sums, where there are pairs of both kinds.
        """
        _ = self.lengths, self.moments
        with suppress(UndefinedMeasure):
            self.require_pairs()
            _ = self.cosine_sums
        if angles:
            with suppress(UndefinedMeasure):
                _ = self.angles
        self.options = replace(self.options, ranks=ALONE)

    @cached_property
    def centroids(self) -> Centroids:
        self.require_labels()
        sums = self.moments.classes
        present = np.flatnonzero(sums.count > 0)
        counts = sums.count[present]
        means = sums.lifted[present, :-2] / counts[:, None] + self.unit_gram.reference
        return Centroids(means, counts, present)


def _column_moments(rows: Rows) -> tuple[np.ndarray, np.ndarray]:
    n = len(rows)
    mean = sum(block.sum(axis=0) for _, block in rows.blocks()) / n
    variance = sum(np.square(block - mean).sum(axis=0) for _, block in rows.blocks()) / n
    return np.asarray(mean), np.asarray(variance)
