from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import skew

from repr_probe.errors import InputError, UndefinedMeasure
from repr_probe.metrics.hubness import hubness, knn_purity, neighbourhoods
from repr_probe.metrics.rows import Rows

HUBS = ("k_skewness", "robin_hood", "antihub_share", "hub_share")
PURITY = ("knn_purity_1", "knn_purity_10", "knn_purity_50")


def cloud(n=150, width=12, seed=0):
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 5
    return rng.normal(size=(n, width)) + rng.normal(size=(5, width))[labels] + 0.4, labels


def neighbours(x, k):
    """(n, k) by scikit-learn, on the sphere."""
    from sklearn.neighbors import NearestNeighbors

    u = x / np.linalg.norm(x, axis=1, keepdims=True)
    return NearestNeighbors(n_neighbors=k, algorithm="brute").fit(u).kneighbors(return_distance=False)


def test_every_measure_against_scikit_learn(values):
    x, labels = cloud()
    counts = np.bincount(neighbours(x, 10).ravel(), minlength=150)
    found = values(x, labels, keys=HUBS + PURITY)
    assert found["k_skewness"] == pytest.approx(skew(counts), rel=1e-12)
    assert found["robin_hood"] == pytest.approx(np.abs(counts - 10).sum() / 3000)
    assert found["antihub_share"] == pytest.approx((counts == 0).mean())
    assert found["hub_share"] == pytest.approx(counts[counts >= 20].sum() / 1500)
    for key, k in zip(PURITY, (1, 10, 50), strict=True):
        assert found[key] == pytest.approx((labels[neighbours(x, k)] == labels[:, None]).mean(), rel=1e-12)
        assert knn_purity(x, labels, k=k) == found[key]


@pytest.mark.parametrize("k", [1, 3, 10])
def test_every_slot_is_counted_once(k):
    x, _ = cloud()
    rows = Rows(x, unit=True)
    found = neighbourhoods(rows, None, k=k)
    assert found.occurrences.sum() == 150 * k
    assert found.same == {}
    assert hubness(x, k=k).robin_hood == pytest.approx(np.abs(found.occurrences - k).sum() / (300 * k))


def test_a_hub_by_hand():
    """Row 0 is the nearest of the four others, which point in directions of their own; its own nearest is row 1, by index."""
    x = np.vstack([np.ones(4), np.eye(4)])
    found = hubness(x, k=1)
    assert (found.antihub_share, found.hub_share, found.robin_hood) == (3 / 5, 4 / 5, pytest.approx(6 / 10))
    assert found.skewness == pytest.approx(skew([4, 1, 0, 0, 0]))


def test_hubs_come_with_dimensions():
    """In a cone: rows near its axis are near to all others, and more so the more dimensions there are."""
    rng = np.random.default_rng(0)
    flat, deep = (hubness(rng.normal(size=(600, width)) + 0.5) for width in (3, 300))
    assert deep.skewness > flat.skewness + 1.0
    assert deep.antihub_share > flat.antihub_share
    assert deep.robin_hood > flat.robin_hood


def test_unlabelled_and_zero_rows(values):
    """Unlabelled rows are neighbours in hubness and nowhere in purity; zero rows are in neither."""
    x, labels = cloud()
    rng = np.random.default_rng(1)
    more = np.vstack([x, rng.normal(size=(30, 12)), np.zeros((2, 12))])
    found = values(more, [*labels.tolist(), *[None] * 30, 0, 1], keys=HUBS + PURITY)
    assert [found[key] for key in PURITY] == pytest.approx([values(x, labels, keys=PURITY)[key] for key in PURITY])
    assert [found[key] for key in HUBS] == pytest.approx([values(more[:180], keys=HUBS)[key] for key in HUBS])


def test_shuffled_labels_are_chance(values):
    x, labels = cloud()
    shuffled = values(x, np.random.default_rng(0).permutation(labels), keys=PURITY)
    assert values(x, labels, keys=PURITY)["knn_purity_10"] > 0.4
    assert [shuffled[key] for key in PURITY] == pytest.approx([0.2] * 3, abs=0.1)


def test_one_search_serves_both(measured, monkeypatch):
    from repr_probe.metrics import hubness as module

    calls = []
    search = module.nearest_rows
    monkeypatch.setattr(module, "nearest_rows", lambda *args, **options: calls.append(args[1]) or search(*args, **options))
    measured(*cloud(), keys=HUBS + PURITY)
    assert calls == [50]


def test_undefined_with_reason(measured):
    x, labels = cloud()
    few = measured(x[:10], labels[:10], keys=HUBS + PURITY)
    assert {few[key].reason for key in HUBS} == {"needs 11 non-zero rows; got 10"}
    assert few["knn_purity_1"].value is not None
    assert few["knn_purity_10"].reason == "needs 11 labelled, non-zero rows; got 10"
    assert measured(x[:11], keys=HUBS)["k_skewness"].reason == "every row is among the nearest of equally many"
    assert measured(x, keys=PURITY)["knn_purity_1"].reason == "needs labels"
    assert measured(x, np.ones(150), keys=PURITY)["knn_purity_10"].reason == "needs two classes; got 1"
    full = measured(x, labels, keys=HUBS + PURITY)
    assert all(one.ci is None and one.ci_reason.startswith("rows share their neighbours") for one in full.values())
    with pytest.raises(UndefinedMeasure, match="needs more than 10 non-zero rows; got 5"):
        hubness(x[:5])
    with pytest.raises(UndefinedMeasure, match="needs more than 50 labelled, non-zero rows; got 20"):
        knn_purity(x[:20], labels[:20], k=50)
    with pytest.raises(InputError, match="k must be an integer, 1 or more; got 0"):
        hubness(x, k=0)
    assert hubness(x[:3], k=2).skewness is None
