from __future__ import annotations

import json

import numpy as np
import pytest

from repr_probe.metrics.inference import Z95
from repr_probe.probes.accuracy import wilson_interval
from repr_probe.visual.localise.finding import mean_finding, share_finding

WORDS = {"check": "grid", "maps": "stage4", "target": "query"}
RNG = np.random.default_rng(0)


def test_the_bootstrap_of_a_mean_agrees_with_its_standard_error():
    values = RNG.normal(0.5, 0.1, 400)
    found = mean_finding(values, **WORDS, measure="energy", chance=0.25)
    half = Z95 * values.std() / np.sqrt(400)
    assert found.value == pytest.approx(values.mean())
    np.testing.assert_allclose(found.ci, (values.mean() - half, values.mean() + half), atol=0.15 * half)
    assert (found.n, found.unit, found.ci_method) == (400, "images", "bootstrap over 400 images")
    assert found == mean_finding(values, **WORDS, measure="energy", chance=0.25)


def test_values_of_one_grid_are_drawn_together():
    grids = np.repeat(np.arange(50), 4)
    values = RNG.normal(0, 1, 50)[grids]  # four copies hold no more than one
    together = mean_finding(values, **WORDS, measure="energy", chance=0.25, groups=grids)
    apart = mean_finding(values, **WORDS, measure="energy", chance=0.25)
    width = lambda found: found.ci[1] - found.ci[0]  # noqa: E731
    assert width(together) == pytest.approx(2 * width(apart), rel=0.15)
    assert together.ci_method == "bootstrap over 50 grids"


def test_dead_maps_are_counted_and_left_out():
    found = mean_finding(np.array([0.5, np.nan, 0.7]), **WORDS, measure="energy", chance=0.25)
    assert (found.value, found.n, found.n_dead) == (pytest.approx(0.6), 2, 1)
    hits = share_finding(np.array([1.0, np.nan, 0.0]), **WORDS, chance=0.25)
    assert (hits.value, hits.n, hits.n_dead, hits.ci) == (0.5, 2, 1, wilson_interval(1, 2))
    for dead in (mean_finding(np.full(3, np.nan), **WORDS, measure="energy", chance=0.25), share_finding(np.full(3, np.nan), **WORDS, chance=0.25)):
        assert (dead.value, dead.ci, dead.n, dead.n_dead, dead.reason) == (None, None, 0, 3, "every map is dead")


def test_sixteen_of_sixteen_hits_have_an_interval():
    found = share_finding(np.ones(16), **WORDS, chance=0.25)
    assert found.value == 1 and 0.75 < found.ci[0] < 0.85 and found.ci_method == "Wilson"


def test_one_value_has_no_interval():
    assert mean_finding(np.ones(1), **WORDS, measure="energy", chance=None).ci is None


def test_it_goes_into_json():
    assert json.loads(json.dumps(share_finding(np.ones(4), **WORDS, chance=0.25).to_dict()))["ci"][1] == 1.0
