from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from repr_probe.errors import UndefinedMeasure, UsageError
from repr_probe.metrics.mantel import mantel
from repr_probe.metrics.matrix_alignment import align
from repr_probe.metrics.noise_ceiling import centroid_distances
from repr_probe.progress import reporting


def distances(n_classes: int, seed: int, width: int = 3) -> np.ndarray:
    return centroid_distances(np.random.default_rng(seed).normal(size=(n_classes, width)))


def everywhere(n_classes: int) -> np.ndarray:
    return ~np.eye(n_classes, dtype=bool)


def by_hand(first: np.ndarray, second: np.ndarray, kept: np.ndarray, order: np.ndarray) -> float:
    """Pearson's r after renaming the classes of the reference, the pairs that count renamed with it."""
    cut = np.ix_(order, order)
    inside = np.triu(kept[cut], 1)
    return np.corrcoef(first[inside], second[cut][inside])[0, 1]


def left_out(n_classes: int) -> np.ndarray:
    kept = everywhere(n_classes)
    kept[0, 1] = kept[1, 0] = kept[2, 4] = kept[4, 2] = False
    return kept


@pytest.mark.parametrize("masked", [False, True])
def test_few_classes_are_enumerated(masked):
    first, second = distances(5, 0), distances(5, 1)
    kept = left_out(5) if masked else everywhere(5)
    found = mantel(first, second, kept)
    values = np.abs([by_hand(first, second, kept, np.array(order)) for order in permutations(range(5))])
    assert found.exact and found.arrangements == 120
    assert found.statistic == pytest.approx(by_hand(first, second, kept, np.arange(5)), abs=1e-12)
    assert found.p == np.mean(values >= values[0] - 1e-12)
    assert found.floor == np.mean(values >= values.max() - 1e-12)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("n_classes", [8, 60, 120])
def test_drawn_permutations_equal_the_loop(n_classes, masked):
    first, second = distances(n_classes, 0), distances(n_classes, 1)
    kept = left_out(n_classes) if masked else everywhere(n_classes)
    found = mantel(first, second, kept, permutations=40, seed=3)
    rng = np.random.default_rng(3)
    values = np.array([by_hand(first, second, kept, rng.permutation(n_classes)) for _ in range(40)])
    observed = by_hand(first, second, kept, np.arange(n_classes))
    assert found.p == (1 + np.sum(np.abs(values) >= abs(observed) - 1e-12)) / 41
    assert (found.floor, found.exact) == (1 / 41, False)
    assert found.null_sd == pytest.approx(values.std(), rel=1e-10)


def test_enumeration_stops_at_the_number_of_permutations():
    assert mantel(distances(6, 0), distances(6, 1), everywhere(6), permutations=720).exact
    assert not mantel(distances(6, 0), distances(6, 1), everywhere(6), permutations=719).exact


def test_three_classes_cannot_be_significant():
    found = align(distances(3, 0), distances(3, 0))
    assert found.exact and found.permutations == 6
    assert found.p_floor == pytest.approx(1 / 6) or found.p_floor == pytest.approx(1 / 3)
    assert found.mantel_p >= found.p_floor


def test_the_seed_decides():
    first, second = distances(20, 0), distances(20, 1)
    one, other, third = (align(first, second, seed=seed, permutations=99) for seed in (0, 0, 1))
    assert one == other
    assert one.null_sd != third.null_sd


def test_p_of_independent_matrices_is_uniform():
    found = np.array([align(distances(20, 2 * seed), distances(20, 2 * seed + 1), permutations=19, seed=seed, intervals=False).mantel_p
                      for seed in range(150)])  # fmt: skip
    assert np.mean(found <= 0.05) <= 0.11  # expected 0.05, SD 0.018
    assert abs(found.mean() - 0.525) < 0.08  # uniform on 0.05 .. 1, SD 0.024


def test_related_matrices_are_found():
    hidden = np.random.default_rng(0).normal(size=(25, 4))
    near = centroid_distances(hidden + 0.3 * np.random.default_rng(1).normal(size=hidden.shape))
    assert align(near, centroid_distances(hidden)).mantel_p == 0.001


@pytest.mark.parametrize("permutations", [0, -3, 1.5, True, "999"])
def test_permutations_are_a_whole_number(permutations):
    with pytest.raises(UsageError, match="permutations must be a whole number from 1; got"):
        mantel(distances(4, 0), distances(4, 1), everywhere(4), permutations=permutations)


def test_a_renaming_without_spread_is_counted():
    """Three pairs count; renamed, they can lie where the representation is constant."""
    first = 1.0 - np.eye(6)
    first[0, 1] = first[1, 0] = 0.2
    kept = np.zeros((6, 6), dtype=bool)
    kept[0, 1] = kept[1, 0] = kept[0, 2] = kept[2, 0] = kept[0, 3] = kept[3, 0] = True
    assert 0 < mantel(first, distances(6, 1), kept).p <= 1


def test_progress_reaches_the_number_of_permutations():
    class Counter:
        done, total, text = 0, 0, ""

        def task(self, description, total):
            self.text, self.total = description, total
            return self

        def __enter__(self):
            return self.advance

        def __exit__(self, *_):
            return None

        def advance(self, steps):
            self.done += steps

        def note(self, text):
            raise ValueError(text)

    counter = Counter()
    with reporting(counter):
        mantel(distances(9, 0), distances(9, 1), everywhere(9), permutations=120)
    assert (counter.done, counter.total, counter.text) == (120, 120, "Mantel permutations")


def test_a_test_needs_classes_that_may_change_places():
    with pytest.raises(UndefinedMeasure, match="a permutation test needs two classes that may change places"):
        mantel(distances(4, 0), distances(4, 1), everywhere(4), groups=np.arange(4))
