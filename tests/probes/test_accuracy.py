from __future__ import annotations

import numpy as np
import pytest

from repr_probe.errors import InputError
from repr_probe.probes.accuracy import mcnemar, wilson_interval


@pytest.mark.parametrize(("hits", "n"), [(0, 10), (10, 10), (81, 263), (1, 1), (5000, 10000)])
def test_wilson_equals_scipy(hits, n):
    from scipy.stats import binomtest

    theirs = binomtest(hits, n).proportion_ci(method="wilson")
    assert wilson_interval(hits, n) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


@pytest.mark.parametrize(("one", "other"), [(0, 0), (9, 1), (30, 12), (1, 0), (200, 260)])
def test_mcnemar_equals_the_binomial_test(one, other):
    from scipy.stats import binomtest

    first = np.r_[np.ones(one, bool), np.zeros(other, bool), np.ones(40, bool), np.zeros(10, bool)]
    second = np.r_[np.zeros(one, bool), np.ones(other, bool), np.ones(40, bool), np.zeros(10, bool)]
    found = mcnemar(first, second)
    expected = binomtest(one, one + other).pvalue if one + other else 1.0
    assert found.p == pytest.approx(expected, rel=1e-9)
    assert (found.only_first, found.only_second, found.n_queries) == (one, other, one + other + 50)
    assert found.difference == pytest.approx(first.mean() - second.mean())
    assert found.ci[0] <= found.difference <= found.ci[1]


@pytest.mark.parametrize(
    ("table", "published"),
    [
        ((36, 12, 2, 0), (0.0569, 0.3404)),
        ((18, 12, 2, 18), (0.0562, 0.3290)),
        ((53, 0, 0, 1), (-0.0729, 0.0729)),
        ((0, 30, 0, 0), (0.8395, 1.0)),
    ],
)
def test_paired_interval_equals_the_published_examples(table, published):
    """Newcombe (1998), Statistics in Medicine 17:2635, method 10. table: both right, first alone, second alone, neither."""
    answers = np.repeat(np.array([[1, 1], [1, 0], [0, 1], [0, 0]], bool), table, axis=0)
    assert mcnemar(answers[:, 0], answers[:, 1]).ci == pytest.approx(published, abs=1e-4)


def test_two_that_agree_everywhere_still_have_an_interval():
    hits = np.arange(1000) < 700
    low, high = mcnemar(hits, hits).ci
    assert low == -high
    assert 0 < high < 0.01


def test_interval_covers_what_it_says():
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(400):
        both = rng.random((200, 2)) < 0.5
        first, second = both[:, 0] | (rng.random(200) < 0.5), both.any(1) & (rng.random(200) < 0.8)
        low, high = mcnemar(first, second).ci
        covered += low <= 0.75 - 0.6 <= high
    assert 0.92 <= covered / 400 <= 0.98


def test_hits_of_other_queries_are_refused():
    with pytest.raises(InputError, match="hits to compare must be of the same queries; got 3 and 4"):
        mcnemar(np.ones(3, bool), np.ones(4, bool))
