"""The fastest float32 product on this machine that is exact enough for angles: chosen by a short race, its precision switch put back after.

Only torch's products take part: numpy's are as fast, but its BLAS threads go on spinning after each call and take the cores from the torch
operations that follow on the same tile.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from repr_probe.ranks import ALONE, Ranks

if TYPE_CHECKING:
    import torch

Product = Callable[["torch.Tensor", "torch.Tensor", "torch.Tensor"], None]  # (rows, columns, out): out = rows @ columns.T
_COSINE_ERROR = 1e-6  # 1e-4 degree at 45 degrees or more; nearer pairs are redone in float64


def _by_torch(rows: torch.Tensor, columns: torch.Tensor, out: torch.Tensor) -> None:
    import torch

    torch.mm(rows, columns.T, out=out)


@contextmanager
def matmul_precision(name: str) -> Iterator[None]:
    """torch's process-wide float32 matmul precision inside the block ("highest": no TF32)."""
    import torch

    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(name)
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


@contextmanager
def fastest_product(sample: torch.Tensor, *, race: bool, ranks: Ranks = ALONE) -> Iterator[Product]:
    """Yield a product for unit rows like `sample` (rows, D); the same on all `ranks`, as the first one measures.

    On a GPU: torch in full float32. On a CPU: torch at the precision setting ("highest", "high" or "medium") that is fastest on `sample`
    among those whose measured error stays below 1e-6; with `race` false (small work) "highest" is taken.
    """
    with matmul_precision(ranks.first_does(lambda: _race(sample)) if race and sample.device.type == "cpu" else "highest"):
        yield _by_torch


def _race(sample: torch.Tensor) -> str:
    import torch

    rows = sample[:512]
    out = torch.empty(len(rows), len(rows))
    exact = rows[:64].double() @ rows[:64].double().T
    times = {}
    for precision in ("highest", "high", "medium"):
        with matmul_precision(precision):
            _by_torch(rows, rows, out)
            if (out[:64, :64].double() - exact).abs().max() <= _COSINE_ERROR:
                times[precision] = min(_seconds(rows, out) for _ in range(3))
    return min(times, key=times.__getitem__) if times else "highest"


def _seconds(rows: torch.Tensor, out: torch.Tensor) -> float:
    start = time.perf_counter()
    _by_torch(rows, rows, out)
    return time.perf_counter() - start
