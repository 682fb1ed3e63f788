from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from repr_probe.errors import InputError, UndefinedMeasure, UsageError
from repr_probe.metrics.leave_class_out import correlations_without_each
from repr_probe.metrics.matrix_alignment import align, compare, jackknife_p, noise_ceiling, ranks_alike, row_alignment, surprising_pairs
from repr_probe.metrics.matrix_ranks import average_ranks, matrix_pair, rank_matrix
from repr_probe.metrics.noise_ceiling import centroid_distances

UPPER = np.triu_indices(14, 1)


def distances(n_classes: int, seed: int, *, decimals: int | None = None, width: int = 3) -> np.ndarray:
    found = centroid_distances(np.random.default_rng(seed).normal(size=(n_classes, width)))
    return found if decimals is None else np.round(found, decimals)


def related(n_classes: int, seed: int, noise: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    hidden = rng.normal(size=(n_classes, 3))
    return centroid_distances(hidden + noise * rng.normal(size=hidden.shape)), np.round(centroid_distances(hidden), 1)


def some_left_out(n_classes: int, seed: int) -> np.ndarray:
    keep = np.random.default_rng(seed).random((n_classes, n_classes)) < 0.8
    return np.triu(keep, 1) | np.triu(keep, 1).T


@pytest.mark.parametrize("decimals", [None, 1, 0])
def test_correlations_are_those_of_scipy(decimals):
    first, second = distances(14, 0, decimals=decimals), distances(14, 1, decimals=1)
    found = align(first, second, permutations=0)
    assert found.spearman == pytest.approx(stats.spearmanr(first[UPPER], second[UPPER]).statistic, abs=1e-13)
    assert found.pearson == pytest.approx(stats.pearsonr(first[UPPER], second[UPPER]).statistic, abs=1e-13)
    assert found.kendall == pytest.approx(stats.kendalltau(first[UPPER], second[UPPER]).statistic, abs=1e-13)
    assert (found.n_classes, found.n_pairs, found.mantel_p, found.pearson_p) == (14, 91, None, None)


def test_pairs_left_out_do_not_count():
    first, second, keep = distances(14, 0), distances(14, 1, decimals=1), some_left_out(14, 2)
    second[~keep] = np.nan
    counted = np.triu(keep, 1)
    found = align(first, second, keep=keep, permutations=99)
    assert found.n_pairs == counted.sum() < 91
    assert found.spearman == pytest.approx(stats.spearmanr(first[counted], second[counted]).statistic, abs=1e-13)
    assert found.pearson == pytest.approx(stats.pearsonr(first[counted], second[counted]).statistic, abs=1e-13)
    assert found.mantel_p is not None


def test_a_reference_that_ranks_alike_takes_over_what_depends_on_ranks():
    first, second = related(14, 0)
    second[0, 1] = second[1, 0] = second[2, 3]
    other, keep = np.log1p(second), some_left_out(14, 2)
    how = {"keep": keep, "permutations": 49, "seed": 3}
    assert ranks_alike(second, other, keep) and not ranks_alike(second, first, keep)
    assert align(first, other, **how, same_order=align(first, second, **how)) == align(first, other, **how)


def test_average_ranks_are_those_of_scipy():
    values = np.random.default_rng(0).integers(0, 9, 40).astype(float)
    np.testing.assert_array_equal(average_ranks(values), stats.rankdata(values))


def test_a_pair_left_out_stands_between_its_neighbours():
    square = np.zeros((3, 3))
    square[np.triu_indices(3, 1)] = [1.0, 2.0, 3.0]
    square += square.T
    keep = np.ones((3, 3), dtype=bool)
    keep[0, 2] = keep[2, 0] = False
    assert rank_matrix(square, keep)[0].tolist() == [0.0, 1.0, 1.5]


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("ranked", [False, True])
def test_without_each_class_equals_the_loop(ranked, masked):
    pair = matrix_pair(distances(14, 0), distances(14, 1, decimals=1), some_left_out(14, 2) if masked else None)
    scores = pair.rank_scores() if ranked else pair.scores()
    found = correlations_without_each(*scores, pair.kept)
    for without in range(14):
        inside = np.triu(pair.kept, 1)
        inside[without], inside[:, without] = False, False
        assert found[without] == pytest.approx(np.corrcoef(scores[0][inside], scores[1][inside])[0, 1], abs=1e-12)


def test_the_interval_is_the_jackknife_of_the_ranks():
    first, second = related(40, 3)
    found = align(first, second, permutations=0)
    ranks = matrix_pair(first, second).rank_scores()
    left = []
    for without in range(40):
        inside = np.triu(~np.eye(40, dtype=bool), 1)
        inside[without], inside[:, without] = False, False
        left.append(np.corrcoef(ranks[0][inside], ranks[1][inside])[0, 1])
    half = stats.t.ppf(0.975, 39) * np.sqrt(39 / 40 * np.sum((np.array(left) - np.mean(left)) ** 2))
    assert found.spearman_ci == pytest.approx((found.spearman - half, found.spearman + half), abs=1e-10)
    assert found.ci_method == "delete-one-class jackknife"


def test_no_interval_below_ten_classes_or_when_not_asked_for():
    assert align(distances(9, 0), distances(9, 1), permutations=0).ci_reason == "an interval over classes needs 10 classes; got 9"
    found = align(distances(12, 0), distances(12, 1), permutations=0, intervals=False)
    assert (found.spearman_ci, found.ci_method, found.ci_reason) == (None, None, "intervals were not asked for")


def test_the_order_of_the_classes_does_not_matter():
    first, second = related(30, 4)
    order = np.random.default_rng(0).permutation(30)
    cut = np.ix_(order, order)
    one, other = align(first, second, permutations=0), align(first[cut], second[cut], permutations=0)
    for name in ("spearman", "pearson", "kendall"):
        assert getattr(one, name) == pytest.approx(getattr(other, name), abs=1e-12)
    assert one.spearman_ci == pytest.approx(other.spearman_ci, abs=1e-11)
    np.testing.assert_allclose(row_alignment(first, second)[order], row_alignment(first[cut], second[cut]), atol=1e-12)


def test_spearman_ignores_monotone_maps_and_pearson_straight_lines():
    first, second = related(20, 5)
    one = align(first, second, permutations=0)
    assert align(np.arccos(1 - first), second, permutations=0).spearman == pytest.approx(one.spearman, abs=1e-12)
    assert align(3 * first, second, permutations=0).pearson == pytest.approx(one.pearson, abs=1e-12)
    assert align(first, first).spearman == pytest.approx(1.0, abs=1e-12)


def test_a_constant_matrix_has_no_alignment():
    constant = 1.0 - np.eye(6)
    with pytest.raises(UndefinedMeasure, match=r"reference must tell pairs of classes apart; all 15 pairs are equally far \(1\)"):
        align(distances(6, 0), constant)
    with pytest.raises(UndefinedMeasure, match="representation must tell pairs of classes apart"):
        align(0.1 * constant, distances(6, 0))


def test_too_few_classes_or_pairs():
    with pytest.raises(UndefinedMeasure, match="needs 3 classes; got 2"):
        align(distances(2, 0), distances(2, 1))
    with pytest.raises(UndefinedMeasure, match="needs 3 pairs of classes that count; got 0"):
        align(distances(5, 0), distances(5, 1), keep=np.eye(5, dtype=bool))


@pytest.mark.parametrize(("first", "second", "keep", "text"), [
    (np.zeros((3, 4)), np.zeros((3, 3)), None, r"representation must be a square matrix of real distances; got shape \(3, 4\)"),
    (distances(4, 0), distances(5, 0), None, "reference must have the 4 classes of the representation; got 5"),
    (np.arange(16.0).reshape(4, 4), distances(4, 0), None, "representation must be symmetric; got entries that differ by 9"),
    (distances(4, 0), np.full((4, 4), np.nan), None, "reference must be finite; got nan"),
    (distances(4, 0), distances(4, 1), np.triu(np.ones((4, 4), dtype=bool)), "keep must be a symmetric 4 x 4 bool matrix"),
    (distances(4, 0), distances(4, 1), np.ones((4, 4)), "keep must be a symmetric 4 x 4 bool matrix; .* float64"),
])  # fmt: skip
def test_matrices_that_are_not_distances(first, second, keep, text):
    with pytest.raises(InputError, match=text):
        align(first, second, keep=keep)


def test_negative_permutations_are_refused():
    with pytest.raises(UsageError, match="permutations must be a whole number from 1; got -1"):
        align(distances(5, 0), distances(5, 1), permutations=-1)


def test_rows_are_those_of_scipy():
    first, second, keep = distances(14, 0), distances(14, 1, decimals=1), some_left_out(14, 2)
    found = row_alignment(first, second, keep)
    for row in range(14):
        assert found[row] == pytest.approx(stats.spearmanr(first[row, keep[row]], second[row, keep[row]]).statistic, abs=1e-12)


def test_a_row_without_differences_is_nan():
    second = distances(6, 0)
    second[2], second[:, 2] = 1.0, 1.0
    assert np.flatnonzero(np.isnan(row_alignment(distances(6, 1), second))).tolist() == [2]


def test_the_most_surprising_pairs_are_those_moved_by_hand():
    first = distances(14, 0)
    second = first.copy()
    second[1, 4] = second[4, 1] = 9.0
    second[7, 2] = second[2, 7] = 0.0
    nearer, farther = surprising_pairs(first, second, count=3)
    assert (nearer[0].first, nearer[0].second, nearer[0].reference) == (1, 4, 9.0)
    assert (farther[0].first, farther[0].second) == (2, 7)
    assert nearer[0].rank_gap < 0 < farther[0].rank_gap
    gaps = (stats.rankdata(first[UPPER]) - stats.rankdata(second[UPPER])) / 91
    assert nearer[0].rank_gap == pytest.approx(gaps.min())
    assert surprising_pairs(first, first) == ((), ())


def test_compared_with_itself_there_is_no_difference():
    first, second = related(20, 6)
    found = compare(first, first, second)
    assert (found.spearman.difference, found.spearman.ci, found.spearman.p) == (0.0, (0.0, 0.0), 1.0)


def test_the_better_of_two_is_found_and_the_order_only_turns_the_sign():
    rng = np.random.default_rng(0)
    hidden = rng.normal(size=(40, 4))
    near, far = (centroid_distances(hidden + noise * rng.normal(size=hidden.shape)) for noise in (0.3, 1.5))
    one, other = compare(near, far, centroid_distances(hidden)), compare(far, near, centroid_distances(hidden))
    assert one.spearman.p < 0.001 and one.spearman.ci[0] > 0
    assert one.spearman.difference == -other.spearman.difference
    assert one.spearman.a == pytest.approx(align(near, centroid_distances(hidden), permutations=0).spearman, abs=1e-14)
    assert one.pearson.difference > 0


def test_no_test_of_a_difference_below_ten_classes():
    found = compare(distances(9, 0), distances(9, 1), distances(9, 2))
    assert (found.spearman.p, found.spearman.reason) == (None, "an interval over classes needs 10 classes; got 9")


def test_jackknife_p_of_a_mean_is_the_t_test():
    x = np.random.default_rng(0).normal(0.3, size=20)
    assert jackknife_p(x.mean(), (x.sum() - x) / 19) == pytest.approx(stats.ttest_1samp(x, 0).pvalue, rel=1e-10)
    assert jackknife_p(1.0, np.ones(5)) == 0.0


def test_noise_ceiling_by_hand():
    rng = np.random.default_rng(0)
    hidden = rng.normal(size=(14, 5))
    halves = [hidden + 0.4 * rng.normal(size=hidden.shape) for _ in range(2)]
    found = noise_ceiling(*halves)
    r = stats.spearmanr(centroid_distances(halves[0])[UPPER], centroid_distances(halves[1])[UPPER]).statistic
    assert found.half_spearman == pytest.approx(r)
    assert found.reliability_spearman == pytest.approx(2 * r / (1 + r))
    assert found.ceiling_spearman == pytest.approx(np.sqrt(2 * r / (1 + r)))
    assert noise_ceiling(hidden, hidden).ceiling_pearson == pytest.approx(1.0)


def test_halves_that_disagree_leave_nothing():
    found = noise_ceiling(np.array([[1, 0], [1, 0.1], [0, 1]]), np.array([[1, 0], [0, 1], [1, 0.1]]))
    assert found.half_pearson < 0
    assert (found.reliability_pearson, found.ceiling_pearson) == (0.0, 0.0)


def test_a_centroid_without_direction():
    with pytest.raises(UndefinedMeasure, match="the centroid of class 1 has length 0"):
        noise_ceiling(np.array([[1.0, 0], [0, 0], [1, 1]]), np.ones((3, 2)))
    with pytest.raises(InputError, match=r"centroids must be a finite matrix, classes x features; got shape \(3,\)"):
        noise_ceiling(np.ones(3), np.ones(3))


def test_representations_that_differ_by_rounding_alone_have_no_difference():
    one, reference = distances(12, 0), distances(12, 1)
    other = one * (1.0 + 1e-15 * np.arange(12)[:, None])
    found = compare(one, (other + other.T) / 2.0, reference)
    for difference in (found.spearman, found.pearson):
        assert (difference.difference, difference.ci, difference.p) == (0.0, (0.0, 0.0), 1.0)
