from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from repr_probe.errors import UndefinedMeasure
from repr_probe.metrics.cosine_pairs import cosine_pair_sums, cosine_pair_totals
from repr_probe.metrics.functions import d_prime
from repr_probe.metrics.inference import delete_groups
from repr_probe.metrics.lifted import LiftedGram
from repr_probe.metrics.pair_sums import PairTotals
from repr_probe.metrics.rows import Rows
from repr_probe.ranks import Ranks

GOLDEN_COSINES = (0.2, 0.8, 0.2, 0.8)


def golden():
    """Four classes in four orthogonal planes, two rows each at +t and -t, cos 2t as given."""
    rows = []
    for number, cosine in enumerate(GOLDEN_COSINES):
        t = np.arccos(cosine) / 2
        for sign in (1, -1):
            row = np.zeros(8)
            row[2 * number : 2 * number + 2] = np.cos(t), sign * np.sin(t)
            rows.append(row)
    return np.array(rows), np.repeat(range(4), 2)


def test_golden_d_prime_and_its_companions(values):
    x, y = golden()
    found = values(x, y)
    expected = {
        "d_prime": 0.5 / np.sqrt(0.045), "center_vector_norm": np.sqrt(0.1875), "anisotropy_mean_cosine": 1 / 14,
        "angle_positive_mean": 57.66651, "angle_positive_std": 20.79662, "angle_negative_mean": 90.0, "angle_negative_std": 0.0,
        "alignment_class": 1.0, "angle_gap": 32.33349, "auc": 1.0,
    }  # fmt: skip
    lengths = np.sqrt((1 + np.array(GOLDEN_COSINES)) / 2)  # of the centroids, which are orthogonal
    expected["centroid_rank"] = np.exp(-np.sum(lengths / lengths.sum() * np.log(lengths / lengths.sum())))
    for key, number in expected.items():
        assert found[key] == pytest.approx(number, abs=1e-4 if "angle" in key else 1e-9), key
    assert found["d_prime"] == pytest.approx(2.3570226, abs=1e-7)


def sorted_rows(x, codes, limit=100):
    """Unit rows as the states order them: by group, then class."""
    groups = delete_groups(int(codes.max()) + 1, limit)[codes]
    order = np.lexsort((np.arange(len(codes)), codes, groups))
    return Rows(x, order, unit=True), codes[order], groups[order], order


def assert_totals(found: PairTotals, brute, x, codes, where=None):
    def pick(part):
        return float(part if where is None else part[where])

    pairs = brute.pairs(x, codes)
    same, every = pairs["positive"][0], pairs["labelled"][0]
    assert pick(found.same_n) == 2 * len(same)
    assert pick(found.all_n) == 2 * len(every)
    for total, parts in ((found.same_1, -same), (found.same_2, same**2), (found.all_1, -every), (found.all_2, every**2)):
        assert pick(total) == pytest.approx(float(2 * parts.sum()), rel=1e-11, abs=1e-13)


@st.composite
def labelled_clouds(draw):
    n, width = draw(st.integers(2, 24)), draw(st.integers(1, 9))
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    _, codes = np.unique(rng.integers(0, draw(st.integers(1, 8)), n), return_inverse=True)
    offset = draw(st.sampled_from([0.0, 1.0, 30.0]))
    return rng.normal(size=(n, width)) + offset * rng.normal(size=width), codes


@settings(deadline=None, derandomize=True, max_examples=60)
@given(labelled_clouds(), st.sampled_from([2, 3, 100]))
def test_sums_are_those_of_every_pair(brute, cloud, limit):
    x, codes = cloud
    rows, sorted_codes, groups, order = sorted_rows(x, codes, limit)
    sums = cosine_pair_sums(rows, sorted_codes, groups)
    assert_totals(sums.totals(), brute, x, codes)
    assert_totals(cosine_pair_totals(rows, sorted_codes), brute, x, codes)
    u = brute.unit(x)[order]
    deficit = ((u[:, None] - u[None]) ** 2).sum(-1) / 2
    for found, expected in ((sums.all_1, -deficit), (sums.all_2, deficit**2)):
        np.testing.assert_allclose(found, expected.sum(1).astype(float), rtol=1e-10, atol=1e-12)
    same = sorted_codes[:, None] == sorted_codes
    np.testing.assert_allclose(sums.same_1, np.where(same, -deficit, 0).sum(1).astype(float), rtol=1e-10, atol=1e-12)


@settings(deadline=None, derandomize=True, max_examples=30)
@given(labelled_clouds(), st.sampled_from([2, 3, 100]))
def test_leaving_a_group_or_a_row_out_is_measuring_without_it(brute, cloud, limit):
    x, codes = cloud
    rows, sorted_codes, groups, order = sorted_rows(x, codes, limit)
    sums = cosine_pair_sums(rows, sorted_codes, groups)
    for group in range(int(groups.max()) + 1):
        kept = order[groups != group]
        if len(kept) > 1:
            assert_totals(sums.without_each_group(), brute, x[kept], codes[kept], group)
    for row in range(len(x)):
        kept = np.delete(order, row)
        if len(kept) > 1:
            assert_totals(sums.without_each_row(), brute, x[kept], codes[kept], row)


def test_a_given_gram_saves_the_pass_and_changes_nothing():
    x, codes = np.random.default_rng(0).normal(size=(30, 5)), np.repeat(range(3), 10)
    rows = Rows(x, unit=True)
    gram = LiftedGram(rows.block(7, 8)[0])
    gram.add(gram.lift(rows.block(0, 30)))
    with_gram, without = cosine_pair_sums(rows, codes, codes, gram), cosine_pair_sums(rows, codes, codes)
    for name in ("all_1", "all_2", "same_1", "same_2", "within_1", "within_2"):
        np.testing.assert_allclose(getattr(with_gram, name), getattr(without, name), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("width", [2, 40])
def test_classes_larger_and_smaller_than_the_width(brute, width):
    rng = np.random.default_rng(1)
    codes = np.repeat(range(4), [1, 3, 20, 60])
    x = rng.normal(size=(84, width)) + 2 * rng.normal(size=(4, width))[codes]
    assert d_prime(x, codes) == pytest.approx(brute.d_prime(x, codes), rel=1e-12)


@pytest.mark.parametrize("scatter", [1.0, 1e-1, 1e-2, 1e-3, 1e-4, 1e-5])
def test_collapsed_clouds_keep_their_digits(brute, scatter):
    rng = np.random.default_rng(3)
    codes = np.repeat(range(5), 8)
    x = np.ones(16) + scatter * (rng.normal(size=(40, 16)) + rng.normal(size=(5, 16))[codes])
    assert d_prime(x, codes) == pytest.approx(brute.d_prime(x, codes), rel=1e-6 if scatter > 1e-5 else 1e-4)


def test_row_order_and_label_names_do_not_matter():
    rng = np.random.default_rng(4)
    x, y = rng.normal(size=(60, 7)), rng.integers(0, 6, 60)
    order = rng.permutation(60)
    expected = d_prime(x, y)
    assert d_prime(x[order], y[order]) == pytest.approx(expected, abs=1e-12)
    assert d_prime(x, [f"class {10 - label}" for label in y]) == pytest.approx(expected, abs=1e-12)
    assert d_prime(x, y[order]) != pytest.approx(expected, abs=1e-3)
    assert abs(d_prime(x, y[order])) < 0.3


@pytest.mark.parametrize("seed", range(8))
def test_simplex_frames_in_any_position_are_infinitely_separable(seed, measured):
    k = 5
    turn = np.linalg.qr(np.random.default_rng(seed).normal(size=(k, k)))[0]
    x = np.repeat((np.eye(k) - 1 / k) @ turn * 3.3, 3, axis=0)
    labels = np.repeat(range(k), 3)
    assert d_prime(x, labels) == np.inf
    found = measured(x, labels, keys=["d_prime", "centroid_rank_centered", "alignment_class"])
    assert found["d_prime"].value is None
    assert found["d_prime"].degenerate == "+inf"
    assert found["d_prime"].reason == "the limit is +inf: no spread within the pairs"
    assert found["centroid_rank_centered"].value == pytest.approx(k - 1)
    assert found["alignment_class"].value == pytest.approx(0, abs=1e-12)


def test_no_difference_and_no_spread_is_zero():
    assert d_prime(np.eye(6), [0, 0, 0, 1, 1, 1]) == 0.0
    assert d_prime(np.ones((6, 3)), [0, 0, 0, 1, 1, 1]) == 0.0
    assert d_prime(np.outer([1, 2, 3, 4], [0.3, 0.7]), [0, 0, 1, 1]) == 0.0


def test_worse_than_chance_is_negative(brute):
    x = np.array([[1.0, 0.1], [-1.0, 0.1], [1.0, -0.1], [-1.0, -0.2]])
    assert d_prime(x, [0, 0, 1, 1]) == pytest.approx(brute.d_prime(x, [0, 0, 1, 1]))
    assert d_prime(x, [0, 0, 1, 1]) < -0.5


@pytest.mark.parametrize(
    ("labels", "reason"),
    [
        (None, "needs labels"),
        ([1, 1, 1, 1], "needs two classes; got 1"),
        ([1, 2, 3, 4], "needs a class with two rows; all 4 classes have one"),
    ],
)
def test_d_prime_needs_both_kinds_of_pairs(labels, reason):
    with pytest.raises(UndefinedMeasure, match=reason):
        d_prime(np.eye(4), labels)


def test_class_means_of_d_prime(brute, values):
    rng = np.random.default_rng(5)
    x, y = rng.normal(size=(30, 6)), rng.integers(0, 4, 30)
    u = brute.unit(x)
    cosine = (u @ u.T).astype(float)
    parts = []
    for label in range(4):
        own = cosine[np.ix_(y == label, y == label)]
        own, other = own[np.triu_indices(len(own), 1)], cosine[np.ix_(y == label, y != label)]
        parts.append((own.mean() - other.mean()) / np.sqrt((own.var() + other.var()) / 2))
    assert values(x, y)["d_prime_class_mean"] == pytest.approx(np.mean(parts), rel=1e-10)
    pairs = brute.pairs(x, y)
    same, every = pairs["positive"][0], pairs["all"][0]
    expected = (every.mean() - same.mean()) / np.sqrt((every.var() + same.var()) / 2)
    assert values(x, y)["d_prime_all_vs_positive"] == pytest.approx(float(expected), rel=1e-10)


class ThreadRanks(Ranks):
    """Ranks that are threads of this process; `store` is (a barrier, what each brings to a sum)."""

    def sum(self, values):
        barrier, brought = self.store
        brought[self.rank] = values.copy()
        barrier.wait()
        total = sum(brought)
        barrier.wait()
        values[...] = total


@pytest.mark.parametrize("world_size", [2, 3, 11])
@pytest.mark.parametrize("limit", [3, 100])
@pytest.mark.parametrize("known", [True, False])
def test_shared_over_processes(known, limit, world_size, monkeypatch):
    """Uneven parts, and ranks with no rows or no class; the moments known already or not."""
    monkeypatch.setattr("repr_probe.metrics.rows._EFFICIENT_ROWS", 16)
    monkeypatch.setattr("repr_probe.metrics.rows._CACHED", 1)
    monkeypatch.setattr("repr_probe.metrics.cosine_pairs._largest_gram", lambda rows: 20)
    rng = np.random.default_rng(2)
    codes = np.repeat(range(6), [1, 3, 20, 30, 21, 2])
    rows, codes, groups, _ = sorted_rows(rng.normal(size=(77, 8)) + 2 * rng.normal(size=(6, 8))[codes], codes, limit)
    expected = cosine_pair_sums(rows, codes, groups)
    gram = LiftedGram(rows.block(0, 1)[0])
    gram.add(gram.lift_rows(rows, 0, 77))
    meeting = threading.Barrier(world_size, timeout=20), [None] * world_size

    def of_rank(rank):
        return cosine_pair_sums(rows, codes, groups, gram if known else None, ranks=ThreadRanks(rank, world_size, None, meeting))

    with ThreadPoolExecutor(world_size) as pool:
        for found in pool.map(of_rank, range(world_size)):
            for name in ("all_1", "all_2", "same_1", "same_2", "within_1", "within_2"):
                np.testing.assert_allclose(getattr(found, name), getattr(expected, name), rtol=1e-12, atol=1e-11, err_msg=name)
