"""The normaliser of the von Mises-Fisher kernel against arbitrary precision, closed forms and an integral."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest
import torch

from repr_probe.errors import InputError, UsageError
from repr_probe.training.vmf import log_normaliser, log_sphere_area, log_uniform_mean, require_concentration


def log_normaliser_mpmath(n_features: int, kappa: float) -> float:
    """log of kappa^(D/2-1) / ((2 pi)^(D/2) I_(D/2-1)(kappa)), the textbook form, with 60 digits."""
    with mpmath.workdps(60):
        order = mpmath.mpf(n_features) / 2 - 1
        kappa = mpmath.mpf(kappa)
        return float(order * mpmath.log(kappa) - (order + 1) * mpmath.log(2 * mpmath.pi) - mpmath.log(mpmath.besseli(order, kappa)))


@pytest.mark.parametrize("n_features", [2, 3, 17, 128, 212, 512, 577, 4096, 65536])
@pytest.mark.parametrize("kappa", [1e-3, 0.1, math.log(2), 1.0, 10.0, 20.0, 500.0, 1e4])
def test_the_normaliser_against_mpmath(n_features, kappa):
    """Also where scipy's `ive` underflows (from 212 dimensions at kappa 0.1, 577 at 20)."""
    assert log_normaliser(n_features, kappa) == pytest.approx(log_normaliser_mpmath(n_features, kappa), abs=1e-10)


@pytest.mark.parametrize("n_features", [2, 64, 4096])
@pytest.mark.parametrize("kappa", [1e-3, 1.0, 20.0])
def test_the_flatness_of_the_kernel_keeps_its_digits(n_features, kappa):
    """Relative, though it is 1e-10 beside a normaliser of 1e4."""
    with mpmath.workdps(60):
        exact = float(mpmath.log(mpmath.hyp0f1(mpmath.mpf(n_features) / 2, mpmath.mpf(kappa) ** 2 / 4)))
    assert log_uniform_mean(n_features, kappa) == pytest.approx(exact, rel=1e-13)


def test_the_textbook_form_with_scipy_is_lost_where_this_is_not():
    special = pytest.importorskip("scipy.special")
    assert special.ive(4096 / 2 - 1, 1.0) == 0.0
    assert math.isfinite(log_normaliser(4096, 1.0))


def test_three_dimensions_and_no_concentration():
    assert log_normaliser(3, 2.0) == pytest.approx(math.log(2 / (4 * math.pi * math.sinh(2))), abs=1e-14)
    assert log_normaliser(10, 1e-9) == pytest.approx(-log_sphere_area(10), abs=1e-14)
    assert log_sphere_area(2) == pytest.approx(math.log(2 * math.pi), abs=1e-15)


def test_the_density_integrates_to_one_on_the_circle():
    angles = np.linspace(0, 2 * math.pi, 200, endpoint=False)  # a periodic integrand: the plain sum is exact
    assert np.exp(log_normaliser(2, 5.0) + 5.0 * np.cos(angles)).mean() * 2 * math.pi == pytest.approx(1.0, abs=1e-14)


def test_the_mean_over_uniform_directions_is_what_it_says():
    directions = torch.nn.functional.normalize(torch.randn(200_000, 8, generator=torch.Generator().manual_seed(0)), dim=1)
    assert log_uniform_mean(8, 3.0) == pytest.approx((3.0 * directions[:, 0]).exp().mean().log().item(), abs=0.01)


def test_what_cannot_be_is_named():
    with pytest.raises(InputError, match="n_features must be at least 2 to make a sphere; got 1"):
        log_normaliser(1, 1.0)
    for kappa in (0.0, -1.0, math.inf, math.nan):
        with pytest.raises(UsageError, match=f"kappa must be a positive finite number; got {kappa}"):
            log_normaliser(3, kappa)
        with pytest.raises(UsageError, match=f"kappa must be a positive finite number; got {kappa}"):
            require_concentration(kappa)
