"""The estimate of the pair pass: when it is made, what it says, and how near it is to the pass itself."""

from __future__ import annotations

import re
import time

import numpy as np
import pytest

from repr_probe import progress
from repr_probe.features.feature_set import Features
from repr_probe.metrics import pass_cost as module
from repr_probe.metrics.angle_measures import angle_measures
from repr_probe.metrics.pass_cost import announce_pass, pass_cost
from repr_probe.metrics.states import GeometryStates, Options
from repr_probe.ranks import Ranks


def states_of(n, width=8, n_classes=0, **options):
    rng = np.random.default_rng(0)
    labels = np.arange(n, dtype=np.int64) % n_classes if n_classes else None
    return GeometryStates(Features(rng.normal(size=(n, width)).astype(np.float32), labels, tuple(map(str, range(n_classes)))), Options(**options))


@pytest.fixture
def said(monkeypatch):
    lines = []
    monkeypatch.setattr(progress, "note", lines.append)
    return lines


@pytest.mark.parametrize("n", [2, 5, 16, 17, 33, 48, 50, 200])
@pytest.mark.parametrize("n_classes", [0, 4])
def test_of_any_number_of_rows(n, n_classes):
    cost = pass_cost(states_of(n, n_classes=n_classes, block=16))
    assert cost.n_pairs == n * (n - 1) // 2
    assert cost.seconds > 0
    assert cost.n_bytes == 8 * 14 * n + 4 * 4 * min(16, n) ** 2 + 5 * 4 * min(16, n) * (8 if n > 8 else n)


def test_processes_share_it(monkeypatch):
    monkeypatch.setattr(module, "_seconds", lambda states, block, blocks: float(len(blocks) * (len(blocks) + 1) // 2))
    assert pass_cost(states_of(160, block=16)).seconds == 55.0
    shared = states_of(160, block=16, ranks=Ranks(0, 5, None))
    shared.__dict__["lengths"] = shared.rows.norms()  # the processes have met for them before
    assert pass_cost(shared).seconds == 11.0


def test_long_passes_are_announced_with_the_way_out(said, monkeypatch):
    monkeypatch.setattr(module, "_WORTH_TRYING", 0.0)
    monkeypatch.setattr(module, "SLOW_SECONDS", 0.0)
    found = angle_measures(states_of(60, n_classes=3, block=16), ["anisotropy", "angle_all_mean"])
    assert list(found) == ["angle_all_mean"]
    assert len(said) == 1
    assert re.fullmatch(
        r"angles of all 1,770 pairs take about 0 s here and 13\.\d kB of memory \(measured on tiles of it\); "
        r"--pairs sample:M \(pairs=M\) draws M of them instead, with a standard error", said[0],
    )  # fmt: skip


def test_and_so_is_what_rows_without_labels_do_not_give(said, monkeypatch):
    monkeypatch.setattr(module, "_WORTH_TRYING", 0.0)
    monkeypatch.setattr(module, "SLOW_SECONDS", 0.0)
    announce_pass(states_of(60))
    assert said[1:] == ["no row has a label: what needs classes, as d′ and same-class angles, will have no value"]


def test_short_ones_sampled_ones_and_those_that_ran_are_not(said, monkeypatch):
    announce_pass(states_of(60))
    monkeypatch.setattr(module, "_WORTH_TRYING", 0.0)
    announce_pass(states_of(60))
    monkeypatch.setattr(module, "SLOW_SECONDS", 0.0)
    angle_measures(states_of(60, n_classes=3, pairs=1000), ["angle_all_mean"])
    angle_measures(states_of(60), ["anisotropy"])
    ran = states_of(60)
    _ = ran.angles
    announce_pass(ran)
    assert said == []


@pytest.mark.slow
@pytest.mark.parametrize("n_classes", [0, 100])
def test_the_estimate_is_near_the_time_taken(n_classes):
    """Within a factor of 1.5 on a machine with nothing else to do; 2 leaves room for one that has."""
    states = states_of(12_000, 256, n_classes)
    cost = pass_cost(states)
    start = time.perf_counter()
    _ = states.angles
    assert 0.5 < cost.seconds / (time.perf_counter() - start) < 2.0
