"""The product of tiles: by default the fastest that is as good as float32, or a coarser one on request, with its error in degrees measured.

Only torch's products take part: numpy's are as fast, but its BLAS threads go on spinning after each call and take the cores from the torch
operations that follow on the same tile.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from repr_probe import progress
from repr_probe.ranks import ALONE, Ranks

if TYPE_CHECKING:
    import torch

Product = Callable[["torch.Tensor", "torch.Tensor", "torch.Tensor"], None]  # (rows, columns, out): out = rows @ columns.T
MATMULS = ("exact", "fast")
_FAST_ERROR = 1e-3  # degrees, of the mean and of the SD of angles
_GAIN = 0.95  # of the exact product's time: what is not quicker than this is not worth its error
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
def fastest_product(sample: torch.Tensor, *, race: bool, matmul: str = "exact", ranks: Ranks = ALONE) -> Iterator[Product]:
    """Yield a product for unit rows like `sample` (rows, D); the same on all `ranks`, as the first one measures.

    On a GPU: torch in full float32. On a CPU: torch at the precision setting ("highest", "high" or "medium") that is fastest on `sample`
    among those whose measured error stays below 1e-6; with `race` false (small work) "highest" is taken.
    matmul "fast": products by bfloat16 or TF32 where the processor has them (a CPU with AMX, a GPU), if on pairs of `sample` the mean and
    the SD of angles stay within 1e-3 degree of float64 and time is gained; else the exact ones. A note says which, and the error.
    """

    def choose() -> tuple[str, str | None]:
        exact = _race(sample) if race and sample.device.type == "cpu" else "highest"
        return (exact, None) if matmul == "exact" else fast_precision(exact, {name: _trial(sample, name) for name in (exact, "high", "medium")})

    precision, said = ranks.first_does(choose)
    if said is not None:
        progress.note(said)
    with matmul_precision(precision):
        yield _by_torch


@dataclass(frozen=True)
class Trial:
    """Seconds of a product, and by how much (degrees) it moves the mean and the SD of `n_pairs` angles, and a single angle at most."""

    seconds: float
    mean: float
    std: float
    single: float
    n_pairs: int


def fast_precision(exact: str, trials: dict[str, Trial]) -> tuple[str, str]:
    """(precision to use, what to tell): the quickest that is quicker than `exact` and within the error that "fast" may have.

    >>> fast_precision("highest", {"highest": Trial(1.0, 0.0, 0.0, 0.0, 10), "medium": Trial(0.5, 1e-2, 0.0, 0.3, 10)})[0]
    'highest'
    >>> fast_precision("highest", {"highest": Trial(1.0, 0.0, 0.0, 0.0, 10), "medium": Trial(0.5, 1e-5, 2e-5, 0.01, 10)})[1]
    'fast products: 2.0 times as fast as exact ones; on 10 pairs the mean angle is off by 1e-05 deg, the SD by 2e-05, one angle by 0.01 at most'
    """
    near = {name: trial for name, trial in trials.items() if max(trial.mean, trial.std) <= _FAST_ERROR}
    quick = {name: trial for name, trial in near.items() if trial.seconds < _GAIN * trials[exact].seconds}
    if not quick:
        why = "none here is quicker" if near.keys() == trials.keys() else f"those that are quicker are off by more than {_FAST_ERROR} deg"
        return exact, f"fast products: {why}; taking exact ones"
    name = min(quick, key=lambda name: quick[name].seconds)
    trial, gain = quick[name], trials[exact].seconds / quick[name].seconds
    return name, (
        f"fast products: {gain:.1f} times as fast as exact ones; on {trial.n_pairs} pairs the mean angle is off by {trial.mean:.1g} deg, "
        f"the SD by {trial.std:.1g}, one angle by {trial.single:.1g} at most"
    )


def _trial(sample: torch.Tensor, precision: str) -> Trial:
    import torch

    rows = sample[:: -(-len(sample) // 512)]
    above = np.triu_indices(len(rows), 1)
    with matmul_precision(precision):
        out = torch.empty(len(rows), len(rows), device=rows.device)
        seconds = min(_seconds(rows, out) for _ in range(4))
        found, true = (np.degrees(np.arccos(np.clip(part.cpu().numpy()[above], -1.0, 1.0))) for part in (out.double(), rows.double() @ rows.double().T))
    return Trial(seconds, abs(float(found.mean() - true.mean())), abs(float(found.std() - true.std())), float(np.abs(found - true).max()), len(true))


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
    import torch

    wait = torch.cuda.synchronize if rows.device.type == "cuda" else lambda: None
    wait()
    start = time.perf_counter()
    _by_torch(rows, rows, out)
    wait()
    return time.perf_counter() - start
