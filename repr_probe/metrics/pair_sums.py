"""PairSums: first and second sums of a pair score, row by row: the moments of both kinds of pairs and their jackknives follow from them.

The score of a pair (cosine or angle) is `shift` + f; sums run over ordered pairs of different rows: a row's sum is over all its partners.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from repr_probe.errors import UndefinedMeasure

_MEAN_ZERO = 1e-14
_ROUNDING = 1e-14  # of E f²: what is left of a variance of 0 when all f are equal but not near 0


@dataclass(frozen=True)
class PairTotals:
    """Counts, Σf and Σf² over same-class pairs and over all pairs (ordered pairs; scalars, or arrays of leave-one-out totals)."""

    same_n: np.ndarray
    same_1: np.ndarray
    same_2: np.ndarray
    all_n: np.ndarray
    all_1: np.ndarray
    all_2: np.ndarray
    shift: float
    zero_variance: float = 1e-28

    def _moments(self, n: np.ndarray, first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        with np.errstate(invalid="ignore", divide="ignore"):
            mean, square = first / n, second / n
            variance = np.maximum(square - mean * mean, 0.0)
        return self.shift + mean, np.where(variance <= np.maximum(self.zero_variance, _ROUNDING * square), 0.0, variance)

    def same(self) -> tuple[np.ndarray, np.ndarray]:
        """(mean, population variance) of the score over same-class pairs."""
        return self._moments(self.same_n, self.same_1, self.same_2)

    def different(self) -> tuple[np.ndarray, np.ndarray]:
        return self._moments(self.all_n - self.same_n, self.all_1 - self.same_1, self.all_2 - self.same_2)

    def every(self) -> tuple[np.ndarray, np.ndarray]:
        return self._moments(self.all_n, self.all_1, self.all_2)


@dataclass(frozen=True, eq=False)
class PairSums:
    """Sums of the labelled rows, which are sorted by (group, class): one group a class, or random groups of classes (delete_groups).

    codes (N,) class of each row; groups (N,) group of each row; all_*, same_* (N,) sums over all and over same-class partners;
    within_* (n_groups,) sums over ordered pairs inside a group.
    """

    codes: np.ndarray
    groups: np.ndarray
    all_1: np.ndarray
    all_2: np.ndarray
    same_1: np.ndarray
    same_2: np.ndarray
    within_1: np.ndarray
    within_2: np.ndarray
    shift: float
    zero_variance: float = 1e-28

    def _sizes(self) -> np.ndarray:
        """(N,) number of rows in the row's class."""
        return np.bincount(self.codes)[self.codes].astype(np.float64)

    def totals(self) -> PairTotals:
        n = float(len(self.codes))
        same = (self._sizes() - 1.0).sum(), self.same_1.sum(), self.same_2.sum()
        return self._totals(*same, n * (n - 1.0), self.all_1.sum(), self.all_2.sum())

    def _totals(self, *parts: float | np.ndarray) -> PairTotals:
        same_n, same_1, same_2, all_n, all_1, all_2 = (np.asarray(part, np.float64) for part in parts)
        return PairTotals(same_n, same_1, same_2, all_n, all_1, all_2, self.shift, self.zero_variance)

    def without_each_group(self) -> PairTotals:
        """Totals with one group of classes left out, (n_groups,) each: exact, without a second look at the pairs."""
        whole = self.totals()
        by_group = lambda values: np.bincount(self.groups, values, minlength=len(self.within_1))  # noqa: E731
        left = len(self.codes) - by_group(np.ones(len(self.codes)))
        return self._totals(
            whole.same_n - by_group(self._sizes() - 1.0),
            whole.same_1 - by_group(self.same_1),
            whole.same_2 - by_group(self.same_2),
            left * (left - 1.0),
            whole.all_1 - 2.0 * by_group(self.all_1) + self.within_1,
            whole.all_2 - 2.0 * by_group(self.all_2) + self.within_2,
        )

    def without_each_row(self) -> PairTotals:
        """Totals with one row left out, (N,) each."""
        whole, n = self.totals(), float(len(self.codes))
        return self._totals(
            whole.same_n - 2.0 * (self._sizes() - 1.0),
            whole.same_1 - 2.0 * self.same_1,
            whole.same_2 - 2.0 * self.same_2,
            np.full(len(self.codes), (n - 1.0) * (n - 2.0)),
            whole.all_1 - 2.0 * self.all_1,
            whole.all_2 - 2.0 * self.all_2,
        )

    def per_class(self) -> PairTotals:
        """One entry a class: its own pairs as `same`, and as `all` its own pairs plus its pairs with other classes."""
        by_class = lambda values: np.bincount(self.codes, values, minlength=int(self.codes.max()) + 1)  # noqa: E731
        sizes, n = by_class(np.ones(len(self.codes))), float(len(self.codes))
        own = sizes * (sizes - 1.0), by_class(self.same_1), by_class(self.same_2)
        return self._totals(*own, sizes * (n - 1.0), by_class(self.all_1), by_class(self.all_2))


def sensitivity(high: tuple[np.ndarray, np.ndarray], low: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """(mean - mean)/√((variance + variance)/2); ±inf where both variances are 0 and the means differ, 0 where they do not."""
    gap = high[0] - low[0]
    gap = np.where(np.abs(gap) <= _MEAN_ZERO, 0.0, gap)
    pooled = np.sqrt((high[1] + low[1]) / 2.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(gap == 0.0, 0.0, gap / pooled)


def require_both_kinds(codes: np.ndarray) -> None:
    """Raise UndefinedMeasure unless there are same-class and different-class pairs."""
    sizes = np.bincount(codes)
    sizes = sizes[sizes > 0]
    if len(sizes) < 2:
        raise UndefinedMeasure(f"needs two classes; got {len(sizes)}")
    if sizes.max() < 2:
        raise UndefinedMeasure(f"needs a class with two rows; all {len(sizes)} classes have one")
