"""The benchmark beside other tools: its calls of ours give its exact numbers, and a tool that is not there is said not to be."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from peers import PEERS

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
sys.path.append(str(BENCHMARKS / "peers"))
exact, one_side, rows = (import_module(name) for name in ("exact", "one_side", "rows"))
CALLS = sorted({(row.ours, row.exact) for row in rows.ROWS})
CLOSE = {"uniformity(x)": 1e-8, "angles(x).all_mean": 1e-6}  # by float32 tiles


@pytest.fixture(scope="module")
def arrays() -> SimpleNamespace:
    rng = np.random.default_rng(3)
    y = rng.integers(0, 5, 450)
    means = 0.5 * rng.standard_normal((5, 240))
    x = ((rng.standard_normal((450, 240)) + means[y] + 0.3) * np.arange(1.0, 241.0) ** -0.25).astype(np.float32)
    return SimpleNamespace(x=x, y=y, other=np.maximum(x[:, :40] + np.float32(0.5), 0.0))


@pytest.mark.parametrize(("ours", "reference"), CALLS, ids=[ours for ours, _ in CALLS])
def test_our_side_gives_the_exact_number(arrays, ours, reference):
    held = vars(arrays)
    mine = one_side.values(eval(ours, one_side.our_names()[0] | held))
    true = one_side.values(eval(reference, one_side.exact_names()[0] | held))
    assert mine == pytest.approx(true, rel=CLOSE.get(ours, 1e-11), abs=0.0)


def test_the_exact_neighbours_are_those_of_a_double_loop(arrays):
    few = np.round(arrays.x[:40, :3], 1)  # with ties
    distance = exact.nearest(few, 4)[1]
    wide = few.astype(np.float64)
    for i, row in enumerate(wide):
        apart = [(float(np.linalg.norm((row - wide.mean(0)) - (other - wide.mean(0)))), j) for j, other in enumerate(wide) if j != i]
        assert distance[i] == pytest.approx([one for one, _ in sorted(apart)[:4]])


def test_the_exact_unbiased_cka_is_that_of_full_matrices(arrays):
    x, y = (np.asarray(one[:60], np.float64) for one in (arrays.x, arrays.other))

    def hsic(a: np.ndarray, b: np.ndarray) -> float:
        k, m = (one @ one.T * (1.0 - np.eye(60)) for one in (a, b))
        return float(np.trace(k @ m) + k.sum() * m.sum() / (59 * 58) - 2.0 / 58 * (k @ m).sum())

    assert exact.cka(x, y) == pytest.approx(hsic(x, y) / np.sqrt(hsic(x, x) * hsic(y, y)), rel=1e-11)


def test_every_row_has_a_setup():
    known = {one.distribution for one in PEERS} | set(rows.SETUPS)
    assert {row.peer for row in rows.ROWS} <= known
    assert set(rows.OLDER) <= known


def test_a_tool_that_is_not_there_is_said_not_to_be(tmp_path):
    asked = {"side": "theirs", "peer": "no-such-distribution", "expression": "0", "folder": str(tmp_path), "n": 3}
    done = subprocess.run([sys.executable, str(BENCHMARKS / "peers" / "one_side.py")], input=json.dumps(asked), text=True, capture_output=True)
    assert done.returncode == one_side.NOT_INSTALLED
    assert "no-such-distribution" in done.stderr
