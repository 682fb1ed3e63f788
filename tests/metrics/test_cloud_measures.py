from __future__ import annotations

import numpy as np
import pytest

from repr_probe.errors import UndefinedMeasure
from repr_probe.features.feature_set import Features
from repr_probe.metrics import correlation as correlation_module
from repr_probe.metrics.correlation import correlation_by_columns
from repr_probe.metrics.functions import center_vector_norm, feature_correlation, mean_cosine
from repr_probe.metrics.inference import half_sampling_error
from repr_probe.metrics.rows import Rows
from repr_probe.metrics.states import GeometryStates


def cloud(n=60, width=9, seed=0):
    rng = np.random.default_rng(seed)
    return np.maximum(rng.normal(size=(n, width)) @ rng.normal(size=(width, width)) + 1.0, 0) * rng.uniform(0.5, 3, (n, 1))


def off_diagonal(matrix):
    return matrix[~np.eye(len(matrix), dtype=bool)]


def test_every_measure_against_its_formula(values, brute):
    x = cloud()
    x[4] = 0
    n, width = x.shape
    full = np.delete(x, 4, axis=0)
    norm, u = np.linalg.norm(x, axis=1), brute.unit(full).astype(float)
    r, unit_r = off_diagonal(np.corrcoef(x.T)), off_diagonal(np.corrcoef(u.T))
    ratio = np.abs(u).sum(1)
    lifetime = (1 - np.abs(x).mean(0) ** 2 / (x**2).mean(0)) / (1 - 1 / n)
    expected = {
        "center_vector_norm": np.linalg.norm(u.mean(0)), "std_of_l2_normalized": u.std(0, ddof=1).mean(),
        "feature_correlation": np.abs(r).mean(), "feature_correlation_signed": r.mean(), "feature_correlation_rms": np.sqrt((r**2).mean()),
        "feature_correlation_max": np.abs(r).max(), "feature_correlation_unit": np.abs(unit_r).mean(),
        "feature_correlation_noise_floor": np.sqrt(2 / np.pi / n),
        "feature_correlation_debiased_rms": np.sqrt(max(0, (r**2).mean() - 1 / (n - 1))),
        "norm_cv": norm.std() / norm.mean(), "mean_norm": norm.mean(), "norm_min": 0.0, "norm_max": norm.max(),
        "norm_alignment": np.corrcoef(np.linalg.norm(full, axis=1), u @ u.mean(0))[0, 1],
        "zero_fraction": (x == 0).mean(), "dead_features": (x == 0).all(0).mean(), "active_per_sample_mean": (x != 0).sum(1).mean(),
        "active_per_sample_min": 0, "hoyer": ((np.sqrt(width) - ratio) / (np.sqrt(width) - 1)).mean(),
        "treves_rolls_population": ((1 - ratio**2 / width) / (1 - 1 / width)).mean(), "treves_rolls_lifetime": lifetime.mean(),
    }  # fmt: skip
    found = values(x)
    for key, number in expected.items():
        assert found[key] == pytest.approx(number, rel=1e-10), key
    assert center_vector_norm(x) == pytest.approx(expected["center_vector_norm"], rel=1e-12)
    assert feature_correlation(x) == pytest.approx(expected["feature_correlation"], rel=1e-12)
    assert mean_cosine(x) == pytest.approx(found["anisotropy_mean_cosine"], rel=1e-12)


# --- centre -----------------------------------------------------------------------------------------------------------


def test_extreme_norms(values):
    found = values([[3.0, 4.0], [0.0, 2.0], [5.0, 12.0]], keys=["norm_min", "norm_max", "mean_norm"])
    assert list(found.values()) == [2.0, 13.0, 20 / 3]


def test_antipodal_pairs_have_no_centre(values):
    x = cloud() - 1
    found = values(np.concatenate([x, -x]))
    assert found["center_vector_norm"] == pytest.approx(0, abs=1e-12)
    assert found["center_vector_norm_debiased"] == 0
    assert found["anisotropy_mean_cosine"] == pytest.approx(-1 / 119)


def test_one_row(values):
    found = values([[3.0, 4.0]])
    assert (found["center_vector_norm"], found["anisotropy"], found["effective_rank"]) == pytest.approx((1, 1, 1))
    with pytest.raises(UndefinedMeasure, match="needs 2 non-zero rows; got 1"):
        mean_cosine([[3.0, 4.0]])
    with pytest.raises(UndefinedMeasure, match="all rows are zero"):
        center_vector_norm([[0.0, 0.0]])


# --- correlation ------------------------------------------------------------------------------------------------------


def test_constant_columns_are_left_out(values):
    """Trap 2: a dead column makes r 0/0; a column constant up to rounding is constant too."""
    x = cloud(width=6)
    expected = np.abs(off_diagonal(np.corrcoef(x.T))).mean()
    wider = np.column_stack([x, np.zeros(60), np.full(60, 0.1), 1e8 + np.arange(60) % 2 * 1e-8])
    assert feature_correlation(wider) == pytest.approx(expected, rel=1e-12)
    assert GeometryStates(Features(wider)).constant.tolist() == [False] * 6 + [True] * 3


def test_copied_columns():
    x = cloud(width=5)
    r = np.corrcoef(np.column_stack([x, x[:, 0]]).T)
    assert feature_correlation(np.column_stack([x, x[:, 0]])) == pytest.approx(np.abs(off_diagonal(r)).mean())
    assert feature_correlation(np.column_stack([x[:, 0], 3 - 2 * x[:, 0]])) == pytest.approx(1.0)


def test_independent_features_read_the_noise_floor(values):
    found = values(np.random.default_rng(0).normal(size=(400, 60)))
    assert found["feature_correlation"] == pytest.approx(found["feature_correlation_noise_floor"], rel=0.05)
    assert found["feature_correlation_debiased_rms"] < 0.02


@pytest.mark.parametrize(
    ("x", "reason"),
    [
        (np.eye(2), "needs 3 rows; got 2"),
        (np.arange(4.0)[:, None], "needs 2 non-constant features; got 1 of 1"),
        (np.column_stack([np.arange(4.0), np.ones(4)]), "needs 2 non-constant features; got 1 of 2"),
    ],
)
def test_correlation_without_pairs_of_features(x, reason):
    with pytest.raises(UndefinedMeasure, match=reason):
        feature_correlation(x)


def test_blocks_of_columns(monkeypatch):
    x = cloud(n=20, width=30)
    x[:, 7] = 2.0
    live = np.arange(30) != 7
    r = off_diagonal(np.corrcoef(x[:, live].T))
    for numbers in (1, 60, 1 << 20):
        monkeypatch.setattr(correlation_module, "_BLOCK_NUMBERS", numbers)
        found = correlation_by_columns(Rows(x), x.mean(0), x.var(0), ~live)
        assert found.mean_absolute() == pytest.approx(np.abs(r).mean())
        assert found.mean_signed() == pytest.approx(r.mean())
        assert found.mean_square() == pytest.approx((r**2).mean())
        assert found.largest == pytest.approx(np.abs(r).max())
        assert found.n_pairs == 29 * 28


# --- norms ------------------------------------------------------------------------------------------------------------


def test_equal_norms_far_from_zero(values):
    """A variance of norms by E r² - (E r)² would read 1e-8 here."""
    x = np.tile([[3e5, 4e5]], (50, 1)) * (1 + 1e-9 * np.arange(50)[:, None])
    assert values(x, keys=["norm_cv"])["norm_cv"] == pytest.approx(1e-9 * np.std(np.arange(50)), rel=1e-5)
    assert values(np.ones((5, 3)), keys=["norm_alignment"])["norm_alignment"] is None


def test_norms_that_grow_towards_the_centre_align(values):
    angle = np.linspace(-1, 1, 41)
    x = np.column_stack([np.cos(angle), np.sin(angle)])
    assert values(x * np.cos(angle)[:, None], keys=["norm_alignment"])["norm_alignment"] == pytest.approx(1.0)
    assert values(x * (2 - np.cos(angle))[:, None], keys=["norm_alignment"])["norm_alignment"] == pytest.approx(-1.0)


# --- half-sampling beside the influence function ----------------------------------------------------------------------


def test_correlation_error_is_that_of_half_sampling(measured):
    """METRICS asks for half-sampling of rows; the influence function costs a hundredth of it and has to say the same."""
    x = cloud(n=600, width=10, seed=3) + 0.2 * np.random.default_rng(0).normal(size=(600, 10))
    keys = ("feature_correlation", "feature_correlation_signed", "feature_correlation_rms", "feature_correlation_unit")
    found = measured(x, keys=keys)
    u = x / np.linalg.norm(x, axis=1, keepdims=True)
    statistics = {
        "feature_correlation": lambda rows: np.abs(off_diagonal(np.corrcoef(x[rows].T))).mean(),
        "feature_correlation_signed": lambda rows: off_diagonal(np.corrcoef(x[rows].T)).mean(),
        "feature_correlation_rms": lambda rows: np.sqrt((off_diagonal(np.corrcoef(x[rows].T)) ** 2).mean()),
        "feature_correlation_unit": lambda rows: np.abs(off_diagonal(np.corrcoef(u[rows].T))).mean(),
    }
    for key, statistic in statistics.items():
        low, high = found[key].ci
        assert (high - low) / 2 / 1.96 == pytest.approx(half_sampling_error(statistic, 600, 1), rel=0.2), key
