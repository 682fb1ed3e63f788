from __future__ import annotations

import numpy as np
import pytest

from repr_probe.errors import InputError, UndefinedMeasure
from repr_probe.metrics.functions import anisotropy, effective_rank, participation_ratio, rankme
from repr_probe.metrics.inference import half_samples
from repr_probe.metrics.lifted import LiftedGram
from repr_probe.metrics.spectrum import Spectrum, power_law, rankme_from_sigma, spectrum_of


def cloud(n=80, width=12, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, width)) @ rng.normal(size=(width, width)) + rng.normal(size=width)


def test_every_variant_against_its_formula(values, brute):
    x = cloud()
    u = brute.unit(x).astype(float)
    centred = x - x.mean(0)
    s, sc, su, suc = (np.linalg.svd(m, compute_uv=False) for m in (x, centred, u, u - u.mean(0)))
    share = lambda sigma: sigma[0] ** 2 / (sigma**2).sum()  # noqa: E731
    ratio = lambda sigma: (sigma**2).sum() ** 2 / (sigma**4).sum()  # noqa: E731
    expected = {
        "anisotropy": share(s), "anisotropy_centered": share(sc), "anisotropy_unit": share(su), "anisotropy_sigma_share": s[0] / s.sum(),
        "anisotropy_mean_ratio": (x.mean(0) ** 2).sum() / (x**2).sum(1).mean(),
        "effective_rank": brute.entropy_rank(s), "effective_rank_centered": brute.entropy_rank(sc),
        "effective_rank_unit": brute.entropy_rank(su), "effective_rank_unit_centered": brute.entropy_rank(suc),
        "effective_rank_eigenvalues": brute.entropy_rank(s**2), "effective_rank_eigenvalues_centered": brute.entropy_rank(sc**2),
        "participation_ratio": ratio(sc), "participation_ratio_uncentered": ratio(s), "participation_ratio_unit": ratio(suc),
        "nesum": (sc**2).sum() / sc[0] ** 2, "isoscore": (ratio(sc) - 1) / 11,
        "rankme": np.exp(-((s / s.sum() + 1e-7) * np.log(s / s.sum() + 1e-7)).sum()),
        "rankme_stable_pretraining": np.exp(-((s / s.sum() + 1e-5) * np.log(s / s.sum() + 1e-5)).sum()),
        "rankme_reptrix": np.exp(-((sc**2 / (sc**2).sum() + 1e-7) * np.log(sc**2 / (sc**2).sum() + 1e-7)).sum()),
        "effective_rank_extrapolated": 2 * brute.entropy_rank(s) - np.mean([brute.effective_rank(x[h]) for h in half_samples(80, 0, 20)]),
    }  # fmt: skip
    found = values(x)
    for key, number in expected.items():
        assert found[key] == pytest.approx(number, rel=1e-10), key


def test_functions_and_reports_agree(values):
    x = cloud()
    found = values(x)
    assert anisotropy(x) == pytest.approx(found["anisotropy"], rel=1e-12)
    assert anisotropy(x, center=True) == pytest.approx(found["anisotropy_centered"], rel=1e-12)
    assert anisotropy(x, normalize=True) == pytest.approx(found["anisotropy_unit"], rel=1e-12)
    assert effective_rank(x, center=True, normalize=True) == pytest.approx(found["effective_rank_unit_centered"], rel=1e-12)
    assert effective_rank(x, spectrum="lambda") == pytest.approx(found["effective_rank_eigenvalues"], rel=1e-12)
    assert effective_rank(x, spectrum="lambda", center=True) == pytest.approx(found["effective_rank_eigenvalues_centered"], rel=1e-12)
    assert participation_ratio(x) == pytest.approx(found["participation_ratio"], rel=1e-12)
    assert participation_ratio(x, center=False) == pytest.approx(found["participation_ratio_uncentered"], rel=1e-12)
    assert rankme(x) == pytest.approx(found["rankme"], rel=1e-12)
    with pytest.raises(InputError, match="spectrum must be 'sigma' or 'lambda'; got 'eig'"):
        effective_rank(x, spectrum="eig")


def low_rank(n=300, width=120, rank=20):
    """Rank-20 float32 data; float32 rounding itself is far below the cut."""
    rng = np.random.default_rng(0)
    return rng.normal(size=(n, rank)) @ rng.normal(size=(rank, width))


@pytest.mark.parametrize("first", [1.0, 300.0])
@pytest.mark.parametrize("shift", [0.0, 5.0])
def test_rank_of_low_rank_data_is_not_raised_by_rounding(values, brute, first, shift):
    """Trap 9: a float32 Gram matrix reads above 20. Also when the first row, the reference of the Gram, is 300 times longer."""
    x = low_rank() + shift
    x[0] *= first
    sigma = np.linalg.svd(x, compute_uv=False)
    expected = brute.entropy_rank(sigma[: 20 + (shift > 0)])
    assert values(x, keys=["effective_rank"])["effective_rank"] == pytest.approx(expected, rel=1e-6)
    assert effective_rank(x) == pytest.approx(expected, rel=1e-6)
    centred = np.linalg.svd(x - x.mean(0), compute_uv=False)
    assert effective_rank(x, center=True) == pytest.approx(brute.entropy_rank(centred[: 20 + (shift > 0 and first > 1)]), rel=1e-6)


def test_rank_of_float32_data():
    assert effective_rank(low_rank(3000, 1024).astype(np.float32)) == pytest.approx(19.93, abs=0.01)


def test_geometric_singular_values():
    """H = -ln(1-q) - q ln q/(1-q) for σ = q^j and many of them."""
    q = 0.8
    entropy = -np.log(1 - q) - q * np.log(q) / (1 - q)
    assert effective_rank(np.diag(q ** np.arange(100.0))) == pytest.approx(np.exp(entropy), rel=1e-5)


def test_epsilon_of_rankme():
    """Trap 14: what the same matrix reads under the epsilons in use."""
    assert rankme_from_sigma(np.ones(10), 2048) == pytest.approx(10.03, abs=5e-3)
    assert rankme_from_sigma(np.ones(10), 2048, 1e-5) == pytest.approx(12.65, abs=5e-3)
    assert rankme_from_sigma(np.ones(1500), 2048) == pytest.approx(1502.75, abs=5e-3)
    assert rankme_from_sigma(np.ones(1500), 2048, 1e-5) == pytest.approx(1756.18, abs=5e-3)
    x = np.zeros((2100, 2048), np.float32)
    x[np.arange(10), np.arange(10)] = 3
    assert rankme(x[:, :64]) == pytest.approx(10.0, abs=2e-3)


@pytest.mark.parametrize("weighted", [True, False])
def test_power_law(weighted):
    fit = power_law(np.arange(1.0, 301) ** -1.3, weighted=weighted)
    assert (fit.slope, fit.r2, fit.low, fit.high) == (pytest.approx(1.3), pytest.approx(1.0), 11, 100)
    with pytest.raises(UndefinedMeasure, match=r"the fit needs 10 eigenvalues from j = 11 to rank/2; got rank 39"):
        power_law(np.arange(1.0, 40))
    noisy = np.arange(1.0, 81) ** -0.7 * np.exp(0.1 * np.random.default_rng(0).normal(size=80))
    fit, j = power_law(noisy, weighted=weighted), np.arange(11, 41)
    slope, _ = np.polyfit(np.log(j), np.log(noisy[10:40]), 1, w=j**-0.5 if weighted else None)
    assert fit.slope == pytest.approx(-slope)
    assert fit.high == 40


def test_spectral_decay_of_data(values):
    rng = np.random.default_rng(0)
    q = np.linalg.qr(rng.normal(size=(900, 60)))[0]
    q = np.linalg.qr(q - q.mean(0))[0]
    found = values(q * np.arange(1.0, 61) ** -0.6 + 2.0, keys=["alpha_req", "alpha_req_unweighted", "alpha_req_r2"])
    assert found == pytest.approx({"alpha_req": 1.2, "alpha_req_unweighted": 1.2, "alpha_req_r2": 1.0}, abs=1e-9)


# --- the debiased participation ratio ---------------------------------------------------------------------------------


def pairwise_hsic1(x):
    """HSIC₁ of the linear kernel with itself in its N x N form (Song et al. 2012, eq. 5)."""
    n = len(x)
    k = x @ x.T
    np.fill_diagonal(k, 0)
    return (np.sum(k * k) + k.sum() ** 2 / ((n - 1) * (n - 2)) - 2 / (n - 2) * np.sum(k @ k)) / (n * (n - 3))


@pytest.mark.parametrize("offset", [0.0, 100.0])
def test_hsic_against_its_pairwise_form(offset, values):
    x = cloud(n=25, width=6) + offset
    gram = LiftedGram(x[0])
    gram.add(gram.lift(x))
    expected = pairwise_hsic1(x - x.mean(0))
    assert gram.hsic1() == pytest.approx(expected, rel=1e-10)
    ratio = np.trace(np.cov(x.T)) ** 2 / expected
    assert values(x)["participation_ratio_debiased"] == pytest.approx(ratio, rel=1e-9)
    assert values(x)["isoscore_debiased"] == pytest.approx((ratio - 1) / 5, rel=1e-9)


def test_debiasing_is_right_where_the_naive_ratio_is_far_off(values):
    rng = np.random.default_rng(0)
    found = [values(rng.normal(size=(40, 100)), keys=["participation_ratio", "participation_ratio_debiased"]) for _ in range(30)]
    assert np.mean([one["participation_ratio"] for one in found]) < 30
    assert np.mean([one["participation_ratio_debiased"] for one in found]) == pytest.approx(100, rel=0.03)


# --- derivatives ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["top_share", "sigma_share", "effective_rank", "eigenvalue_rank", "participation_ratio", "nesum"])
def test_gradients_are_differences(name):
    values = np.array([5.0, 2.0, 1.0, 0.3, 0.1])
    gradient = getattr(Spectrum(values, np.empty((5, 0)), 5), f"gradient_{name}")()
    for j in range(5):
        step = np.eye(5)[j] * 1e-6
        high, low = (getattr(Spectrum(values + sign * step, np.empty((5, 0)), 5), name)() for sign in (1, -1))
        assert gradient[j] == pytest.approx((high - low) / 2e-6, rel=1e-6, abs=1e-8)


def test_spectrum_of_a_matrix():
    x = cloud()
    found = spectrum_of(x.T @ x, 80)
    np.testing.assert_allclose(found.values, np.linalg.svd(x, compute_uv=False) ** 2 / 80, rtol=1e-10)
    np.testing.assert_allclose(found.vectors @ np.diag(found.values) @ found.vectors.T, x.T @ x / 80, atol=1e-10)
    np.testing.assert_allclose(spectrum_of(x.T @ x, 80, vectors=False).values, found.values, rtol=1e-10)
    with pytest.raises(UndefinedMeasure, match="features must have variance; all rows are equal or zero"):
        spectrum_of(np.zeros((3, 3)), 5)


@pytest.mark.parametrize("measure", [anisotropy, effective_rank, participation_ratio, rankme])
def test_no_number_for_zeros(measure):
    with pytest.raises(UndefinedMeasure, match=r"features must have variance|no variance"):
        measure(np.zeros((4, 3)))


@pytest.mark.parametrize("constant", [1.0, 0.1, 1 / 3, 1e8])
@pytest.mark.parametrize("measure", [anisotropy, effective_rank, participation_ratio])
def test_equal_rows_have_no_centred_spectrum(measure, constant):
    x = np.full((7, 3), constant) * [1.0, 0.7, 0.3]
    with pytest.raises(UndefinedMeasure, match="no variance"):
        measure(x, center=True)
    assert effective_rank(x) == pytest.approx(1.0, abs=1e-6)
    with pytest.raises(UndefinedMeasure, match="needs 2 rows; got 1"):
        measure(x[:1], center=True)
    with pytest.raises(UndefinedMeasure, match="all rows are zero"):
        measure(0 * x, normalize=True)
