"""Shares of right answers: Wilson's interval, and McNemar's exact test of two classifiers on the same queries."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from repr_probe.errors import InputError
from repr_probe.metrics.inference import Z95, Interval


def wilson_interval(n_hits: int, n: int) -> Interval:
    """95 % interval of a share, Wilson (1927); never outside [0, 1]. It speaks of other queries of the same classes, not of another bank.

    >>> low, high = wilson_interval(81, 263)  # Newcombe (1998), table I
    >>> round(low, 4), round(high, 4)
    (0.2553, 0.3662)
    """
    share, square = n_hits / n, Z95 * Z95
    middle = (share + square / (2 * n)) / (1 + square / n)
    half = Z95 / (1 + square / n) * np.sqrt(share * (1 - share) / n + square / (4 * n * n))
    return float(max(0.0, middle - half)), float(min(1.0, middle + half))


@dataclass(frozen=True)
class McNemar:
    """Two classifiers on the same queries.

    difference: top-1 of the first minus that of the second, in [-1, 1].  ci: its 95 % interval (Newcombe 1998, paired, method 10).
    only_first, only_second: queries that one alone gets right.  p: two-sided, exact binomial; queries that both get right or wrong say nothing.
    """

    difference: float
    ci: Interval
    only_first: int
    only_second: int
    n_queries: int
    p: float


def mcnemar(first: np.ndarray, second: np.ndarray) -> McNemar:
    """McNemar's exact test. first, second: (n_queries,) bool, whether each classifier was right, query by query.

    Raises InputError for two of different length or for none.

    >>> test = mcnemar(np.array([1] * 9 + [0]), np.array([0] * 9 + [1]))
    >>> round(test.difference, 3), round(test.p, 4)  # 2 * (1 + 10) / 2 ** 10
    (0.8, 0.0215)
    """
    from scipy.special import bdtr

    a, b = np.asarray(first, dtype=bool), np.asarray(second, dtype=bool)
    if a.shape != b.shape or a.ndim != 1 or not a.size:
        raise InputError(f"hits to compare must be of the same queries; got {a.size} and {b.size}")
    only_first, only_second = int((a & ~b).sum()), int((~a & b).sum())
    differing = only_first + only_second
    p = min(1.0, 2.0 * float(bdtr(min(only_first, only_second), differing, 0.5))) if differing else 1.0
    return McNemar(float((only_first - only_second) / a.size), _paired_interval(a, b), only_first, only_second, a.size, p)


def _paired_interval(a: np.ndarray, b: np.ndarray) -> Interval:
    """Method 10 of Newcombe (1998), Statistics in Medicine 17:2635: two Wilson intervals, joined by the correlation of the classifiers.

    A positive correlation is shrunk (n / 2 off its numerator, not below 0), so that two that agree everywhere still have an interval.
    """
    n, hits_a, hits_b, both = a.size, int(a.sum()), int(b.sum()), int((a & b).sum())
    (low_a, high_a), (low_b, high_b) = wilson_interval(hits_a, n), wilson_interval(hits_b, n)
    excess = both * n - hits_a * hits_b  # product of the diagonal minus product of the rest of the 2 x 2 table
    spread = hits_a * (n - hits_a) * hits_b * (n - hits_b)
    phi = (max(excess - n / 2, 0.0) if excess > 0 else excess) / np.sqrt(float(spread)) if spread else 0.0
    share_a, share_b = hits_a / n, hits_b / n
    down, up, below, above = share_a - low_a, high_b - share_b, share_b - low_b, high_a - share_a
    low = share_a - share_b - np.sqrt(max(0.0, down**2 - 2 * phi * down * up + up**2))
    high = share_a - share_b + np.sqrt(max(0.0, below**2 - 2 * phi * below * above + above**2))
    return float(max(-1.0, low)), float(min(1.0, high))
