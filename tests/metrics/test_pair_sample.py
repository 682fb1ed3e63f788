"""Sampled angles: the standard error of each is its spread over draws."""

from __future__ import annotations

import numpy as np
import pytest

from repr_probe.features.door import as_features
from repr_probe.metrics.angle_measures import angle_measures
from repr_probe.metrics.inference import Z95
from repr_probe.metrics.states import GeometryStates, Options

MOMENTS = tuple(f"angle_{kind}_{moment}" for kind in ("all", "positive", "negative") for moment in ("mean", "std"))
KEYS = (*MOMENTS, "uniformity", "angle_gap", "d_prime_angle")
SEEDS = 200


def error_of(measurement):
    low, high = measurement.ci
    return (high - low) / (2.0 * Z95)


def cloud(unlabelled=0):
    """Classes of unlike size and tightness: both kinds of pairs are skewed."""
    rng = np.random.default_rng(5)
    labels = np.repeat(np.arange(6), (10, 20, 30, 50, 80, 110))
    values = rng.normal(size=(300, 7)) * (0.3 + 0.2 * labels[:, None]) + 2.0 * rng.normal(size=(6, 7))[labels]
    labels[:unlabelled] = -1
    return values, labels


@pytest.mark.parametrize("unlabelled", [0, 9])
def test_standard_errors_are_the_spread_of_the_estimates(unlabelled):
    features = as_features(*cloud(unlabelled))
    draws = [angle_measures(GeometryStates(features, Options(seed=seed, pairs=2000)), KEYS) for seed in range(SEEDS)]
    exact = angle_measures(GeometryStates(features, Options()), KEYS)
    for key in KEYS:
        values, errors = (np.array([read(draw[key]) for draw in draws]) for read in (float, error_of))
        assert values.std() == pytest.approx(np.sqrt(np.mean(errors**2)), rel=0.15), key
        assert abs(values.mean() - exact[key].value) < 4.0 * values.std() / np.sqrt(SEEDS), key
        covered = np.mean([draw[key].ci[0] <= exact[key].value <= draw[key].ci[1] for draw in draws])
        assert 0.90 <= covered <= 0.99, key


def test_the_error_falls_with_the_root_of_the_pairs():
    features = as_features(*cloud())
    few, many = (angle_measures(GeometryStates(features, Options(pairs=pairs)), KEYS) for pairs in (4000, 64_000))
    for key in KEYS:
        assert error_of(few[key]) / error_of(many[key]) == pytest.approx(4.0, rel=0.15), key


def test_equal_rows_have_no_error():
    found = angle_measures(GeometryStates(as_features(np.ones((20, 3)), [0, 1] * 10), Options(pairs=1000)), KEYS)
    assert all(found[key].ci is None or error_of(found[key]) == 0.0 for key in KEYS)
