from __future__ import annotations

import numpy as np
import pytest

from repr_probe.metrics.fused.plain import pairs_of
from repr_probe.metrics.fused.rectangles import Rectangle, homogeneous, merged, shares
from repr_probe.ranks import Ranks


def times_counted(n, rectangles):
    return sum((pairs_of(n, [part]).astype(int) for part in rectangles), np.zeros((n, n), int))


@pytest.mark.parametrize("n", [2, 7, 16, 33])
@pytest.mark.parametrize(("height", "width"), [(1, 1), (4, 4), (8, 4), (40, 5), (40, 40)])
@pytest.mark.parametrize("world_size", [1, 3, 50])
def test_every_pair_goes_to_one_rank(n, height, width, world_size):
    parts = [part for rank in range(world_size) for part in shares(n, height, width, Ranks(rank, world_size, None))]
    assert np.array_equal(times_counted(n, parts), np.triu(np.ones((n, n), int), 1))


def test_shares_are_alike():
    counts = [sum(1 for _ in shares(1000, 64, 16, Ranks(rank, 3, None))) for rank in range(3)]
    assert max(counts) - min(counts) <= 1


@pytest.mark.parametrize("n_labelled", [0, 1, 5, 8, 12, 20])
@pytest.mark.parametrize("most_rows", [3, 100])
def test_parts_are_labelled_or_not(n_labelled, most_rows):
    n, both = 20, np.zeros((20, 20), bool)
    both[:n_labelled, :n_labelled] = True
    for whole in (Rectangle(range(20), range(20)), Rectangle(range(2, 11), range(6, 17)), Rectangle(range(4), range(12, 20))):
        parts = list(homogeneous(whole, n_labelled, most_rows))
        assert np.array_equal(times_counted(n, [part for part, _ in parts]), pairs_of(n, [whole]).astype(int))
        for part, labelled in parts:
            assert (both[pairs_of(n, [part])] == labelled).all()
            assert len(part.rows) <= most_rows


def test_the_number_of_pairs():
    rng = np.random.default_rng(0)
    for _ in range(200):
        a, b, c, d = rng.integers(0, 12, 4)
        part = Rectangle(range(a, a + b), range(c, c + d))
        assert part.n_pairs == pairs_of(24, [part]).sum()


def test_refused_tiles_as_rectangles():
    rng = np.random.default_rng(0)
    whole = Rectangle(range(3, 20), range(30, 53))
    for share in (0.0, 0.3, 0.8, 1.0):
        refused = rng.random((5, 4)) < share
        wide = np.kron(refused, np.ones((4, 7), bool))[: len(whole.rows), : len(whole.columns)]
        expected = np.zeros((53, 53), int)
        expected[3:20, 30:53] = wide
        found = merged(refused, whole, (4, 7))
        assert np.array_equal(times_counted(53, found), expected)
        assert len(found) <= 5 * 2
