"""Feature correlation: how much columns repeat one another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from repr_probe.errors import UndefinedMeasure
from repr_probe.metrics.rows import Rows


@dataclass(frozen=True, eq=False)
class Correlation:
    """Pearson correlations between non-constant features, summed over pairs of different features.

    sign: (D′, D′) signs with a zero diagonal, r: the correlations, scale: 1/SD of each live column; live: (D,) bool.
    """

    n_rows: int
    live: np.ndarray
    mean: np.ndarray
    scale: np.ndarray
    r: np.ndarray

    @property
    def n_pairs(self) -> int:
        return len(self.r) * (len(self.r) - 1)

    def mean_absolute(self) -> float:
        return float(np.abs(self.r).sum() / self.n_pairs)

    def signed(self) -> float:
        return float(self.r.sum() / self.n_pairs)

    def mean_square(self) -> float:
        return float(np.einsum("ij,ij->", self.r, self.r) / self.n_pairs)

    def largest(self) -> float:
        return float(np.abs(self.r).max())

    def noise_floor(self) -> float:
        """Mean |r| of independent normal features at this N, to first order: √(2/(πN))."""
        return float(np.sqrt(2.0 / (np.pi * self.n_rows)))

    def debiased_rms(self) -> float:
        return float(np.sqrt(max(0.0, self.mean_square() - 1.0 / (self.n_rows - 1))))


def correlation_of(scatter: np.ndarray, mean: np.ndarray, constant: np.ndarray, n_rows: int) -> Correlation:
    """From the centred scatter matrix (D, D); constant columns (D,) bool are left out of numerator and denominator.

    Raises UndefinedMeasure with fewer than three rows or two non-constant columns.
    """
    if n_rows < 3:
        raise UndefinedMeasure(f"needs 3 rows; got {n_rows}")
    live = ~constant
    if live.sum() < 2:
        raise UndefinedMeasure(f"needs 2 non-constant features; got {int(live.sum())} of {len(live)}")
    spread = np.sqrt(np.diag(scatter)[live])
    r = scatter[np.ix_(live, live)]
    r /= spread
    r /= spread[:, None]
    np.clip(r, -1.0, 1.0, out=r)
    np.fill_diagonal(r, 0.0)
    return Correlation(n_rows, live, mean[live], np.sqrt(n_rows) / spread, r)


def influence_errors(rows: Rows, correlation: Correlation, weights: list[np.ndarray]) -> list[float]:
    """Standard errors of Σ weightₐᵦ rₐᵦ / n_pairs for symmetric weights with a zero diagonal.

    The influence of row i on rₐᵦ is zₐzᵦ - rₐᵦ(zₐ² + zᵦ²)/2, z the standardised row; so of the sum it is zᵀWz - Σₐ zₐ² (W∘r)·1.
    For the mean |r| the weights are the signs of r; agreement with the SD over fresh samples is tested.
    """
    sums = np.zeros((len(weights), 2))
    narrow = [weight.astype(np.float32) for weight in weights]
    own = [np.einsum("ij,ij->i", weight, correlation.r) for weight in weights]
    for _, block in rows.blocks():
        z = (block[:, correlation.live] - correlation.mean) * correlation.scale
        thin = z.astype(np.float32)
        for number, weight in enumerate(narrow):
            influence = (np.einsum("ij,ij->i", thin @ weight, thin) - np.square(z) @ own[number]) / correlation.n_pairs
            sums[number] += influence.sum(dtype=np.float64), np.square(influence, dtype=np.float64).sum()
    n = len(rows)
    variance = np.maximum(sums[:, 1] / n - (sums[:, 0] / n) ** 2, 0.0)
    return [float(error) for error in np.sqrt(variance / n)]
