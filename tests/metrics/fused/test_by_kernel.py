"""The pair pass through the fused kernel: its sums with those of what it refuses are the sums of the pass by tiles; stopped, it goes on."""

from __future__ import annotations

from contextlib import contextmanager

import numpy as np
import pytest

from repr_probe import progress
from repr_probe.metrics import kept_sums
from repr_probe.metrics.angle_sums import AnglePass, AngleSums
from repr_probe.metrics.fused.memory import Plan
from repr_probe.metrics.kept_sums import KeptSums
from repr_probe.metrics.pairs import by_kernel, by_tiles

SHIFT, T = 82.0, 2.0


@pytest.fixture
def cloud(make_from):
    """Classes of several sizes, rows without labels, copies and antipodes (which the kernel refuses)."""
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 5, 150)
    x = rng.normal(size=(150, 9)) + 0.5 * rng.normal(size=(5, 9))[labels]
    x[17], x[60], x[149] = x[3], -x[90], x[148] * 2.0
    labels[rng.permutation(150)[:20]] = -1
    return make_from(x.astype(np.float32), labels)


def sums_of(cloud, *, block: int = 1024) -> AngleSums:
    return AngleSums(cloud.rows, cloud.codes, cloud.groups, SHIFT, T, "cpu", block)


def kernel_pass(cloud, device, folder=None, *, block: int = 1024) -> AnglePass:
    sums, fused = sums_of(cloud, block=block), cloud.fused(device, kernel=T, plan=Plan(64, 32, False))
    kept = KeptSums(folder, sums.key(fused.how), sums.additive())
    by_kernel(sums, fused, kept)
    kept.forget()
    return sums.result()


def tile_pass(cloud) -> AnglePass:
    sums = sums_of(cloud)
    by_tiles(sums, KeptSums(None, [], sums.additive()))
    return sums.result()


def assert_equal_but_for_float32(found: AnglePass, expected: AnglePass) -> None:
    n = len(expected.first)
    assert found.n_duplicates == expected.n_duplicates == 2
    for name, counts in expected.histograms.items():
        assert found.histograms[name].sum() == counts.sum()
        assert np.abs(found.histograms[name] - counts).sum() <= 4  # angles at the edge of a bin
    np.testing.assert_allclose(found.first, expected.first, rtol=1e-6, atol=n * 1e-4)
    np.testing.assert_allclose(found.second, expected.second, rtol=1e-5)
    np.testing.assert_allclose(found.kernel, expected.kernel, rtol=1e-5)
    for name in ("all_1", "all_2", "same_1", "same_2", "within_1", "within_2"):
        np.testing.assert_allclose(getattr(found.labelled, name), getattr(expected.labelled, name), rtol=1e-5, atol=n * 1e-4)


@pytest.mark.parametrize("block", [8, 1024])
def test_the_kernel_and_the_tiles_together_count_every_pair_once(device, cloud, block):
    assert_equal_but_for_float32(kernel_pass(cloud, device, block=block), tile_pass(cloud))


def test_a_pass_that_is_stopped_goes_on_with_its_sums(device, cloud, tmp_path, monkeypatch):
    monkeypatch.setattr(kept_sums, "SAVE_SECONDS", 0.0)
    steps: list[int] = []

    @contextmanager
    def stopping(description, total):
        def advance(done):
            if description == "angles between all pairs":
                steps.append(done)
            if len(steps) == 5:
                raise KeyboardInterrupt

        yield advance

    with monkeypatch.context() as patch:
        patch.setattr(progress, "task", stopping)
        with pytest.raises(KeyboardInterrupt):
            kernel_pass(cloud, device, tmp_path)
    assert len(list(tmp_path.iterdir())) == 1
    said: list[str] = []
    monkeypatch.setattr(progress, "note", said.append)
    assert_equal_but_for_float32(kernel_pass(cloud, device, tmp_path), tile_pass(cloud))
    assert said == ["going on with the sums of an interrupted pair pass"]
    assert list(tmp_path.iterdir()) == []
