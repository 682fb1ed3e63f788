"""Intervals: influence functions, delete-one jackknives, half-sampling. No bootstrap: it is wrong on ranks and pairs."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from repr_probe.errors import UndefinedMeasure
from repr_probe.metrics.algebra import HOST, Algebra, Array
from repr_probe.metrics.rows import Rows

Z95 = 1.959963984540054
N_HALVES = 200
Interval = tuple[float, float]


def normal_interval(value: float, error: float, low: float = -np.inf, high: float = np.inf) -> Interval:
    """value ± 1.96 standard errors, clipped to the measure's range."""
    return _clipped(value, Z95 * error, low, high)


def _clipped(value: float, half: float, low: float, high: float) -> Interval:
    """value ± half inside the range; a value that rounding put just outside stays inside its interval."""
    return float(max(min(low, value), value - half)), float(min(max(high, value), value + half))


def jackknife_interval(value: float, leave_one_out: np.ndarray, low: float = -np.inf, high: float = np.inf) -> Interval:
    """value ± t · SE from the values with one unit left out, SE² = (K-1)/K Σ (Jₖ - mean J)², t of K - 1 degrees of freedom.

    Raises UndefinedMeasure where one of them is not a number.

    >>> low, high = jackknife_interval(2.0, np.array([2.5, 2.0, 1.5]))  # the mean of 1, 2, 3: 2 ± 4.303 / √3
    >>> round(low, 3), round(high, 3)
    (-0.484, 4.484)
    """
    from scipy.special import stdtrit

    units = len(leave_one_out)
    if units < 2 or not np.isfinite(leave_one_out).all():
        raise UndefinedMeasure("leaving out one unit leaves the measure undefined")
    error = np.sqrt((units - 1) / units * np.sum((leave_one_out - leave_one_out.mean()) ** 2))
    return _clipped(value, float(stdtrit(units - 1, 0.975)) * error, low, high)


def means_without_each(values: np.ndarray) -> np.ndarray:
    """Mean of the others, for each of (n,) values; empty for a single value."""
    return (values.sum() - values) / (len(values) - 1.0) if len(values) > 1 else np.empty(0)


def half_samples(n: int, seed: int = 0, count: int = N_HALVES) -> Iterable[np.ndarray]:
    """`count` random subsets of floor(n/2) row numbers, drawn without replacement."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        yield rng.permutation(n)[: n // 2]


def half_sampling_error(measure: Callable[[np.ndarray], float], n: int, seed: int = 0, count: int = N_HALVES) -> float:
    """Standard error of `measure(row numbers)` at n rows: the SD over half-samples, times √(h/(n-h)).

    Raises UndefinedMeasure below 4 rows.
    """
    half = n // 2
    if half < 2:
        raise UndefinedMeasure(f"half-sampling needs 4 rows; got {n}")
    values = np.array([measure(rows) for rows in half_samples(n, seed, count)])
    return float(values.std() * np.sqrt(half / (n - half)))


def projected_influence(
    rows: Rows, center: np.ndarray | None, vectors: np.ndarray, gradients: np.ndarray, algebra: Algebra = HOST
) -> np.ndarray:
    """Standard errors of spectral measures: influence of row i = Σⱼ gradientⱼ ((xᵢ - center)·vⱼ)² - a constant.

    vectors (D, rank); gradients (rank, n_measures), ∂measure/∂λⱼ. Returns (n_measures,).
    The projection runs in float32, rows divided by the largest entry of the first block: a standard error needs three digits, and it is
    half the cost.
    """
    scale = np.abs(gradients).max(axis=0)
    basis = algebra.narrow(np.ascontiguousarray(vectors, dtype=np.float32))
    weights = algebra.asarray(np.ascontiguousarray(gradients / np.where(scale > 0, scale, 1.0)))
    middle = None if center is None else algebra.asarray(center)
    total, square = algebra.zeros(gradients.shape[1]), algebra.zeros(gradients.shape[1])
    anchor: Array | None = None
    peak = 0.0
    for _, block in algebra.blocks(rows):
        if middle is not None:
            block -= middle
        peak = peak or float(abs(block).max())
        block /= peak or 1.0
        projected = algebra.narrow(block) @ basis
        influence = algebra.asarray(algebra.xp.square(projected, out=projected)) @ weights  # (rows, n_measures)
        if anchor is None:
            anchor = influence.mean(axis=0)
        influence -= anchor
        total += influence.sum(axis=0)
        square += algebra.xp.einsum("ij,ij->j", influence, influence)
    n = len(rows)
    total, square = algebra.host(total), algebra.host(square)
    variance = np.maximum(square / n - (total / n) ** 2, 0.0)
    return np.sqrt(variance / n) * scale * peak**2


def delete_groups(n_units: int, limit: int = 100, seed: int = 0) -> np.ndarray:
    """Group of each unit for a delete-one-group jackknife: one unit a group up to `limit`, else `limit` random groups of like size."""
    if n_units <= limit:
        return np.arange(n_units)
    groups = np.arange(n_units) % limit
    np.random.default_rng(seed).shuffle(groups)
    return groups
