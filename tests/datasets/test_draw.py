from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from repr_probe.datasets.draw import balanced_draw
from repr_probe.errors import UsageError


@given(st.lists(st.integers(0, 5), min_size=1, max_size=60), st.integers(1, 70), st.integers(0, 9))
def test_draw_is_as_equal_as_can_be(labels, limit, seed):
    labels = np.array(labels)
    rows = balanced_draw(labels, labels.size, limit, seed=seed)
    assert rows.size == min(limit, labels.size)
    assert (np.diff(rows) > 0).all()  # order kept, no row twice
    available, drawn = np.bincount(labels, minlength=6), np.bincount(labels[rows], minlength=6)
    largest = drawn.max()
    assert all(count >= largest - 1 or count == there for count, there in zip(drawn, available))


def test_exact_counts():
    labels = np.repeat([0, 1, 2], [50, 50, 2])
    drawn = np.bincount(labels[balanced_draw(labels, labels.size, 30, seed=4)])
    assert drawn[2] == 2
    assert sorted(drawn[:2]) == [14, 14]


def test_draws_are_nested():
    labels = np.random.default_rng(0).integers(7, size=200)
    small, large = (set(balanced_draw(labels, 200, limit, seed=3).tolist()) for limit in (20, 90))
    assert small < large


def test_seed_decides():
    labels = np.repeat([0, 1], 100)
    first, again, other = (balanced_draw(labels, 200, 20, seed=seed).tolist() for seed in (1, 1, 2))
    assert first == again != other


def test_unlabelled_is_a_plain_draw():
    rows = balanced_draw(None, 1000, 100, seed=0)
    assert rows.size == 100
    assert 350 < rows.mean() < 650


def test_every_row_is_equally_likely():
    labels = np.repeat([0, 1], [10, 30])
    hits = sum(np.bincount(balanced_draw(labels, 40, 10, seed=seed), minlength=40) for seed in range(600))
    assert np.abs(hits[:10] / 600 - 5 / 10).max() < 0.1
    assert np.abs(hits[10:] / 600 - 5 / 30).max() < 0.08


@pytest.mark.parametrize("limit", [0, -1, 2.5, True, "3"])
def test_bad_limit(limit):
    with pytest.raises(UsageError, match="limit must be a positive integer; got"):
        balanced_draw(None, 10, limit)


@pytest.mark.parametrize("seed", [-1, 0.5, True])
def test_bad_seed(seed):
    with pytest.raises(UsageError, match="seed must be a non-negative integer; got"):
        balanced_draw(None, 10, 3, seed=seed)
