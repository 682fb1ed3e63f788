"""The kernel against angle_pass and against plain float64 sums, in Triton's interpreter or on a GPU."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from repr_probe.metrics.fused.choosing import Sample, cosines
from repr_probe.metrics.fused.memory import Plan
from repr_probe.metrics.fused.modes import MODES, Tiling
from repr_probe.metrics.fused.plain import difference

DEGREES = 180.0 / np.pi
ROUNDING = 1e-6  # radians: of an angle from a float32 cosine at 0.05 or more from 0 and from pi


def counted(cloud, device, *, kernel=2.0, collect_each=False, **options):
    """Totals with the refused pairs added, and which were refused."""
    work, into, refused = cloud.fused(device, kernel=kernel, **options), cloud.zeros(kernel=kernel), []
    for _ in work.run(work.shares()):
        if collect_each:
            refused += work.collect(into)
    refused += work.collect(into)
    return into, cloud.repaired(into, refused, kernel=kernel)


def assert_same_pass(into, expected, cloud):
    """Sums of a row to 1e-6 of the sum of what was added; histograms but for angles on an edge."""
    n = len(cloud.rows)
    for name, values, power in (("all_1", expected.first, 1), ("all_2", expected.second, 2)):
        np.testing.assert_allclose(into.sums[name] * DEGREES**power, values, rtol=1e-6, atol=n * ROUNDING * DEGREES**power)
    if expected.labelled is not None:
        for own, theirs in (("labelled", "all"), ("same", "same")):
            for power in (1, 2):
                values = into.sums[f"{own}_{power}"][: len(cloud.codes)] * DEGREES**power
                np.testing.assert_allclose(values, getattr(expected.labelled, f"{theirs}_{power}"), rtol=1e-6, atol=n * ROUNDING * DEGREES**power)
        for power in (1, 2):
            np.testing.assert_allclose(into.within[power - 1] * DEGREES**power, getattr(expected.labelled, f"within_{power}"), rtol=1e-5, atol=1e-2)
    for name, counts in expected.histograms.items():
        assert into.histograms[name].sum() == counts.sum(), name
        assert np.abs(np.cumsum(into.histograms[name]) - np.cumsum(counts)).max() <= 1 + counts.sum() // 5000, name
    if expected.kernel is not None:
        np.testing.assert_allclose(into.kernel, expected.kernel, rtol=1e-6)


def test_arccos(device):
    from repr_probe.metrics.fused.kernel import arccos_kernel

    x = np.concatenate([np.linspace(-0.999, 0.999, 200_001), np.linspace(-0.501, -0.499, 20_001), np.linspace(0.499, 0.501, 20_001)]).astype(np.float32)
    out = torch.empty(len(x), device=device)
    arccos_kernel[(-(-len(x) // 65536),)](torch.from_numpy(x).to(device), out, len(x), SIZE=65536)
    assert np.abs(out.cpu().numpy() - np.arccos(x.astype(np.float64))).max() <= 3e-7


@pytest.mark.parametrize(("name", "error"), [("float32", 3e-7), ("bf16x3", 2e-5), ("tf32", 1e-3), ("bf16", 6e-3)])
@pytest.mark.parametrize("width", [3, 100])
def test_products(name, error, width, device, make_cloud):
    unit = make_cloud(n=70, width=width).unit
    sample = Sample(torch.from_numpy(unit).float().to(device), np.empty(0, np.int64), np.empty(0, np.int64), 1.4, None)
    found = cosines(sample, MODES[name], Tiling(16, 32, 32, 2, 4, 1))
    np.testing.assert_allclose(found, unit @ unit.T, atol=error)
    if name != "float32":
        assert np.abs(found - unit @ unit.T).max() > 1e-8


@pytest.mark.parametrize("kernel", [None, 2.0])
@pytest.mark.parametrize("unlabelled", [0, 20, 150])
def test_the_pass_of_single_steps(kernel, unlabelled, device, make_cloud):
    cloud = make_cloud(unlabelled=unlabelled)
    into, _ = counted(cloud, device, kernel=kernel)
    assert_same_pass(into, cloud.by_steps(kernel=kernel), cloud)


@pytest.mark.parametrize("tiling", [Tiling(16, 16, 64, 1, 4, 1), Tiling(64, 32, 32, 3, 4, 1), Tiling(256, 256, 32, 8, 4, 1)])
def test_any_tile(tiling, device, make_cloud):
    cloud = make_cloud(n=97)
    into, _ = counted(cloud, device, tiling=tiling)
    assert_same_pass(into, cloud.by_steps(kernel=2.0), cloud)


def test_several_classes_a_group(device, make_cloud):
    cloud = make_cloud(n=230, n_classes=120, unlabelled=10)
    assert len(np.unique(cloud.groups)) < len(np.unique(cloud.codes))
    into, _ = counted(cloud, device)
    assert_same_pass(into, cloud.by_steps(kernel=2.0), cloud)


@pytest.mark.parametrize("plan", [Plan(131, 40, True), Plan(64, 32, False), Plan(37, 37, False)])
@pytest.mark.parametrize("collect_each", [False, True])
def test_rows_that_do_not_fit_are_streamed(plan, collect_each, device, make_cloud):
    cloud = make_cloud(n=131, unlabelled=30)
    into, _ = counted(cloud, device, plan=plan, collect_each=collect_each)
    assert_same_pass(into, cloud.by_steps(kernel=2.0), cloud)


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_types(dtype, device, make_cloud):
    cloud = make_cloud(n=80, dtype=dtype)
    into, _ = counted(cloud, device, plan=Plan(40, 20, False))
    assert_same_pass(into, cloud.by_steps(kernel=2.0), cloud)


def test_near_pairs_are_handed_back(device, make_cloud, make_from):
    cloud = make_cloud(n=190, unlabelled=0)
    x, labels = cloud.unit.copy(), cloud.codes.copy()
    x[150], x[77] = 3.0 * x[3], -x[20]
    near = make_from(x, labels)
    into, refused = counted(near, device, tiling=Tiling(32, 32, 32, 2, 4, 1))
    cosine = near.unit @ near.unit.T
    assert refused[np.triu(np.abs(cosine) > 0.999, 1)].all()
    assert 0 < refused.sum() <= 4 * 32 * 32
    assert_same_pass(into, near.by_steps(kernel=2.0), near)


def test_equal_rows_are_all_handed_back(device, make_from):
    cloud = make_from(np.ones((70, 5), np.float32), np.zeros(70, int))
    work, into = cloud.fused(device, kernel=None), cloud.zeros(kernel=None)
    assert len(list(work.run(work.shares()))) == 1
    refused = work.collect(into)
    assert cloud.repaired(cloud.zeros(kernel=None), refused, kernel=None).sum() == 70 * 69 // 2
    assert not into.histograms["all"].any()
    assert all(not values.any() for values in into.sums.values())


@pytest.mark.parametrize("mode", ["bf16x3", "tf32", "bf16"])
def test_coarser_products_stay_near(mode, device, make_cloud):
    cloud = make_cloud(n=90, width=64)
    into, _ = counted(cloud, device, mode=mode, kernel=2.0)
    true = cloud.zeros(kernel=2.0)
    cloud.repaired(true, list(cloud.fused(device, kernel=None).shares()), kernel=2.0)
    assert difference(into, true, angle_error={"bf16x3": 2e-5, "tf32": 5e-4, "bf16": 3e-3}[mode], t=2.0) is None
    assert difference(into, true, angle_error=1e-9, t=2.0) is not None


def test_one_rank_after_another(device, make_cloud):
    from repr_probe.ranks import Ranks

    cloud = make_cloud()
    into = cloud.zeros(kernel=2.0)
    for rank in range(3):
        work = cloud.fused(device, kernel=2.0, plan=Plan(60, 30, False))
        assert list(work.run(work.shares(Ranks(rank, 3, None))))
        cloud.repaired(into, work.collect(into), kernel=2.0)
    assert_same_pass(into, cloud.by_steps(kernel=2.0), cloud)
