"""Spectrum: eigenvalues of a second-moment matrix, the numbers made of them, and how each number changes with each eigenvalue."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from repr_probe.errors import UndefinedMeasure
from repr_probe.metrics.algebra import HOST, Algebra, Array
from repr_probe.metrics.rows import Rows

_EPS = 2.0**-52


@dataclass(frozen=True, eq=False)
class Spectrum:
    """Eigenvalues of (1/N) Σ x xᵀ, descending, those below rounding dropped; vectors (D, rank), one column each.

    `gradient_*` methods give ∂measure/∂λⱼ: the standard error of any spectral measure is that of one linear statistic (inference.py).
    """

    values: np.ndarray
    vectors: np.ndarray
    n_features: int

    @property
    def rank(self) -> int:
        return len(self.values)

    # --- measures -----------------------------------------------------------------------------------------------------

    def top_share(self) -> float:
        return float(self.values[0] / self.values.sum())

    def sigma_share(self) -> float:
        sigma = np.sqrt(self.values)
        return float(sigma[0] / sigma.sum())

    def effective_rank(self) -> float:
        return entropy_rank(np.sqrt(self.values))

    def eigenvalue_rank(self) -> float:
        return entropy_rank(self.values)

    def participation_ratio(self) -> float:
        return float(self.values.sum() ** 2 / (self.values @ self.values))

    def nesum(self) -> float:
        return float(self.values.sum() / self.values[0])

    # --- derivatives --------------------------------------------------------------------------------------------------

    def gradient_top_share(self) -> np.ndarray:
        total = self.values.sum()
        gradient = np.full(self.rank, -self.values[0] / total**2)
        gradient[0] += 1.0 / total
        return gradient

    def gradient_sigma_share(self) -> np.ndarray:
        sigma = np.sqrt(self.values)
        total = sigma.sum()
        by_sigma = np.full(self.rank, -sigma[0] / total**2)
        by_sigma[0] += 1.0 / total
        return by_sigma / (2.0 * sigma)

    def gradient_effective_rank(self) -> np.ndarray:
        sigma = np.sqrt(self.values)
        p = sigma / sigma.sum()
        entropy = -float(p @ np.log(p))
        return -np.exp(entropy) * (np.log(p) + entropy) / (2.0 * sigma * sigma.sum())

    def gradient_eigenvalue_rank(self) -> np.ndarray:
        p = self.values / self.values.sum()
        entropy = -float(p @ np.log(p))
        return -np.exp(entropy) * (np.log(p) + entropy) / self.values.sum()

    def gradient_participation_ratio(self) -> np.ndarray:
        total, square = self.values.sum(), self.values @ self.values
        return 2.0 * total / square * (1.0 - total * self.values / square)

    def gradient_nesum(self) -> np.ndarray:
        return -self.gradient_top_share() / self.top_share() ** 2


def spectrum_of(matrix: Array, n_rows: float, *, n_features: int | None = None, vectors: bool = True, algebra: Algebra = HOST) -> Spectrum:
    """Spectrum of Σ x xᵀ (D, D) over n_rows rows; `matrix` is used as working memory and lost.

    Raises UndefinedMeasure when every eigenvalue is zero.
    """
    with algebra.room(len(matrix)):
        values, basis = algebra.eigh(matrix, vectors=vectors)
    values = values[::-1] / n_rows
    keep = values > max(values[0], 0.0) * len(matrix) * _EPS
    if not keep.any() or values[0] <= 0:
        raise UndefinedMeasure("features must have variance; all rows are equal or zero")
    rank = int(keep.sum())  # the values fall, so that those kept come first; a view of the basis is enough
    kept = np.empty((len(matrix), 0)) if basis is None else basis[:, ::-1][:, :rank]
    return Spectrum(values[:rank], kept, n_features or len(matrix))


def second_moment(rows: Rows, *, center: bool = False, algebra: Algebra = HOST) -> Array:
    """Σ x xᵀ (D, D), about the origin or the mean, where `algebra` works: for a spectrum of rows that have no moments yet."""
    with algebra.room(rows.n_features):
        gram, total = algebra.zeros(rows.n_features, rows.n_features), algebra.zeros(rows.n_features)
        for _, block in algebra.blocks(rows):
            gram += block.T @ block
            if center:
                total += block.sum(axis=0)
        return gram - algebra.xp.outer(total, total) / len(rows) if center else gram


def entropy_rank(weights: np.ndarray) -> float:
    """exp of the Shannon entropy of positive weights scaled to sum 1 (Roy & Vetterli 2007).

    >>> round(entropy_rank(np.array([2.0, 2.0, 2.0])), 12)
    3.0
    """
    p = weights[weights > 0] / weights.sum()
    return float(np.exp(-(p @ np.log(p))))


def rankme_from_sigma(weights: np.ndarray, n_entries: int, epsilon: float = 1e-7) -> float:
    """RankMe as Garrido et al. 2023 write it: p = σ/Σσ + epsilon, not rescaled, over min(N, D) entries (missing ones are zero).

    stable-pretraining uses epsilon 1e-5 (a rank-10 matrix with D = 2048 then reads 12.65); reptrix feeds centred eigenvalues.

    >>> round(rankme_from_sigma(np.ones(10), 2048), 2), round(rankme_from_sigma(np.ones(10), 2048, 1e-5), 2)
    (10.03, 12.65)
    """
    p = np.zeros(n_entries)
    kept = weights[:n_entries]
    p[: len(kept)] = kept / weights.sum()
    p += epsilon
    return float(np.exp(-(p @ np.log(p))))


@dataclass(frozen=True)
class PowerLaw:
    """Fit of ln λⱼ = c - slope · ln j over j = low..high."""

    slope: float
    r2: float
    low: int
    high: int


def power_law(values: np.ndarray, *, weighted: bool = True, low: int = 11, high: int = 100) -> PowerLaw:
    """α-ReQ's decay exponent of a descending spectrum: least squares of ln λⱼ on ln j, weights 1/j (Agrawal 2022, Stringer 2019).

    The upper index is min(high, rank/2). Raises UndefinedMeasure with fewer than ten points.

    >>> fit = power_law(np.arange(1.0, 301.0) ** -1.3)
    >>> round(fit.slope, 9), round(fit.r2, 9), fit.high
    (1.3, 1.0, 100)
    """
    high = min(high, len(values) // 2)
    if high - low + 1 < 10:
        raise UndefinedMeasure(f"the fit needs 10 eigenvalues from j = {low} to rank/2; got rank {len(values)}")
    index = np.arange(low, high + 1)
    x, y = np.log(index), np.log(values[low - 1 : high])
    w = 1.0 / index if weighted else np.ones(len(index))
    w = w / w.sum()
    dx, dy = x - w @ x, y - w @ y
    slope = (w * dx) @ dy / ((w * dx) @ dx)
    residual = dy - slope * dx
    spread = (w * dy) @ dy
    return PowerLaw(-float(slope), float(1.0 - (w * residual) @ residual / spread) if spread > 0 else 1.0, low, high)
