"""Nominal 95 % intervals on 200 simulated data sets, and standard errors beside the SD over fresh samples."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from repr_probe.features.feature_set import Features
from repr_probe.metrics.states import GeometryStates, Options
from repr_probe.reports.geometry import measure_all

pytestmark = pytest.mark.slow
N_SETS, N_FRESH = 200, 600
WIDTH, ROWS = 12, 400
IMAGE_KEYS = (
    "center_vector_norm", "center_vector_norm_debiased", "anisotropy_mean_cosine", "anisotropy", "anisotropy_centered", "anisotropy_unit",
    "anisotropy_sigma_share", "effective_rank", "effective_rank_centered", "effective_rank_unit", "effective_rank_unit_centered",
    "effective_rank_eigenvalues", "effective_rank_eigenvalues_centered", "participation_ratio", "participation_ratio_uncentered",
    "participation_ratio_debiased", "nesum", "isoscore", "isoscore_debiased", "rankme", "feature_correlation", "feature_correlation_signed",
    "feature_correlation_rms", "feature_correlation_unit", "norm_alignment", "norm_cv", "mean_norm", "zero_fraction", "hoyer",
    "treves_rolls_population", "active_per_sample_mean", "std_of_l2_normalized", "angle_all_mean", "angle_all_std", "uniformity",
)  # fmt: skip
CLASS_KEYS = (
    "d_prime", "d_prime_all_vs_positive", "d_prime_class_mean", "d_prime_angle", "angle_gap", "alignment_class", "angle_positive_mean",
    "angle_positive_std", "angle_negative_mean", "angle_negative_std", "angle_positive_mean_class", "angle_positive_std_class",
    "nc1", "nc1_trace", "nc1_cdnv", "nc2_equinorm", "nc2_angle", "ncc_accuracy", "silhouette_cosine",
)  # fmt: skip
CONSERVATIVE = {"angle_negative_std", "nc1", "nc2_angle"}  # jackknives known to be up to half too wide


def draw_images(rng: np.random.Generator) -> Features:
    """A cone of directions with a decaying spectrum, norms that vary and some exact zeros."""
    mix = np.random.default_rng(7).normal(size=(WIDTH, WIDTH)) * np.exp(-0.25 * np.arange(WIDTH))[:, None]
    x = rng.normal(size=(ROWS, WIDTH)) @ mix + np.r_[1.2, [0.3] * (WIDTH - 1)]
    x[x < -1.5] = 0
    return Features(x * np.exp(0.3 * rng.normal(size=(ROWS, 1))))


def draw_classes(rng: np.random.Generator, n_classes: int = 40) -> Features:
    """Classes drawn anew each time, of unequal spread."""
    labels = np.repeat(np.arange(n_classes), 10)
    spread = rng.uniform(0.7, 1.3, n_classes)[labels, None]
    return Features(0.4 + 1.2 * rng.normal(size=(n_classes, WIDTH))[labels] + spread * rng.normal(size=(len(labels), WIDTH)), labels)


def simulate(draw: Callable[..., Features], keys: tuple[str, ...]) -> dict[str, tuple[float, float]]:
    """key -> (share of intervals that hold the mean over fresh samples, mean standard error / SD over fresh samples)."""

    def run(seed: int, intervals: bool):
        return measure_all(GeometryStates(draw(np.random.default_rng(seed)), Options(intervals=intervals)), keys)

    fresh = [run(10**6 + seed, False) for seed in range(N_FRESH)]
    sets = [run(seed, True) for seed in range(N_SETS)]
    found = {}
    for key in keys:
        values = np.array([one[key].value for one in fresh])
        low, high = np.array([one[key].ci for one in sets]).T
        hits = (low <= values.mean()) & (values.mean() <= high)
        found[key] = float(hits.mean()), float(((high - low) / 2).mean() / 1.96 / values.std())
        print(f"{key:40s} mean {values.mean():9.4f}  SD {values.std():.5f}  SE/SD {found[key][1]:.3f}  coverage {found[key][0]:.3f}")
    return found


@pytest.fixture(scope="module")
def over_images():
    return simulate(draw_images, IMAGE_KEYS)


@pytest.fixture(scope="module")
def over_classes():
    return simulate(draw_classes, CLASS_KEYS)


@pytest.mark.parametrize("key", IMAGE_KEYS)
def test_intervals_over_images_cover(over_images, key):
    coverage, ratio = over_images[key]
    assert 0.90 <= coverage <= 0.98
    assert 0.85 <= ratio <= 1.15


@pytest.mark.parametrize("key", CLASS_KEYS)
def test_intervals_over_classes_cover(over_classes, key):
    coverage, ratio = over_classes[key]
    assert 0.90 <= coverage <= (1.0 if key in CONSERVATIVE else 0.98)
    assert 0.85 <= ratio <= (1.6 if key in CONSERVATIVE else 1.25)
