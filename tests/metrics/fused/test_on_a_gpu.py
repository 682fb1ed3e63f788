"""The compiled kernel with its real tiles."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from repr_probe.metrics.fused.fused_pass import fused_pass
from repr_probe.metrics.fused.memory import Plan
from repr_probe.metrics.fused.modes import MODES, TILINGS

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")]


def all_of(work, cloud, kernel):
    into = cloud.zeros(kernel=kernel)
    for _ in work.run(work.shares()):
        pass
    cloud.repaired(into, work.collect(into), kernel=kernel)
    return into


@pytest.mark.parametrize(("mode", "tiling"), [(name, tiling) for name, mode in MODES.items() for tiling in TILINGS[mode.half]], ids=str)
def test_every_mode_and_tile(mode, tiling, device, make_cloud):
    cloud = make_cloud(n=3001, width=200, n_classes=130, unlabelled=333)
    into, expected = all_of(cloud.fused(device, kernel=2.0, mode=mode, tiling=tiling), cloud, 2.0), cloud.by_steps(kernel=2.0)
    error = {"float32": 1e-6, "bf16x3": 2e-6, "tf32": 1e-4, "bf16": 1e-3}[mode]
    np.testing.assert_allclose(into.sums["all_1"], np.radians(expected.first), atol=3001 * error)
    np.testing.assert_allclose(into.sums["same_2"][: len(cloud.codes)], np.radians(np.radians(expected.labelled.same_2)), atol=3001 * error)
    np.testing.assert_allclose(into.within[0], np.radians(expected.labelled.within_1), atol=3001 * 60 * error)
    np.testing.assert_allclose(into.kernel, expected.kernel, rtol=4 * error)
    for name, counts in expected.histograms.items():
        assert into.histograms[name].sum() == counts.sum()


@pytest.mark.parametrize("matmul", ["exact", "fast"])
def test_what_is_chosen_is_near(matmul, device, make_cloud):
    cloud = make_cloud(n=9000, width=512)
    work = fused_pass(cloud.rows, cloud.codes, cloud.groups, shift=82.0, kernel=2.0, device=device, matmul=matmul)
    mean, expected = all_of(work, cloud, 2.0).sums["all_1"].sum(), np.radians(cloud.by_steps(kernel=2.0).first.sum())
    assert np.degrees(abs(mean - expected)) / (9000 * 8999) <= (1e-3 if matmul == "fast" else 1e-5)


def test_streamed_is_resident(device, make_cloud):
    cloud = make_cloud(n=20_001, width=256, n_classes=300)
    tiling = TILINGS[True][0]
    whole, parts = (cloud.fused(device, kernel=None, mode="bf16x3", tiling=tiling, plan=plan) for plan in (None, Plan(4096, 1024, False)))
    whole, parts = all_of(whole, cloud, None), all_of(parts, cloud, None)
    for name, values in whole.sums.items():
        np.testing.assert_allclose(parts.sums[name], values, rtol=1e-6, atol=1e-3)
    assert all(np.array_equal(parts.histograms[name], counts) for name, counts in whole.histograms.items())
