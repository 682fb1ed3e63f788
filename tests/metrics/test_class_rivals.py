from __future__ import annotations

import numpy as np
import pytest

from repr_probe.errors import UndefinedMeasure
from repr_probe.metrics.class_rivals import silhouette_cosine

KEY = "silhouette_cosine"


def cloud(n=80, width=9, n_classes=6, seed=0, offset=0.5):
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % n_classes
    return rng.normal(size=(n, width)) + rng.normal(size=(n_classes, width))[labels] + offset, labels


def oracle(x, labels):
    from sklearn.metrics import silhouette_score

    return silhouette_score(x, labels, metric="cosine")


@pytest.mark.parametrize(("n", "width"), [(80, 9), (40, 70)])
def test_scikit_learn_says_the_same(n, width):
    x, labels = cloud(n, width)
    labels = np.r_[labels, 99]  # a class of one
    x = np.vstack([x, -x[:1]])
    assert silhouette_cosine(x, labels) == pytest.approx(oracle(x, labels), abs=1e-14)


def test_blocks_do_not_show(monkeypatch):
    from repr_probe.metrics import class_rivals

    x, labels = cloud()
    whole = silhouette_cosine(x, labels)
    monkeypatch.setattr(class_rivals, "_BLOCK", 7)
    assert silhouette_cosine(x, labels) == pytest.approx(whole, rel=1e-14)


def test_cosines_near_one_keep_their_digits():
    """Directions within 1e-6 of each other: 1 - cosine is about 1e-12; against differences of rows in long doubles."""
    rng = np.random.default_rng(0)
    labels = np.arange(30) % 3
    x = np.r_[1.0, np.zeros(5)] + 1e-6 * (rng.normal(size=(30, 6)) + 2 * rng.normal(size=(3, 6))[labels])
    u = x.astype(np.longdouble)
    u /= np.sqrt((u * u).sum(1, keepdims=True))
    distance = ((u[:, None] - u) ** 2).sum(2) / 2
    score = []
    for row, label in enumerate(labels):
        own = distance[row, (labels == label) & (np.arange(30) != row)].mean()
        other = min(distance[row, labels == k].mean() for k in range(3) if k != label)
        score.append((other - own) / max(other, own))
    assert silhouette_cosine(x, labels) == pytest.approx(float(np.mean(score)), rel=1e-6)


def test_the_interval_is_the_jackknife_of_the_plain_value(measured):
    from repr_probe.metrics.inference import jackknife_interval

    x, labels = cloud(n=72, n_classes=12)
    found = measured(x, labels, keys=[KEY])[KEY]
    left = np.array([oracle(x[labels != k], labels[labels != k]) for k in range(12)])
    assert found.ci == pytest.approx(jackknife_interval(found.value, left, -1.0, 1.0), rel=1e-9)


def test_shuffled_labels_are_noticed():
    x, labels = cloud()
    assert silhouette_cosine(x, labels) > 0.1 > 0.0 > silhouette_cosine(x, np.random.default_rng(1).permutation(labels))


def test_undefined_with_reason(measured):
    x, _ = cloud()
    with pytest.raises(UndefinedMeasure, match="needs"):
        silhouette_cosine(x, np.zeros(80))
    assert measured(x, keys=[KEY])[KEY].reason == "needs labels"
    assert measured(np.ones((6, 2)), [0, 0, 0, 1, 1, 1], keys=[KEY])[KEY].value == 0.0
