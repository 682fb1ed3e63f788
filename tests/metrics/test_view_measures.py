from __future__ import annotations

import numpy as np
import pytest

from repr_probe.errors import InputError, UndefinedMeasure
from repr_probe.features.feature_set import Features
from repr_probe.metrics import view_pairs as view_pairs_module
from repr_probe.metrics.functions import alignment
from repr_probe.metrics.view_pairs import view_pairs

KEYS = ("alignment_views", "center_vector_norm_views", "angle_positive_views_mean", "angle_positive_views_std")


def cloud(n=30, n_views=4, width=6, spread=0.4):
    rng = np.random.default_rng(0)
    return (rng.normal(size=(n, 1, width)) + 0.5 + spread * rng.normal(size=(n, n_views, width))) * rng.uniform(0.5, 3, (n, n_views, 1))


def with_views(views):
    return Features(views[:, 0], views=views)


def test_every_measure_against_every_pair_of_views(values, brute):
    views = cloud()
    distances, angles = [], []
    for image in views:
        deficit, angle = brute.pairs(image)["all"]
        distances += list(2 * deficit)
        angles += list(angle)
    u = views / np.linalg.norm(views, axis=2, keepdims=True)
    found = values(with_views(views), keys=KEYS)
    expected = (np.mean(distances), np.linalg.norm(u.mean((0, 1))), np.mean(angles), np.std(angles))
    assert tuple(found.values()) == pytest.approx([float(number) for number in expected], rel=1e-10)
    assert alignment(views) == pytest.approx(found["alignment_views"], rel=1e-12)


def test_blocks_of_images(monkeypatch):
    views = cloud()
    whole = view_pairs(views)
    monkeypatch.setattr(view_pairs_module, "_BLOCK_NUMBERS", 100)
    for name in ("distance", "angle", "angle_square", "center", "toward_center"):
        np.testing.assert_allclose(getattr(view_pairs(views), name), getattr(whole, name), rtol=1e-12)


def test_errors_are_those_of_images(measured):
    """Against the SD over fresh sets of images; views of one image go together."""
    rng = np.random.default_rng(1)
    fresh = []
    for _ in range(300):
        x = rng.normal(size=(60, 1, 5)) + 1 + 0.5 * rng.normal(size=(60, 3, 5))
        fresh.append(measured(with_views(x), keys=KEYS))
    for key in KEYS:
        spread = np.std([one[key].value for one in fresh])
        assert np.mean([(one[key].ci[1] - one[key].ci[0]) / 3.92 for one in fresh]) == pytest.approx(spread, rel=0.15), key


def test_undefined_with_reason(measured):
    assert measured(with_views(cloud(n_views=1)), keys=KEYS)["alignment_views"].reason == "needs 2 views of each image; got 1"
    views = cloud()
    views[3, 1] = 0
    assert measured(with_views(views), keys=KEYS)["alignment_views"].reason == "views must not be zero; image 3 has a zero view"
    views[5, 1] = np.nan
    assert measured(with_views(views), keys=KEYS)["alignment_views"].reason == "views must be finite; image 5 is not"
    with pytest.raises(InputError, match="views must be finite; image 5 is not"):
        alignment(views)
    with pytest.raises(InputError, match=r"views must be \(n_images, n_views, n_features\); got shape \(3, 3\)"):
        alignment(np.eye(3))
    with pytest.raises(UndefinedMeasure, match="needs 2 views of each image; got 1"):
        alignment(cloud(n_views=1))
