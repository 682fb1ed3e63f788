"""Paired differences: against measuring again without each unit, on two noises of one cloud, and where there can be none."""

from __future__ import annotations

import numpy as np
import pytest

from repr_probe.features.door import as_features
from repr_probe.metrics import functions
from repr_probe.metrics.inference import jackknife_interval
from repr_probe.metrics.paired import KEYS, LeftOut, PairedDifference, paired_differences
from repr_probe.metrics.states import GeometryStates
from repr_probe.reports.geometry import geometry_report

_BARE = {
    "center_vector_norm": lambda x, labels: functions.center_vector_norm(x),
    "angle_all_mean": lambda x, labels: functions.angles(x).all_mean,
    "angle_all_std": lambda x, labels: functions.angles(x).all_std,
    "anisotropy_mean_cosine": lambda x, labels: functions.mean_cosine(x),
    "d_prime": functions.d_prime,
    "centroid_rank": functions.centroid_rank,
    "angle_positive_mean": lambda x, labels: functions.angles(x, labels).positive_mean,
    "angle_negative_std": lambda x, labels: functions.angles(x, labels).negative_std,
    "effective_rank": lambda x, labels: functions.effective_rank(x),
    "effective_rank_centered": lambda x, labels: functions.effective_rank(x, center=True),
    "anisotropy": lambda x, labels: functions.anisotropy(x),
    "feature_correlation": lambda x, labels: functions.feature_correlation(x),
}
_EXACT = ("center_vector_norm", "angle_all_mean", "angle_all_std", "anisotropy_mean_cosine")
_BY_CLASS = ("d_prime", "centroid_rank", "angle_positive_mean", "angle_negative_std")
_INFLUENCE = ("effective_rank", "effective_rank_centered", "anisotropy", "feature_correlation")


def _clouds(n: int = 60, classes: int = 12) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(5)
    labels = np.arange(n) % classes
    middle = rng.normal(size=(classes, 6)) + np.array([5.0, 0, 0, 0, 0, 0])
    x = middle[labels] + 0.5 * rng.normal(size=(n, 6))
    return x, x @ rng.normal(size=(6, 8)) + 0.4 * rng.normal(size=(n, 8)), labels


def _differences(x, y, labels, keys=KEYS) -> dict[str, PairedDifference]:
    states = [LeftOut(GeometryStates(as_features(values, labels))) for values in (x, y)]
    reports = [geometry_report(values, labels, preset="default") for values in (x, y)]
    return paired_differences(*states, keys, lambda key: (reports[0].measures[key].value, reports[1].measures[key].value))


def _again(x, y, labels, key: str, units: list[np.ndarray]) -> tuple[float, float]:
    """The interval from measuring without each unit anew."""
    def value(values, keep):
        return _BARE[key](values[keep], labels[keep])

    whole = np.ones(len(x), bool)
    left = np.array([value(x, keep) - value(y, keep) for keep in units])
    return jackknife_interval(value(x, whole) - value(y, whole), left)


@pytest.mark.parametrize("key", [*_EXACT, *_BY_CLASS])
def test_it_equals_measuring_again_without_each_unit(key):
    x, y, labels = _clouds(24)
    found = _differences(x, y, labels, [key])[key]
    rows = [np.arange(len(x)) != row for row in range(len(x))]
    units = rows if key in _EXACT else [labels != label for label in range(12)]
    assert found.ci == pytest.approx(_again(x, y, labels, key, units), abs=2e-5)
    assert found.population == ("images" if key in _EXACT else "classes")


def test_the_influence_function_is_near_the_jackknife():
    x, y, labels = _clouds(60)
    found = _differences(x, y, labels, _INFLUENCE)
    rows = [np.arange(len(x)) != row for row in range(len(x))]
    for key in _INFLUENCE:
        low, high = _again(x, y, labels, key, rows)
        assert np.subtract(*found[key].ci[::-1]) == pytest.approx(high - low, rel=0.15), key


def test_every_measure_of_table_iii_has_an_interval_around_its_difference():
    x, y, labels = _clouds()
    for key, one in _differences(x, y, labels).items():
        assert one.difference == pytest.approx(one.a - one.b), key
        assert one.ci is not None and one.ci[0] <= one.difference <= one.ci[1], (key, one.reason)
        assert (one.p < 0.05) == (one.ci[0] > 0 or one.ci[1] < 0), key


def test_a_cloud_does_not_differ_from_itself_and_swapping_turns_the_sign():
    x, y, labels = _clouds()
    for one in _differences(x, x, labels).values():
        assert (one.difference, one.ci, one.p) == (0.0, (0.0, 0.0), 1.0)
    there, back = _differences(x, y, labels), _differences(y, x, labels)
    assert all(there[key].ci == pytest.approx(tuple(-end for end in back[key].ci[::-1]), abs=1e-9) for key in KEYS)


def test_pairing_is_sharper_than_two_intervals_apart():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 5)) + rng.exponential(size=(300, 1))
    y = x + 0.05 * rng.normal(size=x.shape)
    states = [LeftOut(GeometryStates(as_features(values))) for values in (x, y)]
    reports = [geometry_report(values) for values in (x, y)]
    found = paired_differences(*states, ["center_vector_norm"], lambda key: (reports[0].measures[key].value, reports[1].measures[key].value))
    paired = np.subtract(*found["center_vector_norm"].ci[::-1])
    alone = np.hypot(*(np.subtract(*report.center_vector_norm.ci[::-1]) for report in reports))
    assert paired < alone / 3


def test_where_there_is_no_interval_the_reason_stands():
    x, y, labels = _clouds()
    assert _differences(x, y, labels % 3, ["d_prime"])["d_prime"].reason == "an interval over classes needs 10 classes; got 3"
    y = y.copy()
    y[4] = 0.0
    assert "different rows of zeros" in _differences(x, y, labels, ["angle_all_mean"])["angle_all_mean"].reason
    states = [LeftOut(GeometryStates(as_features(values))) for values in (x, x)]
    nothing = paired_differences(*states, ["d_prime"], lambda key: (None, None))["d_prime"]
    assert (nothing.difference, nothing.reason) == (None, "undefined for one of the two")
    tied = LeftOut(GeometryStates(as_features(np.vstack([np.eye(4), -np.eye(4)]))))
    found = paired_differences(tied, tied, ["anisotropy"], lambda key: (0.25, 0.25))
    assert "not told apart" in found["anisotropy"].reason


def test_one_cloud_turned_or_kept_in_another_width_differs_in_nothing():
    """What rounding leaves (4e-16 ± 0 for the anisotropy of 3 x) is no finding with p = 0."""
    x, _, labels = _clouds()
    turn, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(6, 6)))
    for other in (3.0 * x, x @ turn, x.astype(np.float32)):
        for key, one in _differences(x, other, labels).items():
            if key == "feature_correlation" or one.ci is None:  # the first depends on the axes
                continue
            assert (one.difference, one.ci, one.p) == (0.0, (0.0, 0.0), 1.0), key
