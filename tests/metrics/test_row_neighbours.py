from __future__ import annotations

import numpy as np
import pytest

from repr_probe.metrics import row_neighbours
from repr_probe.metrics.row_neighbours import nearest_rows, squared_distances
from repr_probe.metrics.rows import Rows

RNG = np.random.default_rng(0)
CLOUDS = {
    "normal": RNG.normal(size=(200, 10)),
    "line": RNG.uniform(size=(200, 1)),
    "far from the origin": 1e4 + RNG.normal(size=(200, 5)),
    "collapsed": np.r_[1.0, np.zeros(7)] + 1e-7 * RNG.normal(size=(200, 8)),
    "tight classes": np.repeat(RNG.normal(size=(10, 6)), 20, axis=0) + 1e-6 * RNG.normal(size=(200, 6)),
    "many equal rows": RNG.integers(0, 2, size=(200, 4)).astype(float),
    "lattice": np.stack(np.meshgrid(np.arange(14.0), np.arange(14.0)), -1).reshape(-1, 2),
    "unequal norms": RNG.normal(size=(200, 6)) * np.exp(3 * RNG.normal(size=(200, 1))),
    "huge": 1e30 * RNG.normal(size=(200, 4)),
    "float32": RNG.normal(size=(200, 12)).astype(np.float32),
}
CUTS = (1, 2, 10, 50)


def brute(x):
    """(n, 50) by distances in long doubles, equal ones by index."""
    distance = np.square(x[:, None].astype(np.longdouble) - x).sum(2)
    np.fill_diagonal(distance, np.inf)
    return np.lexsort((np.broadcast_to(np.arange(len(x)), distance.shape), distance), axis=1)[:, : CUTS[-1]]


def found(rows, k=CUTS[-1], **options):
    return np.concatenate([index for _, index in nearest_rows(rows, k, **options)])


def assert_sets(index, expected, cuts=CUTS):
    for cut in cuts:
        np.testing.assert_array_equal(np.sort(index[:, :cut]), np.sort(expected[:, :cut]))


@pytest.mark.parametrize("name", CLOUDS)
def test_every_neighbour_is_right(name):
    assert_sets(found(Rows(CLOUDS[name]), cuts=CUTS), brute(CLOUDS[name]))


def test_unit_rows_by_cosine():
    x = CLOUDS["unequal norms"]
    u = x / np.linalg.norm(x, axis=1, keepdims=True)
    cosine = u @ u.T
    np.fill_diagonal(cosine, -np.inf)
    assert_sets(found(Rows(x, unit=True), cuts=CUTS), np.argsort(-cosine, axis=1))


def test_scikit_learn_finds_the_same():
    from sklearn.neighbors import NearestNeighbors

    x = CLOUDS["normal"]
    expected = NearestNeighbors(n_neighbors=10, algorithm="brute").fit(x).kneighbors(return_distance=False)
    assert_sets(found(Rows(x), 10, cuts=(1, 10)), expected, (1, 10))


@pytest.mark.parametrize("name", ["normal", "many equal rows", "tight classes"])
def test_blocks_and_memory_do_not_show(name, monkeypatch):
    x = CLOUDS[name]
    monkeypatch.setattr(row_neighbours, "_QUERIES", 7)
    monkeypatch.setattr(row_neighbours, "_BANK", 13)
    starts = [start for start, _ in nearest_rows(Rows(x), 50, cuts=CUTS, memory=1)]
    assert starts == list(range(0, 200, 7))
    assert_sets(found(Rows(x), cuts=CUTS, memory=1), brute(x))


def test_rows_that_rounding_could_misplace_are_searched_again(monkeypatch):
    """Without the second search, a line's neighbours are wrong."""
    line = CLOUDS["tight classes"]
    monkeypatch.setattr(row_neighbours, "_doubtful", lambda *_: np.zeros(0, np.int64))
    assert (np.sort(found(Rows(line), 10)) != np.sort(brute(line)[:, :10])).any()


def test_all_others_are_neighbours_when_k_says_so():
    x = CLOUDS["normal"][:6]
    assert_sets(found(Rows(x), 5), brute(x), (5,))


def test_part_of_a_matrix_and_a_memory_map(tmp_path):
    x = CLOUDS["normal"]
    np.save(tmp_path / "x.npy", x)
    chosen = np.arange(3, 200, 2)
    assert_sets(found(Rows(np.load(tmp_path / "x.npy", mmap_mode="r"), chosen), 20), brute(x[chosen]), (20,))


def test_distances_keep_their_digits(monkeypatch):
    x = CLOUDS["far from the origin"]
    own, index = np.arange(4, 30), RNG.integers(0, 200, size=(26, 3))
    expected = np.square(x[own][:, None] - x[index]).sum(2)
    np.testing.assert_allclose(squared_distances(Rows(x[own]), Rows(x), index), expected, rtol=1e-14)
    monkeypatch.setattr(row_neighbours, "_NUMBERS", 50)
    np.testing.assert_allclose(squared_distances(Rows(x[own]), Rows(x), index), expected, rtol=1e-14)


@pytest.mark.parametrize("spread", [1e-6, 3e-7, 1e-7, 1e-8])
def test_clusters_so_tight_that_all_their_rows_share_a_score(spread: float) -> None:
    values = np.repeat(np.eye(3, 8), 40, axis=0) + spread * np.random.default_rng(0).standard_normal((120, 8))
    found = np.concatenate([index for _, index in nearest_rows(Rows(values), 2)])
    apart = np.linalg.norm(values[:, None] - values[None], axis=2)
    np.fill_diagonal(apart, np.inf)
    assert np.array_equal(np.sort(found, axis=1), np.sort(np.argsort(apart, axis=1)[:, :2], axis=1))
