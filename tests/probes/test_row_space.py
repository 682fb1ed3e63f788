"""Fits with fewer rows than features: in the span of the rows they are the same fits."""

from __future__ import annotations

import numpy as np
import pytest

from repr_probe.metrics.rows import Rows
from repr_probe.probes import logistic
from repr_probe.probes.logistic import fit_logistic
from repr_probe.probes.row_space import RowSpace
from repr_probe.probes.standardised import Scale, Standardised

PENALTIES = np.array([1e-3, 0.1, 10.0])


@pytest.fixture
def rows() -> Standardised:
    values = np.random.default_rng(0).normal(size=(30, 80))
    values[:, 7] = 2.0  # constant
    values[5] = values[4]  # the span has fewer dimensions than there are rows
    whole = Rows(values)
    return Standardised(whole, Scale.of(whole), 1 << 20)


def test_inner_products_are_kept(rows):
    span = RowSpace(rows)
    assert span.n_features == 28  # 30 rows, two of them equal, around their mean
    full = rows.block(0, len(rows))
    np.testing.assert_allclose(span.values @ span.values.T, full @ full.T, atol=1e-9)


def test_the_weights_are_those_of_the_fit_in_all_features(rows):
    codes = np.arange(30) % 3
    short = fit_logistic(rows, codes, 3, PENALTIES)
    full = logistic._fit(rows, codes, 3, PENALTIES, device="cpu", memory=1 << 30)
    np.testing.assert_allclose(short.losses, full.losses, rtol=2e-6)
    np.testing.assert_allclose(short.weights, full.weights, atol=2e-4)
    assert short.converged.all() and np.abs(short.weights[:, 7]).max() < 1e-12
