from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from scipy.stats import rankdata, spearmanr

from repr_probe.errors import InputError, UndefinedMeasure
from repr_probe.metrics.group_alignment import group_control, spearman_of, spearman_test
from repr_probe.metrics.matrix_alignment import align
from repr_probe.metrics.noise_ceiling import centroid_distances

HALVES = np.repeat([0, 1], 12)


def distances(n_classes: int, seed: int) -> np.ndarray:
    return centroid_distances(np.random.default_rng(seed).normal(size=(n_classes, 3)))


def two_clusters(seed: int) -> np.ndarray:
    values = np.random.default_rng(seed).normal(size=(24, 3))
    values[:12, 0] += 4
    values[12:, 0] -= 4
    return centroid_distances(values)


def some_left_out(n_classes: int) -> np.ndarray:
    keep = np.triu(np.random.default_rng(9).random((n_classes, n_classes)) < 0.8, 1)
    return keep | keep.T


def test_spearman_is_that_of_the_kept_pairs_and_its_test_that_of_align():
    first, second, keep = distances(14, 0), distances(14, 1), some_left_out(14)
    counted = np.triu(keep, 1)
    assert spearman_of(first, second, keep) == pytest.approx(spearmanr(first[counted], second[counted]).statistic, abs=1e-12)
    whole = align(first, second, keep=keep, permutations=99, intervals=False)
    assert spearman_test(first, second, keep, permutations=99) == (whole.spearman, whole.mantel_p)
    assert spearman_test(first, second, keep, permutations=0) == (whole.spearman, None)


@pytest.mark.parametrize("masked", [False, True])
def test_partial_is_the_correlation_of_what_a_straight_line_on_the_division_leaves_of_the_ranks(masked):
    """By least squares and by pairs: nothing of the formula of the three correlations."""
    first, second = two_clusters(0), two_clusters(1)
    keep = some_left_out(24) if masked else ~np.eye(24, dtype=bool)
    counted = np.triu(keep, 1)
    across = (HALVES[:, None] != HALVES)[counted].astype(float)
    line = np.column_stack([np.ones(len(across)), across])
    ranks = [rankdata(matrix[counted]) for matrix in (first, second)]
    rest = [values - line @ np.linalg.lstsq(line, values, rcond=None)[0] for values in ranks]
    found = group_control(first, second, HALVES, keep=keep, permutations=0)
    assert found.partial == pytest.approx(np.corrcoef(*rest)[0, 1], abs=1e-12)
    assert found.split == pytest.approx(spearmanr(first[counted], across).statistic, abs=1e-12)
    assert found.n_pairs == (across == 0).sum()
    assert found.within == pytest.approx(spearmanr(first[counted][across == 0], second[counted][across == 0]).statistic, abs=1e-12)


def test_what_the_division_makes_goes_away_when_it_is_held_fixed():
    first, second = two_clusters(0), two_clusters(1)
    found = group_control(first, second, HALVES)
    assert align(first, second).mantel_p < 0.01 and spearman_of(first, second) > 0.6 and found.split > 0.7
    assert abs(found.partial) < 0.25 and found.within_p > 0.05


def test_what_lies_inside_the_groups_stays():
    hidden = np.random.default_rng(0).normal(size=(24, 4))
    near = centroid_distances(hidden + 0.3 * np.random.default_rng(1).normal(size=hidden.shape))
    found = group_control(near, centroid_distances(hidden), HALVES)
    assert found.partial > 0.8 and found.within > 0.8 and found.within_p == 0.001


def test_inside_small_groups_every_renaming_is_taken():
    """3! · 2! namings by hand; a class alone in its group keeps its name."""
    first, second, codes = distances(6, 0), distances(6, 1), np.array([0, 0, 0, 1, 1, 2])
    counted = np.triu(codes[:, None] == codes, 1)
    ranks = np.zeros((6, 6))
    ranks[counted] = rankdata(second[counted])
    ranks += ranks.T
    values = []
    for three in permutations(range(3)):
        for two in permutations((3, 4)):
            order = np.array([*three, *two, 5])
            values.append(abs(np.corrcoef(rankdata(first[counted]), ranks[np.ix_(order, order)][counted])[0, 1]))
    found = group_control(first, second, codes)
    assert found.within_p == np.mean(np.array(values) >= abs(found.within) - 1e-12)


def test_neither_the_names_of_the_groups_nor_the_order_of_the_classes_matters():
    first, second, order = two_clusters(0), two_clusters(1), np.random.default_rng(2).permutation(24)
    plain = group_control(first, second, HALVES, permutations=0)
    turned = group_control(first[np.ix_(order, order)], second[np.ix_(order, order)], 7 - 3 * HALVES[order], permutations=0)
    for name in ("split", "partial", "within", "n_pairs"):
        assert getattr(turned, name) == pytest.approx(getattr(plain, name), abs=1e-12)


def test_a_matrix_that_is_nothing_but_the_division_leaves_nothing():
    codes = np.repeat([0, 1], 3)
    division = (codes[:, None] != codes).astype(float)
    with pytest.raises(UndefinedMeasure, match="reference must tell pairs of classes apart"):
        group_control(distances(6, 0), division, codes)


def test_one_pair_inside_is_enough_for_a_partial_correlation():
    codes = np.repeat([0, 1], 60)
    division = (codes[:, None] != codes).astype(float)
    division[0, 1] = division[1, 0] = 0.1
    found = group_control(division, division, codes, permutations=0)
    assert found.split < 1 and found.partial == pytest.approx(1.0, abs=1e-9)


def test_a_control_needs_a_division_of_these_classes():
    with pytest.raises(UndefinedMeasure, match="the division into groups must tell pairs of classes apart"):
        group_control(distances(5, 0), distances(5, 1), np.zeros(5))
    with pytest.raises(UndefinedMeasure, match="the division into groups must tell pairs of classes apart"):
        group_control(distances(5, 0), distances(5, 1), np.arange(5))
    with pytest.raises(InputError, match=r"groups must name one group for each of the 5 classes; got shape \(4,\)") as failure:
        group_control(distances(5, 0), distances(5, 1), np.zeros(4))
    assert failure.value.code == "E_GROUPS"
