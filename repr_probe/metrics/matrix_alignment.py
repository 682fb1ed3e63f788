"""How well the distances of classes in a representation agree with reference distances: correlations, Mantel p, intervals, comparisons."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from repr_probe.errors import UndefinedMeasure
from repr_probe.metrics.cophenetic import Cophenetic, cophenetic_alignment
from repr_probe.metrics.inference import Interval, jackknife_interval
from repr_probe.metrics.leave_class_out import JACKKNIFE, class_interval, correlations_without_each, enough_classes
from repr_probe.metrics.mantel import mantel
from repr_probe.metrics.matrix_ranks import MatrixPair, average_ranks, correlation, matrix_pair
from repr_probe.metrics.noise_ceiling import NoiseCeiling, noise_ceiling

__all__ = [
    "Alignment",
    "Cophenetic",
    "Difference",
    "NoiseCeiling",
    "PairedComparison",
    "SurprisingPair",
    "align",
    "compare",
    "cophenetic_alignment",
    "noise_ceiling",
    "ranks_alike",
    "row_alignment",
    "surprising_pairs",
]

ACCURACY = 1e-6  # of a number against another implementation's, relative; of a correlation absolute


@dataclass(frozen=True)
class Alignment:
    """Agreement of two distance matrices over pairs of classes; positive: what is near in one is near in the other.

    spearman: average ranks; -1 .. 1.  pearson, kendall (tau-b, without interval and test) beside it.
    spearman_ci, pearson_ci: 95 %, over other classes; None with `ci_reason`.
    mantel_p, pearson_p: two-sided Mantel tests of spearman and of pearson; None where no permutations were asked for.
    p_floor: the smallest p the permutations can give for spearman.  exact: every naming of the classes was taken.
    null_sd: SD of spearman over the namings; a |spearman| below about twice this is noise.
    """

    spearman: float
    pearson: float
    kendall: float
    spearman_ci: Interval | None
    pearson_ci: Interval | None
    mantel_p: float | None
    pearson_p: float | None
    p_floor: float | None
    exact: bool
    null_sd: float | None
    n_classes: int
    n_pairs: int
    permutations: int
    seed: int
    ci_method: str | None
    ci_reason: str | None


def align(representation: np.ndarray, reference: np.ndarray, *, keep: np.ndarray | None = None, permutations: int = 999, seed: int = 0,
          intervals: bool = True, same_order: Alignment | None = None) -> Alignment:  # fmt: skip
    """Spearman, Pearson and Kendall of two (K, K) distance matrices over pairs of classes, with Mantel tests and intervals.

    keep: (K, K) symmetric bool of the pairs that count.  permutations: 0 leaves the tests out; all K! namings where K! <= permutations.
    The intervals leave out each class in turn and keep the ranks of the full sample. scipy's p is not given: it takes pairs that share a
    class for independent. Memory O(K²); K = 1000 with 999 permutations takes about 4 s.
    same_order: the alignment, made with the same options, of the same representation with a reference that ranks the pairs alike (`ranks_alike`;
    Leacock-Chodorow and path): what depends on ranks alone is taken from it.
    Raises UndefinedMeasure below three classes and where one side is constant; InputError on matrices that are not distances.

    >>> positions = np.array([0.0, 1.0, 3.0, 7.0, 15.0])
    >>> gaps = np.abs(positions[:, None] - positions)
    >>> found = align(gaps, gaps**2)
    >>> found.spearman, found.mantel_p, found.ci_reason  # 1 of 120 namings
    (1.0, 0.008333333333333333, 'an interval over classes needs 10 classes; got 5')
    """
    how: dict[str, Any] = {"permutations": permutations, "seed": seed}
    pair = matrix_pair(representation, reference, keep)
    scores = pair.scores()
    pearson = correlation(*scores, pair.kept)
    pearson_ci, pearson_reason = _interval(pair, scores, pearson, intervals)
    by_value = mantel(*scores, pair.kept, **how) if permutations != 0 else None
    by_values: dict[str, Any] = {"pearson": pearson, "pearson_ci": pearson_ci, "pearson_p": by_value.p if by_value else None}
    if same_order is not None:
        return replace(same_order, **by_values, ci_reason=same_order.ci_reason or pearson_reason)
    return _by_ranks(pair, by_values, pearson_reason, intervals=intervals, **how)


def _by_ranks(pair: MatrixPair, by_values: Mapping[str, Any], pearson_reason: str | None, *, permutations: int, seed: int,
              intervals: bool) -> Alignment:  # fmt: skip
    from scipy.stats import kendalltau

    ranks = pair.rank_scores()
    spearman = correlation(*ranks, pair.kept)
    spearman_ci, reason = _interval(pair, ranks, spearman, intervals)
    test = mantel(*ranks, pair.kept, permutations=permutations, seed=seed) if permutations != 0 else None
    return Alignment(
        spearman=spearman, kendall=float(kendalltau(*pair.values()).statistic), spearman_ci=spearman_ci, **by_values,
        mantel_p=test.p if test else None, p_floor=test.floor if test else None, exact=bool(test and test.exact),
        null_sd=test.null_sd if test else None, permutations=test.arrangements if test else 0, seed=seed,
        n_classes=pair.n_classes, n_pairs=pair.n_pairs, ci_method=JACKKNIFE if intervals else None, ci_reason=reason or pearson_reason,
    )  # fmt: skip


def ranks_alike(first: np.ndarray, second: np.ndarray, keep: np.ndarray | None = None) -> bool:
    """Whether two (K, K) references put the pairs that count in one order, ties included: rank statistics cannot tell them apart.

    >>> gaps = np.array([[0.0, 1, 2], [1, 0, 3], [2, 3, 0]])
    >>> ranks_alike(gaps, np.log1p(gaps)), ranks_alike(gaps, np.cos(gaps))
    (True, False)
    """
    counted = np.triu(np.ones(first.shape, bool) if keep is None else keep, 1)
    return np.array_equal(average_ranks(first[counted]), average_ranks(second[counted]))


def _interval(pair: MatrixPair, matrices: tuple[np.ndarray, np.ndarray], value: float, wanted: bool) -> tuple[Interval | None, str | None]:
    if not wanted:
        return None, "intervals were not asked for"
    try:
        return class_interval(value, correlations_without_each(*matrices, pair.kept)), None
    except UndefinedMeasure as error:
        return None, str(error)


def row_alignment(representation: np.ndarray, reference: np.ndarray, keep: np.ndarray | None = None) -> np.ndarray:
    """Spearman of each class's distances to the other classes, (K,); NaN below three partners or where one side is constant."""
    pair = matrix_pair(representation, reference, keep)
    found = np.full(pair.n_classes, np.nan)
    for row, partners in enumerate(pair.kept):
        if partners.sum() < 3:
            continue
        one = average_ranks(pair.representation[row, partners])
        other = average_ranks(pair.reference[row, partners])
        one, other = one - one.mean(), other - other.mean()
        spread = (one @ one) * (other @ other)
        if spread > 0:
            found[row] = np.clip((one @ other) / np.sqrt(spread), -1.0, 1.0)
    return found


@dataclass(frozen=True)
class SurprisingPair:
    """Classes first < second (positions), their two distances, and rank_gap: the difference of their ranks over the number of pairs, -1 .. 1;
    negative: nearer in the representation than the reference says."""

    first: int
    second: int
    representation: float
    reference: float
    rank_gap: float


def surprising_pairs(representation: np.ndarray, reference: np.ndarray, *, keep: np.ndarray | None = None,
                     count: int = 10) -> tuple[tuple[SurprisingPair, ...], tuple[SurprisingPair, ...]]:  # fmt: skip
    """The pairs whose ranks differ most, most surprising first: (nearer than the reference says, farther than it says)."""
    pair = matrix_pair(representation, reference, keep)
    rows, columns = np.nonzero(np.triu(pair.kept, 1))
    near, far = pair.values()
    gaps = (average_ranks(near) - average_ranks(far)) / len(near)

    def chosen(order: np.ndarray) -> tuple[SurprisingPair, ...]:
        return tuple(SurprisingPair(int(rows[i]), int(columns[i]), float(near[i]), float(far[i]), float(gaps[i])) for i in order[:count])

    nearer, farther = np.argsort(gaps, kind="stable"), np.argsort(-gaps, kind="stable")
    return chosen(nearer[gaps[nearer] < 0]), chosen(farther[gaps[farther] > 0])


@dataclass(frozen=True)
class Difference:
    """One statistic of representations a and b; difference = a - b, 0 where rounding alone makes it.

    ci: 95 % jackknife interval of the difference, over other classes.  p: two-sided, from the same standard error and t of K - 1 degrees of
    freedom. Both None with `reason`.
    """

    a: float
    b: float
    difference: float
    ci: Interval | None
    p: float | None
    reason: str | None


@dataclass(frozen=True)
class PairedComparison:
    """Two representations of the same classes against one reference."""

    spearman: Difference
    pearson: Difference
    n_classes: int
    n_pairs: int
    ci_method: str


def compare(representation_a: np.ndarray, representation_b: np.ndarray, reference: np.ndarray, *,
            keep: np.ndarray | None = None) -> PairedComparison:  # fmt: skip
    """Is representation a better aligned with the reference than b? Both (K, K) over the same classes in the same order.

    The difference is taken without each class in turn, so what makes a class hard for both cancels.
    Raises as `align`.
    """
    one, other = matrix_pair(representation_a, reference, keep), matrix_pair(representation_b, reference, keep)
    return PairedComparison(
        spearman=_difference(one.rank_scores(), other.rank_scores(), one.kept),
        pearson=_difference(one.scores(), other.scores(), one.kept),
        n_classes=one.n_classes, n_pairs=one.n_pairs, ci_method=JACKKNIFE,
    )  # fmt: skip


def _difference(one: tuple[np.ndarray, np.ndarray], other: tuple[np.ndarray, np.ndarray], kept: np.ndarray) -> Difference:
    a, b = correlation(*one, kept), correlation(*other, kept)
    without_each = correlations_without_each(*one, kept) - correlations_without_each(*other, kept)
    try:
        enough_classes(len(without_each))
        return Difference(a, b, *jackknifed(a - b, without_each, ACCURACY, -2.0, 2.0), None)
    except UndefinedMeasure as error:
        return Difference(a, b, a - b, None, None, str(error))


def jackknifed(
    difference: float, without_each: np.ndarray, accuracy: float, low: float = -np.inf, high: float = np.inf
) -> tuple[float, Interval, float]:
    """(difference, its 95 % interval, p of no difference) from the differences without each unit.

    accuracy: to which both values are known. A difference whose whole interval lies within it is what rounding leaves of one cloud measured
    twice, turned or scaled in between: it is 0 with p = 1, not the surest of findings.

    >>> jackknifed(3e-16, np.array([3e-16, 3e-16, 3e-16]), 1e-6)
    (0.0, (0.0, 0.0), 1.0)
    """
    interval = jackknife_interval(difference, without_each, low, high)
    if max(abs(difference), abs(interval[0]), abs(interval[1])) <= accuracy:
        return 0.0, (0.0, 0.0), 1.0
    return difference, interval, jackknife_p(difference, without_each)


def jackknife_p(value: float, leave_one_out: np.ndarray) -> float:
    """Two-sided p of value = 0 from the jackknife's standard error and t of K - 1 degrees of freedom.

    >>> round(jackknife_p(2.0, np.array([2.5, 2.0, 1.5])), 4)  # the mean of 1, 2, 3
    0.0742
    """
    from scipy.special import stdtr

    units = len(leave_one_out)
    error = float(np.sqrt((units - 1) / units * np.sum((leave_one_out - leave_one_out.mean()) ** 2)))
    if error == 0.0:
        return 1.0 if value == 0.0 else 0.0
    return float(2.0 * stdtr(units - 1, -abs(value) / error))
