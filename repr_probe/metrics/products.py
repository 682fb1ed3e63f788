"""The product of tiles: by default the fastest that is as good as float32, or a coarser one on request, with its error in degrees measured.

Only torch's products take part: numpy's are as fast, but its BLAS threads go on spinning after each call and take the cores from the torch
operations that follow on the same tile.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from repr_probe import progress
from repr_probe.metrics.integer_products import LARGEST_WIDTH, IntegerProduct
from repr_probe.ranks import ALONE, Ranks

if TYPE_CHECKING:
    import torch

MATMULS = ("exact", "fast")
_FAST_ERROR = 1e-3  # degrees, of the mean and of the SD of angles
_GAIN = 0.95  # of the exact product's time: what is not quicker than this is not worth its error
_COSINE_ERROR = 1e-6  # 1e-4 degree at 45 degrees or more; nearer pairs are redone in float64
_TRIED = 512  # rows
_INTEGERS = "int8"
_NAMES = {"high": "TF32", "tf32": "TF32", "medium": "bfloat16", "bf16": "bfloat16", "bf16x3": "bfloat16 in three products",
          _INTEGERS: "8-bit integers"}  # fmt: skip


class Product(Protocol):
    """Cosines of two blocks of unit rows, each prepared once."""

    def prepare(self, rows: torch.Tensor) -> Any:
        """(n, D) float32 unit rows in the form that the product takes; has their length."""

    def __call__(self, left: Any, right: Any, out: torch.Tensor, work: torch.Tensor) -> None:
        """out (n, m) float32 = cosines; work (n, m) int32 may be overwritten."""


class FloatProduct:
    """torch's product at the precision that is set around it."""

    def prepare(self, rows: torch.Tensor) -> torch.Tensor:
        return rows

    def __call__(self, left: torch.Tensor, right: torch.Tensor, out: torch.Tensor, work: torch.Tensor) -> None:
        import torch

        torch.mm(left, right.T, out=out)


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
    matmul "fast": products by 8-bit integers, bfloat16 or TF32, whichever is the quickest here of those that on pairs of `sample` leave the
    mean and the SD of angles within 1e-3 degree of float64; the exact ones where none gains time. A note says which, and the error.
    """

    def choose() -> tuple[str, str | None]:
        exact = _race(sample) if race and sample.device.type == "cpu" else "highest"
        return (exact, None) if matmul == "exact" else fast_product(exact, _trials(sample, exact))

    name, said = ranks.first_does(choose)
    if said is not None:
        progress.note(said)
    with _product(name, sample) as product:
        yield product


@contextmanager
def _product(name: str, sample: torch.Tensor) -> Iterator[Product]:
    integers = name == _INTEGERS
    with nullcontext() if integers else matmul_precision(name):
        yield IntegerProduct(sample.mean(dim=0)) if integers else FloatProduct()


@dataclass(frozen=True)
class Trial:
    """Seconds of a product, and by how much (degrees) it moves the mean and the SD of `n_pairs` angles, and a single angle at most."""

    seconds: float
    mean: float
    std: float
    single: float
    n_pairs: int


def fast_product(exact: str, trials: dict[str, Trial]) -> tuple[str, str]:
    """(name of the product to use, what to tell): the quickest that is quicker than `exact` and within the error that "fast" may have.

    >>> fast_product("highest", {"highest": Trial(1.0, 0.0, 0.0, 0.0, 10), "medium": Trial(0.5, 1e-2, 0.0, 0.3, 10)})[0]
    'highest'
    >>> name, said = fast_product("highest", {"highest": Trial(1.0, 0.0, 0.0, 0.0, 10), "medium": Trial(0.5, 1e-5, 2e-5, 0.01, 10)})
    >>> name, said.partition(";")[0]
    ('medium', 'fast products (bfloat16): 2.0 times as fast as exact ones')
    """
    near = {name: trial for name, trial in trials.items() if max(trial.mean, trial.std) <= _FAST_ERROR}
    quick = {name: trial for name, trial in near.items() if trial.seconds < _GAIN * trials[exact].seconds}
    if not quick:
        why = "none here is quicker" if near.keys() == trials.keys() else f"those that are quicker are off by more than {_FAST_ERROR} deg"
        return exact, f"fast products: {why}; taking exact ones"
    name = min(quick, key=lambda name: quick[name].seconds)
    trial, gain = quick[name], trials[exact].seconds / quick[name].seconds
    return name, (
        f"fast products ({_NAMES.get(name, 'float32')}): {gain:.1f} times as fast as exact ones; on {trial.n_pairs} pairs the mean angle is off by "
        f"{trial.mean:.1g} deg, the SD by {trial.std:.1g}, one angle by {trial.single:.1g} at most"
    )


def _trials(sample: torch.Tensor, exact: str) -> dict[str, Trial]:
    """One of each product that there is here."""
    trials = {name: _trial(sample, name) for name in dict.fromkeys((exact, "high", "medium"))}
    if sample.device.type == "cpu" and sample.shape[1] <= LARGEST_WIDTH:
        with suppress(RuntimeError):  # torch was built without products of bytes
            trials[_INTEGERS] = _trial(sample, _INTEGERS)
    return trials


def _trial(sample: torch.Tensor, name: str) -> Trial:
    rows = sample[:: -(-len(sample) // _TRIED)]
    above = np.triu_indices(len(rows), 1)
    with _product(name, sample) as product:
        seconds, out = _timed(product, rows, 4)
    found, true = (np.degrees(np.arccos(np.clip(part.cpu().numpy()[above], -1.0, 1.0))) for part in (out.double(), rows.double() @ rows.double().T))
    return Trial(seconds, abs(float(found.mean() - true.mean())), abs(float(found.std() - true.std())), float(np.abs(found - true).max()), len(true))


def _race(sample: torch.Tensor) -> str:
    rows = sample[:_TRIED]
    exact = rows[:64].double() @ rows[:64].double().T
    times = {}
    for name in ("highest", "high", "medium"):
        with _product(name, sample) as product:
            seconds, out = _timed(product, rows, 3)
        if (out[:64, :64].double() - exact).abs().max() <= _COSINE_ERROR:
            times[name] = seconds
    return min(times, key=times.__getitem__) if times else "highest"


def _timed(product: Product, rows: torch.Tensor, times: int) -> tuple[float, torch.Tensor]:
    """(least seconds of the products of all pairs of `rows`, their cosines)."""
    import torch

    wait = torch.cuda.synchronize if rows.device.type == "cuda" else lambda: None
    operand, n = product.prepare(rows), len(rows)
    out, work = (torch.empty(n, n, dtype=kind, device=rows.device) for kind in (torch.float32, torch.int32))
    taken = []
    for _ in range(times + 1):  # the first warms up
        wait()
        start = time.perf_counter()
        product(operand, operand, out, work)
        wait()
        taken.append(time.perf_counter() - start)
    return min(taken[1:]), out
