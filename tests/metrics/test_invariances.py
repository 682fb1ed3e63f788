"""What must not change a measure, what must, and how far apart two ways of storing the same numbers may read (I10)."""

from __future__ import annotations

import numpy as np
import pytest

from repr_probe.metrics.definitions import DEFINITIONS, keys_of

FULL = [key for key in keys_of("full") if DEFINITIONS[key].needs != "views"]
BY_POSITION = {"effective_rank_extrapolated", "twonn_half", "twonn_quarter"}  # draw parts of the rows by their position
BY_COLUMN = {key for key in FULL if key.startswith(("feature_correlation", "hoyer", "treves", "active", "dead", "zero_fraction", "std_of"))}
BY_LENGTH = {"mean_norm", "norm_min", "norm_max"}
BY_DELTA = {"lidar_class"}  # the identity that is added to the covariance of views has a size of its own
SPHERICAL = {key for key in FULL if DEFINITIONS[key].needs in ("labels", "pairs", "labels+pairs") or key in (
    "center_vector_norm", "center_vector_norm_debiased", "anisotropy_mean_cosine", "anisotropy_unit", "effective_rank_unit",
    "effective_rank_unit_centered", "participation_ratio_unit", "std_of_l2_normalized", "hoyer", "treves_rolls_population",
    "zero_fraction", "feature_correlation_unit", "k_skewness", "robin_hood", "antihub_share", "hub_share",
    "knn_purity_1", "knn_purity_10", "knn_purity_50")} - {
    "centroid_rank_raw", "nc1", "nc1_trace", "nc1_cdnv", "nc2_equinorm", "nc2_angle", "ncc_accuracy", "lidar_class"}  # fmt: skip


@pytest.fixture(scope="module")
def cloud():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 5, 90)
    return np.maximum(rng.normal(size=(90, 22)) + 1.5 * rng.normal(size=(5, 22))[labels] + 0.3, 0) * rng.uniform(0.5, 2, (90, 1)), labels


@pytest.fixture(scope="module")
def reference(cloud, values):
    return values(*cloud)


def assert_same(found, reference, keys, tolerance=1e-9):
    """Angles come from a float32 product: 1e-4 degree, or one bin for what is read off a histogram."""
    for key in keys:
        angular = "angle" in key or key in ("uniformity", "auc", "d_prime_auc", "overlap")
        bins = key.endswith(("mode", "skewness", "excess")) or "_q" in key or key in ("overlap", "auc", "d_prime_auc")
        allowed = 0.06 if bins and "mode" not in key else 3.0 if bins else 1e-4 if angular else tolerance
        expected = reference[key] if reference[key] is None else pytest.approx(reference[key], rel=max(tolerance, 1e-9), abs=allowed)
        assert found[key] == expected, key


def test_every_key_has_a_value_here(reference):
    assert [key for key, number in reference.items() if number is None and not key.startswith("alpha")] == []


def test_rotation(cloud, reference, values):
    x, labels = cloud
    q = np.linalg.qr(np.random.default_rng(1).normal(size=(22, 22)))[0]
    found = values(x @ q, labels)
    assert_same(found, reference, set(FULL) - BY_COLUMN)
    for key in ("feature_correlation", "hoyer", "zero_fraction", "treves_rolls_population"):
        assert found[key] != pytest.approx(reference[key], rel=0.05), key


@pytest.mark.parametrize("scale", [1e-3, 4.0, 1e6])
def test_scale(cloud, reference, values, scale):
    x, labels = cloud
    found = values(scale * x, labels)
    assert_same(found, reference, set(FULL) - BY_LENGTH - BY_DELTA)
    for key in BY_LENGTH:
        assert found[key] == pytest.approx(scale * reference[key])


def test_row_order_and_label_names(cloud, reference, values):
    x, labels = cloud
    order = np.random.default_rng(2).permutation(90)
    renamed = [f"kind {9 - label}" for label in labels[order]]
    assert_same(values(x[order], renamed), reference, set(FULL) - BY_POSITION)


def test_columns_in_another_order(cloud, reference, values):
    x, labels = cloud
    assert_same(values(x[:, ::-1], labels), reference, FULL)


def test_length_of_each_row(cloud, reference, values):
    x, labels = cloud
    found = values(x * np.random.default_rng(3).uniform(0.1, 10, (90, 1)), labels)
    assert_same(found, reference, SPHERICAL)
    for key in ("anisotropy", "effective_rank", "feature_correlation", "norm_cv"):
        assert found[key] != pytest.approx(reference[key], rel=1e-3), key


def test_shuffled_labels_or_flipped_rows_are_noticed(cloud, reference, values):
    x, labels = cloud
    shuffled = values(x, np.random.default_rng(4).permutation(labels))
    for key in ("d_prime", "d_prime_angle", "d_prime_auc", "angle_gap", "d_prime_class_mean", "d_prime_all_vs_positive"):
        assert abs(shuffled[key]) < 0.2 * abs(reference[key]), key
    assert shuffled["auc"] == pytest.approx(0.5, abs=0.05)
    assert shuffled["centroid_noise_share"] > 3 * reference["centroid_noise_share"]
    flipped = values(x * np.where(np.arange(90) % 2, 1, -1)[:, None], labels)
    for key in ("center_vector_norm", "anisotropy_mean_cosine", "angle_all_mean", "angle_positive_mean", "alignment_class", "uniformity"):
        assert abs(flipped[key] - reference[key]) > 0.1, key


def test_columns_shifted_scaled_or_negated_leave_the_correlation(cloud, reference, values):
    x, labels = cloud
    rng = np.random.default_rng(5)
    keys = [key for key in FULL if key.startswith("feature_correlation") and not key.endswith(("unit", "signed"))]
    moved = x * rng.uniform(0.5, 2, 22) * rng.choice([-1, 1], 22) + rng.normal(size=22)
    assert_same(values(moved, labels, keys=keys), reference, keys)


def test_far_offset_leaves_centred_measures(cloud, values):
    """Trap 17: X + 10,000."""
    x, labels = cloud
    keys = ["effective_rank_centered", "participation_ratio", "participation_ratio_debiased", "nesum", "isoscore", "anisotropy_centered",
            "effective_rank_eigenvalues_centered", "feature_correlation", "feature_correlation_rms", "rankme_reptrix"]  # fmt: skip
    near, far = values(x, labels, keys=keys), values(x + 1e4, labels, keys=keys)
    for key in keys:
        assert far[key] == pytest.approx(near[key], rel=1e-6), key


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_storage_in_fewer_digits(cloud, values, dtype):
    x, labels = cloud
    stored = x.astype(dtype)
    assert_same(values(stored, labels), values(stored.astype(np.float64), labels), FULL, 1e-12)


def test_memory_map_and_array_are_one(cloud, reference, values, tmp_path):
    x, labels = cloud
    np.save(tmp_path / "x.npy", x)
    assert values(tmp_path / "x.npy", labels) == reference


def test_more_features_than_rows(values, brute):
    """The rows are turned into N coordinates first; every measure against its plain formula."""
    rng = np.random.default_rng(6)
    x, labels = rng.normal(size=(24, 60)) * rng.uniform(0.2, 2, 60) + 0.4, np.arange(24) % 4
    x[5] = 0
    found = values(x, labels)
    sigma, centred = np.linalg.svd(x, compute_uv=False), np.linalg.svd(x - x.mean(0), compute_uv=False)[:-1]
    full = np.delete(x, 5, axis=0)
    u = brute.unit(full).astype(float)
    r = np.abs(np.corrcoef(x.T)[np.triu_indices(60, 1)])
    unit_r = np.abs(np.corrcoef(u.T)[np.triu_indices(60, 1)])
    expected = {
        "effective_rank": brute.entropy_rank(sigma), "effective_rank_centered": brute.entropy_rank(centred),
        "effective_rank_unit": brute.effective_rank(u), "anisotropy": sigma[0] ** 2 / (sigma**2).sum(),
        "participation_ratio": (centred**2).sum() ** 2 / (centred**4).sum(), "feature_correlation": r.mean(),
        "feature_correlation_rms": np.sqrt((r**2).mean()), "feature_correlation_max": r.max(), "feature_correlation_unit": unit_r.mean(),
        "center_vector_norm": np.linalg.norm(u.mean(0)), "d_prime": brute.d_prime(full, np.delete(labels, 5)),
        "std_of_l2_normalized": u.std(0, ddof=1).mean(), "mean_norm": np.linalg.norm(x, axis=1).mean(),
        "norm_alignment": np.corrcoef(np.linalg.norm(full, axis=1), u @ u.mean(0))[0, 1],
        "anisotropy_mean_ratio": (x.mean(0) ** 2).sum() / (x**2).sum(1).mean(), "effective_rank_extrapolated": None,
    }  # fmt: skip
    for key, number in expected.items():
        assert found[key] == (number if number is None else pytest.approx(number, rel=1e-9)), key
