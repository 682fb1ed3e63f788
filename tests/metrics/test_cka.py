"""CKA against the pairwise form with N x N matrices, closed cases and invariances."""

from __future__ import annotations

import numpy as np
import pytest

from repr_probe.errors import InputError, UndefinedMeasure
from repr_probe.features.door import as_features
from repr_probe.metrics.cka import CkaState, cka, similarities


def _pairwise_hsic1(x: np.ndarray, y: np.ndarray) -> float:
    """Song et al. 2012, eq. 5, with Gram matrices without their diagonals."""
    n = len(x)
    k, q = x @ x.T, y @ y.T
    np.fill_diagonal(k, 0.0)
    np.fill_diagonal(q, 0.0)
    total = np.trace(k @ q) + k.sum() * q.sum() / ((n - 1) * (n - 2)) - 2.0 * (k @ q).sum() / (n - 2)
    return total / (n * (n - 3))


def _pairwise_biased(x: np.ndarray, y: np.ndarray) -> float:
    h = np.eye(len(x)) - 1.0 / len(x)
    k, q = h @ x @ x.T @ h, h @ y @ y.T @ h
    return float((k * q).sum() / np.sqrt((k * k).sum() * (q * q).sum()))


@pytest.fixture
def clouds() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    x = rng.normal(size=(60, 9)) + 2.0
    return x, np.tanh(x @ rng.normal(size=(9, 7))) + 0.3 * rng.normal(size=(60, 7))


def test_it_equals_the_pairwise_form(clouds):
    x, y = clouds
    expected = _pairwise_hsic1(x, y) / np.sqrt(_pairwise_hsic1(x, x) * _pairwise_hsic1(y, y))
    assert cka(x, y) == pytest.approx(expected, abs=1e-13)
    assert cka(x, y, debiased=False) == pytest.approx(_pairwise_biased(x, y), abs=1e-13)


def test_more_features_than_rows_equal_the_pairwise_form():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(20, 50)), rng.normal(size=(20, 33))
    expected = _pairwise_hsic1(x, y) / np.sqrt(_pairwise_hsic1(x, x) * _pairwise_hsic1(y, y))
    assert cka(x, y) == pytest.approx(expected, abs=1e-12)


def test_a_representation_is_itself_and_the_measure_symmetric(clouds):
    x, y = clouds
    assert cka(x, x) == pytest.approx(1.0, abs=1e-12)
    assert cka(x, y) == pytest.approx(cka(y, x), abs=1e-13)
    assert cka(x, y) < 0.999


def test_rotation_scale_shift_and_order_of_rows_change_nothing(clouds):
    x, y = clouds
    turn, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(9, 9)))
    order = np.random.default_rng(2).permutation(len(x))
    assert cka(-7.0 * x @ turn, 0.1 * y) == pytest.approx(cka(x, y), abs=1e-12)
    assert cka(x + 1e4, y) == pytest.approx(cka(x, y), abs=1e-9)
    assert cka(x[order], y[order]) == pytest.approx(cka(x, y), abs=1e-12)
    assert abs(cka(x[order], y) - cka(x, y)) > 0.1  # the rows belong together


def test_independent_features_read_zero_and_the_biased_estimate_does_not():
    rng = np.random.default_rng(0)
    draws = [(rng.normal(size=(100, 300)), rng.normal(size=(100, 300))) for _ in range(8)]
    assert abs(np.mean([cka(x, y) for x, y in draws])) < 0.01
    assert np.mean([cka(x, y, debiased=False) for x, y in draws]) == pytest.approx(1 / (1 + 100 / 300), abs=0.02)


def test_chunks_and_merged_parts_equal_the_whole(clouds):
    x, y = clouds
    parts = []
    for chunk in (slice(0, 1), slice(1, 20), slice(20, 60)):
        state = CkaState()
        state.update(x[chunk], y[chunk])
        parts.append(state)
    found = parts[2].merged(parts[0]).merged(CkaState()).merged(parts[1]).similarity()
    assert found.debiased == pytest.approx(cka(x, y), abs=1e-12)
    assert found.biased == pytest.approx(cka(x, y, debiased=False), abs=1e-12)
    assert found.n == 60


def test_every_pair_at_once_equals_each_alone(clouds):
    x, y = clouds
    found = similarities([as_features(values) for values in (x, y, x[:, :4])])
    assert set(found) == {(0, 1), (0, 2), (1, 2)}
    assert found[1, 2].debiased == pytest.approx(cka(y, x[:, :4]), abs=1e-13)


def test_a_constant_representation_takes_nothing_from_the_other_pairs(clouds):
    x, y = clouds
    found = similarities([as_features(values) for values in (x, np.ones((60, 2)), y)], ["one", "flat", "other"])
    assert found[0, 2].debiased == pytest.approx(cka(x, y), abs=1e-13)
    for pair in ((0, 1), (1, 2)):
        assert str(found[pair]).startswith("the self term HSIC₁ of flat is not positive")


def test_nothing_is_written_to_the_input(clouds):
    x, y = (values.copy() for values in clouds)
    cka(x, y)
    assert (x == clouds[0]).all() and (y == clouds[1]).all()


def test_other_rows_are_refused():
    x = np.random.default_rng(0).normal(size=(5, 3))
    with pytest.raises(InputError, match="second must have the rows of first; got 4 rows for 5"):
        cka(x, x[:4])
    with pytest.raises(InputError, match="second must have the rows of first; got 4 rows for 5"):
        CkaState().update(x, x[:4])
    named = as_features(x, ids=["a", "b", "c", "d", "e"])
    with pytest.raises(InputError, match="second must be of the images of first, in one order; got 'b' and 'c' as row 1"):
        cka(named, as_features(x, ids=["a", "c", "b", "d", "e"]))
    bare, turned = as_features(x), as_features(x, ids=["a", "c", "b", "d", "e"])
    with pytest.raises(InputError, match="got 'b' and 'c' as row 1"):  # also behind one without ids
        similarities([bare, named, turned])


def test_undefined_cases_say_why():
    x = np.random.default_rng(0).normal(size=(5, 3))
    with pytest.raises(UndefinedMeasure, match="needs 4 rows; got 3"):
        cka(x[:3], x[:3])
    with pytest.raises(UndefinedMeasure, match="needs 4 rows; got 0"):
        CkaState().similarity()
    with pytest.raises(UndefinedMeasure, match="the self term HSIC₁ of representation 2 is not positive"):
        cka(x, np.full((5, 2), 0.1))
