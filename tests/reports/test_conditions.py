"""Conditions of --fail-on: what they accept, and that nothing unchecked passes."""

from __future__ import annotations

import pytest

from repr_probe.errors import UsageError
from repr_probe.metrics.measurement import Measurement
from repr_probe.reports.conditions import hits, read_conditions

MEASURES = {
    "anisotropy": Measurement(0.25),
    "effective_rank": Measurement(20.0),
    "d_prime": Measurement(None, reason="labels are needed", degenerate=None),
    "ratio": Measurement(None, reason="no spread", degenerate="+inf"),
}


@pytest.mark.parametrize(
    ("text", "n_hits"),
    [
        ("anisotropy>0.25", 0), ("anisotropy>=0.25", 1), ("anisotropy<0.25", 0), ("anisotropy<=0.25", 1),
        ("anisotropy>0.2,effective_rank<21", 2), (" anisotropy > 1e-1 ", 1), ("ratio>1000", 1), ("ratio<1000", 0),
    ],
)  # fmt: skip
def test_signs(text, n_hits):
    assert len(hits(read_conditions(text), MEASURES)) == n_hits


def test_an_undefined_number_hits_whatever_the_sign():
    for sign in ("<", ">", "<=", ">="):
        assert hits(read_conditions(f"d_prime{sign}0"), MEASURES) == [f"d_prime {sign} 0: it is undefined (labels are needed)"]


def test_an_unknown_number_hits_and_names_the_nearest():
    assert hits(read_conditions("anisotropie<0"), MEASURES, "a.pt") == ["a.pt: anisotropie < 0: there is no such number; nearest: anisotropy"]


@pytest.mark.parametrize("text", ["", "anisotropy", "anisotropy=3", "anisotropy>", ">3", "anisotropy>x", "anisotropy>nan", "a>1,,b>2", "a>1;b>2"])
def test_anything_else_is_refused(text):
    with pytest.raises(UsageError, match="fail-on must be conditions such as"):
        read_conditions(text)
