from __future__ import annotations

import numpy as np
import pytest

from repr_probe.errors import InputError, UndefinedMeasure
from repr_probe.features.feature_set import Features
from repr_probe.metrics import lidar as lidar_module
from repr_probe.metrics.lidar import lidar, lidar_class


def constructed(n=2000, q=10, width=32, r=8, seed=0):
    """r directions of signal with SD 3 over images, noise of 0.1 over views."""
    rng = np.random.default_rng(seed)
    signal = np.zeros((n, 1, width))
    signal[:, :, :r] = 3.0 * rng.normal(size=(n, 1, r))
    return signal + 0.1 * rng.normal(size=(n, q, width))


def plain(views, delta=1e-4):
    """By the symmetric square root, as the paper writes it."""
    n, q, width = views.shape
    mean = views.mean(1)
    between = np.cov(mean.T)
    inner = (views - mean[:, None]).reshape(-1, width)
    values, vectors = np.linalg.eigh(inner.T @ inner / (n * (q - 1)) + delta * np.eye(width))
    root = vectors / np.sqrt(values) @ vectors.T
    found = np.maximum(np.linalg.eigvalsh(root @ between @ root), 0)
    p = found / found.sum() + 1e-8
    return np.exp(-(p * np.log(p)).sum())


@pytest.mark.parametrize("delta", [1e-6, 1e-4, 1e-2])
def test_the_constructed_answer(delta):
    assert lidar(constructed(), delta=delta) == pytest.approx(8.0, abs=0.02)


def test_the_definition_and_its_limits():
    views = constructed(40, 3, 12, 5) + 2.0
    assert lidar(views) == pytest.approx(plain(views), rel=1e-9)
    few = np.random.default_rng(0).normal(size=(5, 4, 30))
    assert lidar(few) == pytest.approx(plain(few), rel=1e-6)
    assert 1.0 <= lidar(few) <= 4.001


def test_what_does_not_change_it(monkeypatch):
    views = constructed(60, 4, 10, 4)
    q = np.linalg.qr(np.random.default_rng(1).normal(size=(10, 10)))[0]
    order = np.random.default_rng(2).permutation(60)
    whole = lidar(views)
    for other in (views @ q, views[order], views[:, ::-1], views + 1e3):
        assert lidar(other) == pytest.approx(whole, rel=1e-7)
    monkeypatch.setattr(lidar_module, "_BLOCK_NUMBERS", 100)
    assert lidar(views) == pytest.approx(whole, rel=1e-11)


def test_views_that_are_shuffled_over_images_are_noticed():
    views = constructed(200, 4, 16, 4)
    shuffled = np.random.default_rng(0).permutation(views.reshape(-1, 16)).reshape(views.shape)
    assert lidar(shuffled) > 2 * lidar(views)


@pytest.mark.parametrize("width", [12, 200])
def test_classes_as_objects(width):
    """With as many rows in each class the two are one computation; singletons are left out; wide rows are turned first."""
    views = constructed(20, 4, width, 5)
    rows, labels = views.reshape(-1, width), np.repeat(np.arange(20), 4)
    assert lidar_class(rows, labels) == pytest.approx(lidar(views), rel=1e-6)
    more = np.vstack([rows, np.full(width, 50.0)])
    assert lidar_class(more, np.r_[labels, 77]) == pytest.approx(lidar(views), rel=1e-6)


def test_in_a_report_where_there_are_views(measured):
    from repr_probe import geometry_report

    views = constructed(50, 3, 6, 3)
    report = geometry_report(Features(views[:, 0], views=views), preset="full", intervals=False)
    assert report.lidar.value == pytest.approx(lidar(views))
    assert report.lidar.n == 50
    assert "lidar" not in geometry_report(Features(views[:, 0], views=views)).measures
    assert measured(views[:, 0], keys=["lidar"])["lidar"].reason == "needs augmented views: repro-probe extract --views V"


def test_a_store_with_views_carries_it(tmp_path):
    from repr_probe import geometry_report
    from repr_probe.features.store_writer import StoreWriter

    views = constructed(30, 2, 5, 2).astype(np.float32)
    with StoreWriter(tmp_path, "0" * 64, n_samples=30, n_views=2, run={}) as writer:
        writer.write(0, views[:, 0], views)
        store = writer.finish({"layer": "pooled", "class_names": [], "provenance": {}, "notes": []}, ids=[str(row) for row in range(30)], labels=None)
    assert store.n_views == 2
    assert geometry_report(store, preset="full", intervals=False).lidar.value == pytest.approx(lidar(views), rel=1e-9)


def test_undefined_with_reason(measured):
    views = constructed(6, 2, 4, 2)
    with pytest.raises(UndefinedMeasure, match="needs 2 views of each image; got 1"):
        lidar(views[:, :1])
    with pytest.raises(UndefinedMeasure, match="needs 2 images; got 1"):
        lidar(views[:1])
    with pytest.raises(UndefinedMeasure, match="the means of all objects are equal"):
        lidar(np.ones((4, 2, 3)) * 0.1)
    with pytest.raises(InputError, match=r"views must be \(n_images, n_views, n_features\); got shape \(3, 3\)"):
        lidar(np.eye(3))
    with pytest.raises(InputError, match=r"delta must be above 0; got 0\.0"):
        lidar(views, delta=0.0)
    views[4, 1] = np.inf
    with pytest.raises(UndefinedMeasure, match="views must be finite; image 4 is not"):
        lidar(views)
    found = measured(np.eye(4), [0, 0, 1, 2], keys=["lidar_class"])["lidar_class"]
    assert found.reason == "needs two classes of two rows or more; got 1"
    assert measured(np.eye(4), keys=["lidar_class"])["lidar_class"].reason == "needs labels"
