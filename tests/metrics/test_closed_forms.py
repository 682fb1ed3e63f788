"""Identities between measures (I1-I9, I17) and answers known in closed form (I9, I11-I13)."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import hyp0f1, ive, polygamma
from scipy.stats import vonmises_fisher

from repr_probe.metrics.functions import center_vector_norm

properties = settings(deadline=None, derandomize=True, max_examples=25)


@st.composite
def labelled_clouds(draw):
    n, width = draw(st.integers(4, 30)), draw(st.integers(2, 10))
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    labels = rng.integers(0, draw(st.integers(2, 5)), n)
    labels[:3] = 0, 0, 1  # both kinds of pairs
    x = rng.normal(size=(n, width)) * rng.uniform(0.1, 3, width) + draw(st.sampled_from([0.0, 1.0, 5.0])) * rng.normal(size=width)
    return np.maximum(x, 0) + 1e-3 if draw(st.booleans()) else x, labels


@properties
@given(labelled_clouds())
def test_mean_cosine_law(values, brute, cloud):
    """I1 and the debiased centre."""
    x, labels = cloud
    found, n = values(x, labels, keys=["anisotropy_mean_cosine", "center_vector_norm", "center_vector_norm_debiased"]), len(x)
    deficit = brute.pairs(x)["all"][0]
    assert found["anisotropy_mean_cosine"] == pytest.approx(1 - float(deficit.mean()), abs=1e-12)
    assert found["anisotropy_mean_cosine"] == pytest.approx((n * found["center_vector_norm"] ** 2 - 1) / (n - 1), abs=1e-12)
    assert found["center_vector_norm_debiased"] == pytest.approx(max(0.0, found["anisotropy_mean_cosine"]) ** 0.5, abs=1e-12)


@properties
@given(labelled_clouds())
def test_laws_of_class_sums_and_of_total_variance(brute, cloud):
    """I2, I3, I4 and I5 by the definitions: sums over classes of sums over rows, Gram matrices of classes."""
    from repr_probe.features.feature_set import Features
    from repr_probe.metrics.states import GeometryStates

    x, labels = cloud
    states = GeometryStates(Features(x, labels))
    totals = states.cosine_sums.totals()
    u = brute.unit(x).astype(float)
    n = np.bincount(labels)
    sums = np.array([u[labels == label].sum(0) for label in range(len(n))])
    n_same, n_all = (n * (n - 1)).sum(), len(x) * (len(x) - 1)
    p = n_same / n_all
    mean_same = ((sums**2).sum() - len(x)) / n_same
    mean_other = ((u.sum(0) ** 2).sum() - (sums**2).sum()) / (len(x) ** 2 - (n**2).sum())
    grams = [u[labels == label].T @ u[labels == label] for label in range(len(n))]
    square_same = (sum((gram**2).sum() for gram in grams) - len(x)) / n_same
    square_all = (((u.T @ u) ** 2).sum() - len(x)) / n_all
    assert float(totals.same()[0]) == pytest.approx(mean_same, abs=1e-12)
    assert float(totals.different()[0]) == pytest.approx(mean_other, abs=1e-12)
    assert float(totals.same()[1]) == pytest.approx(square_same - mean_same**2, abs=1e-12)
    assert float(totals.every()[1]) == pytest.approx(square_all - float(totals.every()[0]) ** 2, abs=1e-12)
    mixed = p * totals.same()[1] + (1 - p) * totals.different()[1] + p * (1 - p) * (mean_same - mean_other) ** 2
    assert float(totals.every()[1]) == pytest.approx(float(mixed), abs=1e-12)
    assert states.same_class_pairs() == (n_same // 2, pytest.approx(mean_same, abs=1e-12))


@properties
@given(labelled_clouds())
def test_alignment_is_a_mean_squared_distance(values, brute, cloud):
    """I5."""
    x, labels = cloud
    u = brute.unit(x)
    distances = [((u[i] - u[j]) ** 2).sum() for i in range(len(x)) for j in range(i) if labels[i] == labels[j]]
    assert values(x, labels, keys=["alignment_class"])["alignment_class"] == pytest.approx(float(np.mean(distances)), abs=1e-12)


@properties
@given(labelled_clouds())
def test_relations_of_spectral_measures(values, cloud):
    """I6, I7 and I8, on both centrings."""
    x, labels = cloud
    keys = ["isoscore", "participation_ratio", "nesum", "anisotropy", "anisotropy_centered", "anisotropy_mean_ratio", "anisotropy_unit",
            "participation_ratio_uncentered", "effective_rank_eigenvalues", "effective_rank", "effective_rank_eigenvalues_centered",
            "effective_rank_centered", "center_vector_norm", "isoscore_debiased", "participation_ratio_debiased"]  # fmt: skip
    found = values(x, labels, keys=keys)
    width, tiny = x.shape[1], 1 + 1e-12
    assert found["isoscore"] == pytest.approx((found["participation_ratio"] - 1) / (width - 1), abs=1e-12)
    if found["isoscore_debiased"] is not None:
        assert found["isoscore_debiased"] == pytest.approx((found["participation_ratio_debiased"] - 1) / (width - 1), abs=1e-12)
    assert found["nesum"] == pytest.approx(1 / found["anisotropy_centered"])
    for chain in (
        (1 / found["anisotropy"], found["participation_ratio_uncentered"], found["effective_rank_eigenvalues"], found["effective_rank"]),
        (found["nesum"], found["participation_ratio"], found["effective_rank_eigenvalues_centered"], found["effective_rank_centered"]),
    ):
        assert all(low <= high * tiny for low, high in zip((1.0, *chain), (*chain, min(x.shape))))
    assert found["anisotropy_mean_ratio"] <= found["anisotropy"] * tiny
    assert found["center_vector_norm"] ** 2 <= found["anisotropy_unit"] * tiny


# --- frames (I9) ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("repeats", [1, 3])
def test_orthonormal_frames(values, repeats):
    width = 7
    q = np.tile(np.linalg.qr(np.random.default_rng(0).normal(size=(width, width)))[0], (repeats, 1))
    found = values(q)
    for key, expected in {"effective_rank": width, "anisotropy": 1 / width, "anisotropy_sigma_share": 1 / width, "rankme": width,
                          "participation_ratio_uncentered": width, "effective_rank_unit": width, "norm_cv": 0}.items():  # fmt: skip
        assert found[key] == pytest.approx(expected, abs=1e-4 if key == "rankme" else 1e-10), key


@pytest.mark.parametrize("width", [2, 5, 16])
def test_identity_matrix(values, width):
    found = values(np.eye(width))
    expected = {"center_vector_norm": width**-0.5, "effective_rank_centered": width - 1, "feature_correlation": 1 / (width - 1),
                "feature_correlation_signed": -1 / (width - 1), "participation_ratio": width - 1, "angle_all_mean": 90, "angle_all_std": 0,
                "anisotropy_mean_cosine": 0, "uniformity": -4, "hoyer": 1, "treves_rolls_population": 1, "treves_rolls_lifetime": 1,
                "zero_fraction": 1 - 1 / width, "active_per_sample_mean": 1, "active_per_sample_min": 1, "dead_features": 0,
                "mean_norm": 1}  # fmt: skip
    if width == 2:
        expected.pop("feature_correlation"), expected.pop("feature_correlation_signed")
        assert found["feature_correlation"] is None
    for key, number in expected.items():
        assert found[key] == pytest.approx(number, abs=1e-6), key


def test_one_line_through_the_origin(values):
    found = values(np.outer([1.0, -2.0, 0.5, 3.0, 1.5], [0.6, 0.8, 0.0]))
    ranks = ("effective_rank", "effective_rank_centered", "participation_ratio", "nesum")
    for key in ("anisotropy", "anisotropy_sigma_share", "feature_correlation", *ranks):
        assert found[key] == pytest.approx(1.0, abs=1e-7), key


def test_simplex_of_class_means():
    """I13: centred class means at cosine -1/(K-1)."""
    from repr_probe.metrics.centroids import Centroids

    means = np.eye(5) + 3.0
    cosine = Centroids(means - means.mean(0), np.ones(5), np.arange(5)).cosine()
    np.testing.assert_allclose(cosine[~np.eye(5, dtype=bool)], -1 / 4, atol=1e-12)


# --- distributions on the sphere (I11, I12) ---------------------------------------------------------------------------


@pytest.mark.parametrize(("width", "std", "uniformity"), [(2, 51.96, -1.5750), (3, 39.17, -2.0798), (64, 7.218, -3.8752)])
def test_uniform_directions(values, width, std, uniformity):
    assert np.degrees(np.sqrt(polygamma(1, width / 2) / 2)) == pytest.approx(std, abs=6e-3)
    assert np.log(hyp0f1(width / 2, 4.0)) - 4 == pytest.approx(uniformity, abs=6e-5)
    x = np.random.default_rng(width).normal(size=(1500, width)) * np.linspace(0.5, 2, 1500)[:, None]
    found = values(x, keys=["angle_all_mean", "angle_all_std", "uniformity", "anisotropy_mean_cosine", "std_of_l2_normalized"])
    assert found["angle_all_mean"] == pytest.approx(90, abs=0.15)
    assert found["angle_all_std"] == pytest.approx(std, rel=0.01)
    assert found["uniformity"] == pytest.approx(uniformity, abs=0.006)
    assert found["anisotropy_mean_cosine"] == pytest.approx(0, abs=2e-3)
    assert found["std_of_l2_normalized"] == pytest.approx(width**-0.5, rel=2e-3)


@pytest.mark.parametrize(("kappa", "printed"), [(10, 0.4876), (100, 0.9275)])
def test_von_mises_fisher_directions(kappa, printed):
    width = 16
    expected = ive(width / 2, kappa) / ive(width / 2 - 1, kappa)
    assert expected == pytest.approx(printed, abs=6e-5)
    x = vonmises_fisher(np.eye(width)[3], kappa).rvs(20_000, random_state=np.random.default_rng(0))
    assert center_vector_norm(x * np.linspace(1, 9, 20_000)[:, None]) == pytest.approx(expected, abs=5e-3)


# --- sparsity (I17) ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("draw", "expected"), [("normal", 1 - 2 / np.pi), ("exponential", 0.5)])
def test_sparseness_of_known_distributions(values, draw, expected):
    x = getattr(np.random.default_rng(0), draw)(size=(600, 500))
    found = values(x, keys=["treves_rolls_population", "treves_rolls_lifetime", "hoyer"])
    assert found["treves_rolls_population"] == pytest.approx(expected, abs=2e-3)
    assert found["treves_rolls_lifetime"] == pytest.approx(expected, abs=2e-3)
    assert found["hoyer"] == pytest.approx((np.sqrt(500) - np.sqrt(500 * (1 - expected))) / (np.sqrt(500) - 1), abs=2e-3)


def test_sparseness_of_constants_and_of_scaled_rows(values):
    keys = ["hoyer", "treves_rolls_population", "zero_fraction"]
    found = values(np.full((4, 9), -2.0), keys=keys)
    assert list(found.values()) == pytest.approx([0, 0, 0], abs=1e-12)
    x = np.maximum(np.random.default_rng(0).normal(size=(20, 9)), 0)
    assert values(x * np.linspace(1, 50, 20)[:, None], keys=keys) == pytest.approx(values(x, keys=keys), abs=1e-12)


def test_negative_zero_is_zero(values):
    x = np.array([[1.0, -0.0, 0.0, 2.0], [-0.0, -0.0, -0.0, -0.0], [1.0, -1.0, -0.0, 1.0]])
    found = values(x)
    assert found["zero_fraction"] == pytest.approx(7 / 12)
    assert found["dead_features"] == 0.25
    assert found["active_per_sample_min"] == 0
    assert found["active_per_sample_mean"] == pytest.approx(5 / 3)
    assert found["center_vector_norm"] is not None
