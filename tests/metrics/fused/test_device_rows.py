from __future__ import annotations

import numpy as np
import pytest
import torch

from repr_probe.metrics.fused.device_rows import DeviceRows, gather
from repr_probe.metrics.fused.memory import Plan
from repr_probe.metrics.fused.modes import MODES
from repr_probe.metrics.rows import Rows

WHERE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


def rows_of(n=60, width=7, dtype=np.float32, shuffled=True):
    rng = np.random.default_rng(0)
    return Rows(rng.normal(size=(n, width)).astype(dtype), rng.permutation(n) if shuffled else None, unit=True)


@pytest.mark.parametrize("plan", [Plan(60, 16, True), Plan(32, 16, False), Plan(20, 7, False)])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_what_is_asked_for_is_there(plan, dtype):
    rows = rows_of(dtype=dtype)
    unit, held = rows.block(0, 60), DeviceRows(rows, MODES["float32"], plan, WHERE)
    for top in range(0, 60, plan.height):
        strip = range(top, min(top + plan.height, 60))
        parts = [range(start, min(start + plan.block, 60)) for start in range(top, 60, plan.block)]
        for number, part in enumerate(parts):
            left, right = held.hold(strip), held.columns(part)
            if number + 1 < len(parts):
                held.expect(parts[number + 1])
            for found, wanted in ((left, strip), (right, part)):
                np.testing.assert_allclose(found[:, :7].cpu().numpy(), unit[wanted.start : wanted.stop], rtol=3e-7 if dtype != np.float16 else 2e-6)
                assert not found[:, 7:].any()


@pytest.mark.parametrize("order", [1, -1])
def test_columns_in_any_order(order):
    rows = rows_of()
    unit, held = rows.block(0, 60), DeviceRows(rows, MODES["float32"], Plan(20, 10, False), WHERE)
    held.hold(range(20))
    for start in range(20, 60, 10)[::order]:
        held.expect(range(50, 60))
        found = held.columns(range(start, start + 10))
        np.testing.assert_allclose(found[:, :7].cpu().numpy(), unit[start : start + 10], rtol=3e-7)


def test_what_travels_never_lands_where_the_kernel_reads():
    held = DeviceRows(rows_of(), MODES["float32"], Plan(10, 10, False), WHERE)
    held.hold(range(10))
    now = held.columns(range(10, 20))
    before = now.clone()
    held.expect(range(20, 30))
    held.carrier.finish()
    assert torch.equal(now, before)


def test_the_file_is_read_and_not_written(tmp_path):
    rows = rows_of(n=600, shuffled=False)
    np.save(tmp_path / "x.npy", rows.values)
    mapped = Rows(np.load(tmp_path / "x.npy", mmap_mode="r"), None, unit=True)
    out = np.empty((590, 7), np.float32)
    gather(mapped, 5, 595, out)
    assert np.array_equal(out, rows.values[5:595])
    DeviceRows(mapped, MODES["bf16"], Plan(600, 100, True), WHERE).hold(range(600))
    assert np.array_equal(np.load(tmp_path / "x.npy"), rows.values)


def test_many_threads_gather_what_one_would():
    rows = rows_of(n=3000)
    out = np.empty((2500, 7), np.float32)
    gather(rows, 300, 2800, out)
    assert np.array_equal(out, rows.values[rows.index[300:2800]])
