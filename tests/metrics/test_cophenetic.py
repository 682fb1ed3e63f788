from __future__ import annotations

import numpy as np
import pytest
from scipy.cluster.hierarchy import cophenet, linkage
from scipy.spatial.distance import squareform
from scipy.stats import pearsonr, spearmanr

from repr_probe.errors import UndefinedMeasure, UsageError
from repr_probe.metrics.cophenetic import LINKAGES, cophenetic_alignment, tree_distances
from repr_probe.metrics.noise_ceiling import centroid_distances


def pair(n_classes: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    hidden = rng.normal(size=(n_classes, 4))
    return centroid_distances(hidden + rng.normal(size=hidden.shape)), np.round(centroid_distances(hidden), 2)


@pytest.mark.parametrize("name", LINKAGES)
def test_both_correlations_are_those_of_scipy(name):
    first, second = pair(14, 0)
    found = cophenetic_alignment(first, second, linkage=name, permutations=0, intervals=False)
    near, far = squareform(first, checks=False), squareform(second)
    own = cophenet(linkage(np.sqrt(2 * near) if name == "ward" else near, name))
    other = cophenet(linkage(far, name))
    assert found.rep_tree == pytest.approx(pearsonr(own, far).statistic, abs=1e-12)
    assert found.tree_tree == pytest.approx(pearsonr(own, other).statistic, abs=1e-12)
    assert found.rep_tree_spearman == pytest.approx(spearmanr(own, far).statistic, abs=1e-12)
    assert found.tree_tree_spearman == pytest.approx(spearmanr(own, other).statistic, abs=1e-12)
    assert found.rep_self == pytest.approx(pearsonr(own, near).statistic, abs=1e-12)
    assert found.reference_self == pytest.approx(pearsonr(other, far).statistic, abs=1e-12)


def lowest_joining_height(joins: np.ndarray, n_classes: int) -> np.ndarray:
    members: list[list[int]] = [[row] for row in range(n_classes)]
    heights = np.zeros((n_classes, n_classes))
    for left, right, height, _ in joins:
        for a in members[int(left)]:
            for b in members[int(right)]:
                heights[a, b] = heights[b, a] = height
        members.append(members[int(left)] + members[int(right)])
    return heights


def test_tree_distances_are_the_heights_of_the_joins():
    first, _ = pair(12, 1)
    np.testing.assert_allclose(tree_distances(first), lowest_joining_height(linkage(squareform(first, checks=False), "average"), 12))


def test_heights_that_differ_by_rounding_are_one_height():
    gaps = np.full((4, 4), 1.0)
    gaps[0, 1] = gaps[1, 0] = 0.1 + 0.2
    gaps[2, 3] = gaps[3, 2] = 0.3
    np.fill_diagonal(gaps, 0.0)
    found = tree_distances(gaps)
    assert found[0, 1] == found[2, 3] == 0.3
    assert found[0, 2] == 1.0


def test_the_order_of_the_classes_does_not_matter_without_ties():
    rng = np.random.default_rng(0)
    first, second = (centroid_distances(rng.normal(size=(15, 4))) for _ in range(2))
    order = rng.permutation(15)
    cut = np.ix_(order, order)
    one = cophenetic_alignment(first, second, permutations=0, intervals=False)
    other = cophenetic_alignment(first[cut], second[cut], permutations=0, intervals=False)
    assert (one.rep_tree, one.tree_tree) == pytest.approx((other.rep_tree, other.tree_tree), abs=1e-12)


def test_a_tree_against_itself_is_one():
    first, _ = pair(12, 2)
    heights = tree_distances(first)
    found = cophenetic_alignment(heights, heights)
    assert (found.rep_tree, found.tree_tree, found.rep_self) == pytest.approx((1.0, 1.0, 1.0), abs=1e-12)
    assert found.rep_tree_p == found.tree_tree_p == 0.001


def test_the_intervals_are_half_samples_of_the_classes():
    first, second = pair(20, 3)
    found = cophenetic_alignment(first, second, permutations=0)
    rng = np.random.default_rng(0)
    values = []
    for _ in range(200):
        half = rng.permutation(20)[:10]
        cut = np.ix_(half, half)
        values.append(pearsonr(cophenet(linkage(squareform(first[cut], checks=False), "average")), squareform(second[cut])).statistic)
    assert found.rep_tree_ci == pytest.approx((found.rep_tree - 1.959964 * np.std(values), found.rep_tree + 1.959964 * np.std(values)), abs=1e-6)
    assert found.tree_tree_ci is not None
    assert (found.ci_method, found.ci_reason) == ("half-class subsampling", None)


def test_few_classes_have_a_p_but_no_interval():
    found = cophenetic_alignment(*pair(5, 4))
    assert (found.exact, found.permutations, found.rep_tree_ci) == (True, 120, None)
    assert found.p_floor >= 1 / 120
    assert found.ci_reason == "an interval over classes needs 10 classes; got 5"


def test_pairs_left_out_do_not_count_but_stay_in_the_tree():
    first, second = pair(14, 5)
    keep = np.ones((14, 14), dtype=bool)
    keep[3, 4] = keep[4, 3] = False
    found = cophenetic_alignment(first, second, keep=keep, permutations=0, intervals=False)
    counted = np.triu(keep, 1)
    assert found.n_pairs == 90
    assert found.rep_tree == pytest.approx(pearsonr(tree_distances(first)[counted], second[counted]).statistic, abs=1e-12)


def test_a_reference_whose_tree_is_flat_leaves_the_tree_against_the_reference():
    """Single linkage of points of which each has a neighbour at distance 1 joins everything at 1."""
    gaps = np.abs(np.subtract.outer(np.arange(12.0), np.arange(12.0)))
    found = cophenetic_alignment(pair(12, 6)[0], gaps, linkage="single", permutations=0)
    assert found.rep_tree is not None and found.tree_tree is None and found.reference_self is None
    assert found.tree_tree_reason == "in the trees, reference must tell pairs of classes apart; all 66 pairs are equally far (1)"


def test_undefined_and_unknown():
    first, second = pair(6, 0)
    with pytest.raises(UndefinedMeasure, match="representation must tell pairs of classes apart"):
        cophenetic_alignment(1.0 - np.eye(6), second)
    with pytest.raises(UndefinedMeasure, match="reference must tell pairs of classes apart"):
        cophenetic_alignment(first, 1.0 - np.eye(6))
    with pytest.raises(UndefinedMeasure, match="needs 3 classes; got 2"):
        cophenetic_alignment(first[:2, :2], second[:2, :2])
    with pytest.raises(UsageError, match=r"linkage must be one of average, .*; got 'averge'; did you mean average"):
        cophenetic_alignment(first, second, linkage="averge")
