"""Sampled angles: the standard error that is printed is the spread over draws, and stands in every format."""

from __future__ import annotations

import csv
import io
import json

import numpy as np
import pytest

from repr_probe.features.door import as_features
from repr_probe.metrics.angle_measures import angle_measures
from repr_probe.metrics.states import GeometryStates, Options
from repr_probe.reports.geometry import geometry_report
from repr_probe.reports.read import read_report
from repr_probe.reports.table import error_text

MOMENTS = tuple(f"angle_{kind}_{moment}" for kind in ("all", "positive", "negative") for moment in ("mean", "std"))
KEYS = (*MOMENTS, "uniformity", "angle_gap", "d_prime_angle")
SEEDS = 200


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
        values, errors = (np.array([getattr(draw[key], name) for draw in draws]) for name in ("value", "standard_error"))
        assert values.std() == pytest.approx(np.sqrt(np.mean(errors**2)), rel=0.15), key
        assert abs(values.mean() - exact[key].value) < 4.0 * values.std() / np.sqrt(SEEDS), key
        covered = np.mean([draw[key].ci[0] <= exact[key].value <= draw[key].ci[1] for draw in draws])
        assert 0.90 <= covered <= 0.99, key


def test_the_error_falls_with_the_root_of_the_pairs():
    features = as_features(*cloud())
    few, many = (angle_measures(GeometryStates(features, Options(pairs=pairs)), KEYS) for pairs in (4000, 64_000))
    for key in KEYS:
        assert few[key].standard_error / many[key].standard_error == pytest.approx(4.0, rel=0.15), key


def test_exact_angles_have_none():
    found = angle_measures(GeometryStates(as_features(*cloud())), KEYS)
    assert all(found[key].standard_error is None for key in KEYS)


def test_every_format_has_it(tmp_path):
    report = geometry_report(*cloud(), preset="full", pairs=4000, name="sampled")
    error = report.angle_all_mean.standard_error
    line = next(line for line in str(report).splitlines() if line.startswith("ALL ANGLE "))
    low, high = report.angle_all_mean.ci
    assert f"[{low:.2f}, {high:.2f}] SE {error_text(error)}" in line
    assert "4,000 pairs drawn with replacement, 1.96 standard errors (SE)" in " ".join(str(report).split())
    for text in (report.to_markdown(), report._repr_html_(), report.to_latex()):
        assert f"SE {error_text(error)}" in text
    (row,) = csv.DictReader(io.StringIO(report.to_csv()))
    assert float(row["angle_all_mean_se"]) == error
    assert [key for key in row if key.endswith("_se")] == [f"{key}_se" for key in report.measures if key in KEYS]
    content = json.loads(report.to_json())["measures"]
    assert content["angle_all_mean"]["standard_error"] == error
    assert content["anisotropy"]["standard_error"] is None
    (again,) = read_report(report.save(tmp_path / "report.json"))
    assert again.angle_all_mean == report.angle_all_mean


def test_without_intervals_the_error_stays():
    report = geometry_report(*cloud(), preset="paper", pairs=2000, intervals=False)
    assert report.angle_all_mean.ci is None
    assert report.angle_all_mean.standard_error > 0
    assert f"SE {error_text(report.angle_all_mean.standard_error)}" in str(report)


def test_equal_rows_have_no_error():
    found = angle_measures(GeometryStates(as_features(np.ones((20, 3)), [0, 1] * 10), Options(pairs=1000)), KEYS)
    assert all(found[key].standard_error in (0.0, None) for key in KEYS)
