from __future__ import annotations

import numpy as np
import pytest

from repr_probe.errors import UndefinedMeasure
from repr_probe.metrics.inference import (
    delete_groups,
    half_samples,
    half_sampling_error,
    jackknife_interval,
    means_without_each,
    normal_interval,
    projected_influence,
)
from repr_probe.metrics.rows import Rows


def test_normal_interval_is_clipped_to_the_range():
    assert normal_interval(0.5, 0.1) == pytest.approx((0.304004, 0.695996), abs=1e-6)
    assert normal_interval(0.1, 0.1, 0.0, 1.0)[0] == 0.0
    assert normal_interval(0.95, 0.1, 0.0, 1.0)[1] == 1.0


def test_jackknife_of_a_mean_is_the_t_interval():
    from scipy.stats import t

    x = np.random.default_rng(0).normal(size=20)
    found = jackknife_interval(x.mean(), (x.sum() - x) / 19)
    assert found == pytest.approx(t.interval(0.95, 19, x.mean(), x.std(ddof=1) / np.sqrt(20)), rel=1e-12)
    assert jackknife_interval(0.0, np.array([1.0, -1.0]), 0.0, 0.5) == (0.0, 0.5)


@pytest.mark.parametrize("left", [[], [1.0], [1.0, np.nan, 2.0], [1.0, np.inf]])
def test_no_jackknife_where_a_unit_cannot_be_left_out(left):
    with pytest.raises(UndefinedMeasure, match="leaving out one unit leaves the measure undefined"):
        jackknife_interval(1.0, np.array(left))


def test_means_without_each():
    assert means_without_each(np.array([1.0, 2.0, 6.0])).tolist() == [4.0, 3.5, 1.5]
    assert len(means_without_each(np.array([1.0]))) == 0


def test_half_samples_are_halves_without_repetition_and_from_the_seed():
    drawn = list(half_samples(11, 3))
    assert len(drawn) == 200
    assert all(len(set(rows)) == 5 and max(rows) < 11 for rows in drawn)
    np.testing.assert_array_equal(next(iter(half_samples(11, 3))), drawn[0])
    assert not np.array_equal(next(iter(half_samples(11, 4))), drawn[0])


def test_half_sampling_error_of_a_mean():
    x = np.random.default_rng(0).normal(size=501)
    assert half_sampling_error(lambda rows: x[rows].mean(), 501) == pytest.approx(x.std() / np.sqrt(501), rel=0.12)


def test_projected_influence_is_that_of_its_rows():
    rng = np.random.default_rng(0)
    x, center = rng.normal(size=(200, 6)) + 1, rng.normal(size=6)
    vectors, gradients = np.linalg.qr(rng.normal(size=(6, 4)))[0], rng.normal(size=(4, 3)) * [1, 1e6, 1e-6]
    for at in (None, center):
        rows = (x if at is None else x - at) @ vectors
        expected = ((rows**2) @ gradients).std(0) / np.sqrt(200)
        np.testing.assert_allclose(projected_influence(Rows(x), at, vectors, gradients), expected, rtol=1e-5)


def test_groups_of_classes():
    assert delete_groups(100).tolist() == list(range(100))
    groups = delete_groups(1000, seed=1)
    assert np.bincount(groups).tolist() == [10] * 100
    assert not np.array_equal(groups, delete_groups(1000, seed=2))
