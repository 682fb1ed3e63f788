from __future__ import annotations

import numpy as np
import torch

from repr_probe.metrics.fused.modes import MODES


def test_rows_are_rounded_and_not_cut():
    unit = torch.nn.functional.normalize(torch.from_numpy(np.random.default_rng(0).normal(size=(50, 70)).astype(np.float32)))
    out = MODES["tf32"].room(50, 70, torch.device("cpu"))
    MODES["tf32"].put(unit, out)
    relative = ((out[:, :70] - unit) / unit).double()
    assert relative.abs().max() <= 2.0**-11
    assert abs(relative.mean()) < 1e-5  # cutting off takes 2.4e-4 on average
    assert (out.view(torch.int32) & 0x1FFF == 0).all()
    assert not out[:, 70:].any()


def test_high_and_low_parts_hold_sixteen_bits():
    unit = torch.nn.functional.normalize(torch.from_numpy(np.random.default_rng(0).normal(size=(50, 70)).astype(np.float32)))
    out = MODES["bf16x3"].room(50, 70, torch.device("cpu"))
    MODES["bf16x3"].put(unit, out)
    high, low = out[:, :70].double(), out[:, 128:198].double()
    assert ((high - unit).abs() <= 2.0**-8 * unit.abs()).all()
    assert ((high + low - unit).abs() <= 2.0**-16 * unit.abs()).all()
