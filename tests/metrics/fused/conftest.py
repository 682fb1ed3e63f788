"""Where there is no GPU the kernel runs in Triton's interpreter, which has to be switched on before Triton is first imported."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass

import numpy as np
import pytest
import torch

from repr_probe.metrics.angle_sums import AnglePass
from repr_probe.metrics.fused.choosing import Choice
from repr_probe.metrics.fused.fused_pass import FusedPass
from repr_probe.metrics.fused.memory import Plan
from repr_probe.metrics.fused.modes import MODES, Tiling
from repr_probe.metrics.fused.plain import PlainTotals, add_plainly, pairs_of
from repr_probe.metrics.inference import delete_groups
from repr_probe.metrics.pairs import angle_pass
from repr_probe.metrics.rows import Rows

if not torch.cuda.is_available() and "triton" not in sys.modules:
    os.environ["TRITON_INTERPRET"] = "1"

SMALL = Tiling(32, 64, 32, 2, 4, 1)


@pytest.fixture(scope="session")
def device() -> torch.device:
    """A GPU, or the CPU under the interpreter."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    runtime = pytest.importorskip("triton.runtime.interpreter", reason="the kernel is written in Triton")
    from triton.language import standard

    if not isinstance(standard.cdiv, runtime.InterpretedFunction):
        pytest.skip("Triton was imported before its interpreter was switched on; test_interpreter.py runs this in a process of its own")
    return torch.device("cpu")


@dataclass(frozen=True, eq=False)
class Cloud:
    """Rows in the order of the pass, codes and groups of the labelled ones."""

    rows: Rows
    codes: np.ndarray
    groups: np.ndarray
    unit: np.ndarray

    @classmethod
    def of(cls, x: np.ndarray, labels: np.ndarray) -> Cloud:
        codes = np.unique(labels[labels >= 0], return_inverse=True)[1]
        groups = delete_groups(int(codes.max(initial=-1)) + 1)[codes]
        order = np.lexsort((codes, groups))
        index = np.concatenate([np.flatnonzero(labels >= 0)[order], np.flatnonzero(labels < 0)]).astype(np.int64)
        rows = Rows(x, index, unit=True)
        return cls(rows, codes[order].astype(np.int64), groups[order].astype(np.int64), rows.block(0, len(index)))

    def by_steps(self, *, kernel: float | None) -> AnglePass:
        return angle_pass(self.rows, self.codes, self.groups, shift=SHIFT, kernel=kernel)

    def fused(
        self, device: torch.device, *, kernel: float | None, mode: str = "float32", plan: Plan | None = None, tiling: Tiling = SMALL
    ) -> FusedPass:
        n = len(self.rows)
        return FusedPass(self.rows, self.codes, self.groups, shift=SHIFT, kernel=kernel, choice=Choice(MODES[mode], tiling, 0.0),
                         plan=plan or Plan(n, n, True), device=device)  # fmt: skip

    def zeros(self, *, kernel: float | None) -> PlainTotals:
        return PlainTotals.zeros(len(self.rows), self.groups, kernel=kernel is not None)

    def repaired(self, into: PlainTotals, refused: list, *, kernel: float | None) -> np.ndarray:
        """Add the refused pairs plainly; which they were."""
        pairs = pairs_of(len(self.rows), refused)
        add_plainly(into, self.unit, self.codes, self.groups, pairs, shift=float(np.radians(SHIFT)), kernel=kernel)
        return pairs


SHIFT = 82.0


@pytest.fixture(scope="session")
def make_cloud():
    def make(n=150, width=9, n_classes=5, unlabelled=20, dtype=np.float32, seed=0) -> Cloud:
        rng = np.random.default_rng(seed)
        labels = rng.integers(0, n_classes, n)
        x = rng.normal(size=(n, width)) + 0.5 * rng.normal(size=(n_classes, width))[labels]
        labels[rng.permutation(n)[:unlabelled]] = -1
        return Cloud.of(x.astype(dtype), labels)

    return make


@pytest.fixture(scope="session")
def make_from():
    return Cloud.of
