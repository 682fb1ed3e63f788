from __future__ import annotations

import numpy as np
import pytest

from repr_probe.errors import UndefinedMeasure
from repr_probe.metrics.rows import Rows
from repr_probe.metrics.twonn import decimated, first_of_equals, neighbour_ratios, twonn

KEYS = ("twonn", "twonn_fit", "twonn_error", "twonn_half", "twonn_quarter")


def plain(x):
    """(mle, fit) by scikit-learn's neighbours and the formulas."""
    from sklearn.neighbors import NearestNeighbors

    near = NearestNeighbors(n_neighbors=2, algorithm="brute").fit(x).kneighbors()[0]
    ratio = np.sort(np.log(near[:, 1] / near[:, 0]))
    n = len(ratio)
    kept = ratio[: int(0.9 * n)]
    height = -np.log(1 - np.arange(1, len(kept) + 1) / n)
    return (n - 1) / ratio.sum(), np.linalg.lstsq(kept[:, None], height, rcond=None)[0][0]


@pytest.mark.parametrize("shape", [(300, 3), (200, 40), (40, 90)])
def test_scikit_learns_neighbours_and_the_formulas(values, shape):
    x = np.random.default_rng(0).normal(size=shape)
    found = values(x, keys=KEYS)
    assert (found["twonn"], found["twonn_fit"]) == pytest.approx(plain(x), rel=1e-7)
    assert found["twonn_error"] == pytest.approx(found["twonn"] / np.sqrt(len(x)))
    part = np.array_split(np.random.default_rng(0).permutation(len(x)), 4)
    assert found["twonn_quarter"] == pytest.approx(np.mean([plain(x[rows])[0] for rows in part]), rel=1e-7)
    assert decimated(Rows(x), 1) == pytest.approx(found["twonn"], rel=1e-12)


@pytest.mark.parametrize(("width", "known"), [(1, 1.0), (2, 1.98), (5, 4.68), (10, 8.74), (20, 15.4)])
def test_uniform_cubes(width, known):
    """The known readings at 3,000 rows, within three standard errors of one draw."""
    found = twonn(np.random.default_rng(1).uniform(size=(3000, width)))
    assert found.mle == pytest.approx(known, abs=3.5 * found.error)
    assert found.fit == pytest.approx(known, abs=5 * found.error)


def test_a_line_in_many_dimensions_is_one():
    rng = np.random.default_rng(0)
    found = twonn(rng.uniform(size=(1000, 1)) * rng.normal(size=(1, 64)) + 3.0)
    assert found.mle == pytest.approx(1.0, abs=0.1)


def test_what_does_not_change_it():
    rng = np.random.default_rng(2)
    x = rng.normal(size=(200, 7))
    q = np.linalg.qr(rng.normal(size=(7, 7)))[0]
    whole = twonn(x)
    for other in (x @ q, 1e-6 * x, 1e12 * x, x[::-1], x + 100.0):
        assert (twonn(other).mle, twonn(other).fit) == pytest.approx((whole.mle, whole.fit), rel=1e-6)
    assert twonn(x * rng.uniform(0.1, 9, (200, 1)), normalize=True).mle == pytest.approx(twonn(x, normalize=True).mle, rel=1e-9)


def test_identical_rows_are_kept_once(measured):
    """Trap 8. -0 equals 0."""
    x = np.random.default_rng(3).normal(size=(60, 4))
    x[0, 0] = 0.0
    again = np.vstack([x[:20], x, x[:1] * [-1.0, 1, 1, 1]])
    assert first_of_equals(Rows(again)).tolist() == [*range(20), *range(40, 80)]
    found = measured(again, keys=KEYS)
    assert found["twonn"].value == pytest.approx(twonn(x).mle, rel=1e-9)
    assert (found["twonn"].n, found["twonn_half"].n) == (60, 60)


def test_a_sheet_with_thickness_has_another_dimension_at_another_scale():
    """Near neighbours see the noise, far ones the sheet."""
    rng = np.random.default_rng(4)
    x = np.c_[rng.uniform(size=(4000, 2)), 0.01 * rng.normal(size=(4000, 6))]
    rows = Rows(x)
    assert twonn(x).mle > decimated(rows, 2) > decimated(rows, 4) > decimated(rows, 40) > 2.0


def test_undefined_with_reason(measured):
    x = np.random.default_rng(5).normal(size=(11, 3))
    found = measured(x, keys=KEYS)
    assert found["twonn"].value > 0 and found["twonn"].ci is None and "curve over N" in found["twonn"].ci_reason
    assert found["twonn_quarter"].reason == "needs 12 different rows; got 11"
    assert measured(np.ones((9, 2)), keys=KEYS)["twonn"].reason == "needs 3 different rows; got 1"
    with pytest.raises(UndefinedMeasure, match="the two nearest rows of every row are equally far"):
        twonn(np.eye(8))
    assert neighbour_ratios(Rows(x)).shape == (11,)
