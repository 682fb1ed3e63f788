"""TwoNN: intrinsic dimension from the ratio of the distances to the second and the first neighbour."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np

from repr_probe.errors import UndefinedMeasure
from repr_probe.features.door import as_features
from repr_probe.metrics.row_neighbours import nearest_rows, squared_distances
from repr_probe.metrics.rows import Rows
from repr_probe.metrics.states import GeometryStates, Options
from repr_probe.ranks import ALONE, Ranks

KEPT = 0.9  # share of the smallest ratios that the fit uses


@dataclass(frozen=True)
class TwoNN:
    """Intrinsic dimension.

    mle: (N - 1)/Σ ln μ, μ = r₂/r₁.  fit: slope of -ln(1 - F) on ln μ through 0 over the 90 % smallest μ, F = i/N.
    error: standard error mle/√N, as if rows were independent.  n: rows, each kept once.
    """

    mle: float
    fit: float
    error: float
    n: int


def twonn(features: Any, *, normalize: bool = False, device: str = "cpu") -> TwoNN:
    """Number of dimensions that the rows fill locally, from their two nearest neighbours by Euclidean distance.

    features: (n_samples, n_features), three different rows or more; identical rows are kept once.  normalize: unit rows.
    Reads low in many dimensions: on a uniform cube, 3,000 rows, 2 reads 2.0, 5 reads 4.7, 10 reads 8.7, 20 reads 15.4.
    Source: Facco et al. 2017; the fit keeps the share that DADApy does.

    >>> twonn([[0.0], [1.0], [3.0], [7.0]]).n  # μ = 3, 2, 3/2 and 3/2
    4
    """
    states = GeometryStates(as_features(features), Options(intervals=False))
    rows = states.unit_rows if normalize else states.rows
    return dimension_of(neighbour_ratios(rows.select(first_of_equals(rows)), device=device))


def first_of_equals(rows: Rows) -> np.ndarray:
    """Positions of the rows that no earlier row equals entry by entry."""
    seen: dict[bytes, int] = {}
    for start, block in rows.blocks():
        block += 0.0  # no negative zero
        for offset, row in enumerate(block):
            seen.setdefault(hashlib.blake2b(row.tobytes(), digest_size=16).digest(), start + offset)
    return np.fromiter(seen.values(), np.int64, len(seen))


def neighbour_ratios(rows: Rows, *, device: str = "cpu", ranks: Ranks = ALONE) -> np.ndarray:
    """(n,) ln(r₂/r₁) of all rows with r₁ > 0; rows must differ. Each rank searches for its part of the rows, and all get the whole.

    Raises UndefinedMeasure below three rows.
    """
    n = len(rows)
    if n < 3:
        raise UndefinedMeasure(f"needs 3 different rows; got {n}")
    square = np.zeros((n, 2))
    for start, index in nearest_rows(rows, 2, part=ranks.run_of(n), device=device):
        own = np.arange(start, start + len(index))
        square[own] = np.sort(squared_distances(rows.select(own), rows, index), axis=1)
    ranks.sum(square)
    square = square[square[:, 0] > 0]
    return 0.5 * np.log(square[:, 1] / square[:, 0])


def likelihood(ratios: np.ndarray) -> float:
    """(n - 1)/Σ ln μ."""
    total = float(ratios.sum())
    if not total > 0:
        raise UndefinedMeasure("the two nearest rows of every row are equally far")
    return (len(ratios) - 1.0) / total


def slope(ratios: np.ndarray) -> float:
    """Through 0, of -ln(1 - i/n) on the i-th smallest ln μ, i up to 0.9 n."""
    n = len(ratios)
    kept = np.sort(ratios)[: int(np.floor(KEPT * n))]
    if not float(kept @ kept) > 0:
        raise UndefinedMeasure("the two nearest rows of every row in the fit are equally far")
    return float(kept @ -np.log1p(-np.arange(1, len(kept) + 1) / n) / (kept @ kept))


def dimension_of(ratios: np.ndarray) -> TwoNN:
    mle = likelihood(ratios)
    return TwoNN(mle, slope(ratios), mle / float(np.sqrt(len(ratios))), len(ratios))


def decimated(rows: Rows, parts: int, *, seed: int = 0, device: str = "cpu", ranks: Ranks = ALONE) -> float:
    """Mean of the maximum-likelihood dimension over `parts` disjoint random parts of the rows: the same cloud at a larger scale."""
    if len(rows) < 3 * parts:
        raise UndefinedMeasure(f"needs {3 * parts} different rows; got {len(rows)}")
    shares = np.array_split(np.random.default_rng(seed).permutation(len(rows)), parts)
    return float(np.mean([likelihood(neighbour_ratios(rows.select(np.sort(share)), device=device, ranks=ranks)) for share in shares]))
