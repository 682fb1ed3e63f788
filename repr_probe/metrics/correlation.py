"""Feature correlation: how much columns repeat one another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from repr_probe.errors import UndefinedMeasure
from repr_probe.metrics.algebra import HOST, Algebra
from repr_probe.metrics.rows import Rows

_BLOCK_NUMBERS = 1 << 21


@dataclass(frozen=True, eq=False)
class Correlation:
    """Pearson r summed over ordered pairs of different, non-constant features.

    absolute, signed, square: Σ|r|, Σr, Σr².  largest: max |r|.  live: (D,) bool, the features that count.
    mean, scale: (D′,) mean and 1/SD of the live columns.  r: (D′, D′) with a zero diagonal, or None where it would be too large to keep.
    """

    n_rows: int
    absolute: float
    signed: float
    square: float
    largest: float
    live: np.ndarray
    mean: np.ndarray
    scale: np.ndarray
    r: np.ndarray | None

    @property
    def n_pairs(self) -> int:
        width = int(self.live.sum())
        return width * (width - 1)

    def mean_absolute(self) -> float:
        return self.absolute / self.n_pairs

    def mean_signed(self) -> float:
        return self.signed / self.n_pairs

    def mean_square(self) -> float:
        return self.square / self.n_pairs

    def noise_floor(self) -> float:
        """Mean |r| of independent normal features at this N, to first order: √(2/(πN))."""
        return float(np.sqrt(2.0 / (np.pi * self.n_rows)))

    def debiased_rms(self) -> float:
        return float(np.sqrt(max(0.0, self.mean_square() - 1.0 / (self.n_rows - 1))))


def correlation_of(scatter: np.ndarray, mean: np.ndarray, constant: np.ndarray, n_rows: int) -> Correlation:
    """From the centred scatter matrix (D, D); constant columns (D,) bool are left out of numerator and denominator.

    Raises UndefinedMeasure with fewer than three rows or two non-constant columns.
    """
    live = _live(constant, n_rows)
    spread = np.sqrt(np.diag(scatter)[live])
    r = scatter if live.all() else scatter[np.ix_(live, live)]
    r = r / spread
    r /= spread[:, None]
    np.clip(r, -1.0, 1.0, out=r)
    np.fill_diagonal(r, 0.0)
    sums = float(np.abs(r).sum()), float(r.sum()), float(np.einsum("ij,ij->", r, r)), float(np.abs(r).max())
    return Correlation(n_rows, *sums, live, mean[live], np.sqrt(n_rows) / spread, r)


def correlation_by_columns(rows: Rows, mean: np.ndarray, variance: np.ndarray, constant: np.ndarray) -> Correlation:
    """The same for more features than rows, by blocks of columns: no D x D matrix."""
    n_rows = len(rows)
    live = _live(constant, n_rows)
    columns = np.flatnonzero(live)
    scale = 1.0 / np.sqrt(variance[live])
    step = max(1, _BLOCK_NUMBERS // n_rows)
    sums, largest = np.zeros(3), 0.0
    for start in range(0, len(columns), step):
        left = _standardised(rows, columns[start : start + step], mean, variance)
        for other in range(start, len(columns), step):
            right = left if other == start else _standardised(rows, columns[other : other + step], mean, variance)
            r = np.clip(left.T @ right / n_rows, -1.0, 1.0)
            if other == start:
                np.fill_diagonal(r, 0.0)
            weight = 1.0 if other == start else 2.0
            sums += weight * np.array([np.abs(r).sum(), r.sum(), np.einsum("ij,ij->", r, r)])
            largest = max(largest, float(np.abs(r).max()))
    absolute, signed, square = (float(total) for total in sums)
    return Correlation(n_rows, absolute, signed, square, largest, live, mean[live], scale, None)


def _standardised(rows: Rows, columns: np.ndarray, mean: np.ndarray, variance: np.ndarray) -> np.ndarray:
    block = rows.columns(columns)
    block -= mean[columns]
    block /= np.sqrt(variance[columns])
    return block


def _live(constant: np.ndarray, n_rows: int) -> np.ndarray:
    if n_rows < 3:
        raise UndefinedMeasure(f"needs 3 rows; got {n_rows}")
    live = ~constant
    if live.sum() < 2:
        raise UndefinedMeasure(f"needs 2 non-constant features; got {int(live.sum())} of {len(live)}")
    return live


def influence_errors(rows: Rows, correlation: Correlation, weights: list[np.ndarray], algebra: Algebra = HOST) -> list[float]:
    """Standard errors of Σ weightₐᵦ rₐᵦ / n_pairs for symmetric weights with a zero diagonal.

    The influence of row i on rₐᵦ is zₐzᵦ - rₐᵦ(zₐ² + zᵦ²)/2, z the standardised row; so of the sum it is zᵀWz - Σₐ zₐ² (W∘r)·1.
    For the mean |r| the weights are the signs of r; agreement with the SD over fresh samples is tested.
    """
    sums = np.zeros((len(weights), 2))
    if correlation.r is None:
        raise UndefinedMeasure("needs the matrix of correlations; there are more features than rows")
    narrow = [algebra.narrow(weight) for weight in weights]
    own = [algebra.asarray(np.einsum("ij,ij->i", weight, correlation.r)) for weight in weights]
    mean, scale = algebra.asarray(correlation.mean), algebra.asarray(correlation.scale)
    for _, block in algebra.blocks(rows):
        z = (block[:, correlation.live] - mean) * scale
        thin = algebra.narrow(z)
        for number, weight in enumerate(narrow):
            influence = (algebra.xp.einsum("ij,ij->i", thin @ weight, thin) - algebra.xp.square(z) @ own[number]) / correlation.n_pairs
            sums[number] += float(influence.sum()), float(algebra.xp.square(influence).sum())
    n = len(rows)
    variance = np.maximum(sums[:, 1] / n - (sums[:, 0] / n) ** 2, 0.0)
    return [float(error) for error in np.sqrt(variance / n)]
