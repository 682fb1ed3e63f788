from __future__ import annotations

import numpy as np
import pytest

from repr_probe.metrics.lifted import LiftedGram
from repr_probe.metrics.moments import MomentState
from repr_probe.metrics.rows import Rows, row_norms


def cloud(n=120, width=7, n_classes=9, offset=0.5):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, width)) + offset
    x[[5, 60]] = 0
    return x, rng.integers(-1, n_classes, n)


def state_of(x, codes):
    state = MomentState(x.shape[1])
    if len(x):
        state.update(x, codes)
    return state


def numbers(state):
    """Everything a report reads from a state, in a form that does not depend on its reference rows."""
    scalars = state.scalars
    means = state.classes.lifted[:, :-2] + state.classes.count[:, None] * state.unit.reference
    spread = state.classes.lifted[:, -2] + 2 * state.classes.lifted[:, :-2] @ state.unit.reference + state.classes.count
    parts = {
        "n": [state.n, state.n_zero, scalars.count], "raw mean": state.raw.mean(), "raw scatter": state.raw.scatter(),
        "raw second moment": state.raw.second_moment(), "hsic": [state.raw.hsic1()] if state.n > 3 else [], "unit mean": state.unit.mean(),
        "unit scatter": state.unit.scatter(), "classes": state.classes.count, "class means": means, "class squares": spread,
        "class raw": state.classes.raw, "norm SD": [scalars.norm_std()], "low": state.columns.low, "high": state.columns.high,
        "zeros": state.columns.zeros, "absolute": state.columns.absolute, "square": state.columns.square,
    }  # fmt: skip
    for name in ("norm", "norm2", "norm4", "norm_low", "norm_high", "hoyer", "hoyer2", "treves", "treves2", "active", "active_low"):
        parts[name] = [getattr(scalars, name)]
    return parts


def assert_equal(found, expected, tolerance=1e-10):
    found, expected = numbers(found), numbers(expected)
    for name, value in expected.items():
        scale = max(1.0, float(np.abs(value).max(initial=0.0)))
        np.testing.assert_allclose(found[name], value, rtol=tolerance, atol=tolerance * scale, err_msg=name)


@pytest.mark.parametrize("offset", [0.5, 300.0])
@pytest.mark.parametrize("seed", range(4))
def test_merging_in_any_order_equals_the_whole(offset, seed):
    """I15, trap 10; and the sides of a merge stay as they were."""
    x, codes = cloud(offset=offset)
    rng = np.random.default_rng(seed)
    edges = np.sort(rng.choice(np.arange(1, 120), 8, replace=False))
    parts = [state_of(part, label) for part, label in zip(np.split(x, edges), np.split(codes, edges))]
    parts.append(MomentState(7))
    before = [numbers(part) for part in parts if part.unit is not None]
    pool = [parts[i] for i in rng.permutation(len(parts))]
    while len(pool) > 1:
        pool.append(pool.pop(int(rng.integers(len(pool)))).merged(pool.pop(int(rng.integers(len(pool))))))
    assert_equal(pool[0], state_of(x, codes), 1e-10 if offset == 0.5 else 1e-8)
    for kept, part in zip(before, [part for part in parts if part.unit is not None], strict=True):
        for name, value in numbers(part).items():
            np.testing.assert_array_equal(value, kept[name])


@pytest.mark.parametrize("size", [1, 2, 7, 120])
def test_size_of_the_chunks_does_not_matter(size):
    x, codes = cloud()
    state = MomentState(7)
    for start in range(0, 120, size):
        state.update(x[start : start + size], codes[start : start + size])
    assert_equal(state, state_of(x, codes))


def test_states_that_have_seen_only_zeros_or_nothing():
    zeros = state_of(np.zeros((3, 7)), np.array([0, 1, -1]))
    x, codes = cloud()
    whole = state_of(np.concatenate([np.zeros((3, 7)), x]), np.concatenate([[0, 1, -1], codes]))
    assert_equal(zeros.merged(state_of(x, codes)), whole)
    assert_equal(state_of(x, codes).merged(zeros), whole)
    assert_equal(state_of(x, codes).merged(MomentState(7)), state_of(x, codes))
    assert_equal(MomentState(7).merged(state_of(x, codes)), state_of(x, codes))


def test_sums_against_numpy():
    x, codes = cloud()
    state = state_of(x, codes)
    norm = np.linalg.norm(x, axis=1)
    u = x[norm > 0] / norm[norm > 0, None]
    np.testing.assert_allclose(state.raw.scatter(), 120 * np.cov(x.T, ddof=0), atol=1e-10)
    np.testing.assert_allclose(state.raw.second_moment(), x.T @ x, atol=1e-10)
    np.testing.assert_allclose(state.unit.mean(), u.mean(0), atol=1e-14)
    for label in range(9):
        mine = (codes == label) & (norm > 0)
        assert state.classes.count[label] == mine.sum()
        np.testing.assert_allclose(state.classes.raw[label], x[mine].sum(0), atol=1e-12)
    assert state.n_zero == 2
    assert state.scalars.norm_std() == pytest.approx(norm.std())
    assert (state.scalars.norm, state.scalars.norm2, state.scalars.norm4) == pytest.approx((norm.sum(), (norm**2).sum(), (norm**4).sum()))


def test_another_reference_is_the_same_gram():
    x, _ = cloud()
    gram = LiftedGram(x[0])
    gram.add(gram.lift(x))
    moved = gram.moved(np.linspace(-1, 2, 7))
    other = LiftedGram(np.linspace(-1, 2, 7))
    other.add(other.lift(x))
    np.testing.assert_allclose(moved.matrix[:, -2:], other.matrix[:, -2:], rtol=1e-12, atol=1e-10)
    np.testing.assert_allclose(moved.second_moment(), other.second_moment(), rtol=1e-12, atol=1e-10)
    assert moved.hsic1() == pytest.approx(other.hsic1())
    assert gram.moved(gram.reference) is gram


def test_constant_columns():
    x = np.column_stack([np.arange(4.0), np.full(4, 0.1), np.zeros(4), 1e6 + 1e-10 * np.arange(4), 1e-9 * np.arange(4)])
    state = state_of(x, None)
    assert state.constant_columns(x.var(0)).tolist() == [False, True, True, True, False]


# --- rows -------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_rows_are_read_in_blocks_in_any_order(dtype):
    x = (cloud()[0] + 3).astype(dtype)
    index = np.random.default_rng(0).permutation(120)[:50]
    wide = x.astype(np.float64)
    unit = wide / np.linalg.norm(wide, axis=1, keepdims=True)
    for rows, expected in ((Rows(x), wide), (Rows(x, index), wide[index]), (Rows(x, index, unit=True), unit[index])):
        for size in (1, 7, 1000):
            blocks = list(rows.blocks(size))
            assert [start for start, _ in blocks] == list(range(0, len(rows), size))
            np.testing.assert_allclose(np.concatenate([block for _, block in blocks]), expected, rtol=1e-15)
        np.testing.assert_allclose(rows.columns(np.array([4, 1])), expected[:, [4, 1]], rtol=1e-15)
    np.testing.assert_allclose(Rows(x, index).select(np.array([3, 0])).as_unit().block(0, 2), unit[index[[3, 0]]], rtol=1e-15)
    np.testing.assert_allclose(Rows(x, index).norms(), row_norms(x[index].astype(np.float64)))


def test_blocks_are_copies():
    x = cloud()[0]
    kept = x.copy()
    Rows(x).block(0, 5)[:] = 7
    np.testing.assert_array_equal(x, kept)
