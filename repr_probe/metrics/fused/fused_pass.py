"""The pair pass by the fused kernel: from rows to sums, with the pairs left over that float32 is not good enough for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain, pairwise
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from repr_probe import progress
from repr_probe.metrics.fused.choosing import Choice, Sample, chosen, failure
from repr_probe.metrics.fused.device_rows import DeviceRows, gather, unit
from repr_probe.metrics.fused.device_sums import DeviceSums, Totals
from repr_probe.metrics.fused.memory import BLOCK, Plan, plan
from repr_probe.metrics.fused.modes import TILINGS, Tiling
from repr_probe.metrics.fused.rectangles import Rectangle, shares
from repr_probe.metrics.rows import Rows
from repr_probe.ranks import ALONE, Ranks

if TYPE_CHECKING:
    import torch

T = TypeVar("T")


class FusedPass:
    """All pairs of unit rows on one GPU; made by `fused_pass`.

    Use: for each of `run(shares)` now and then `collect(into)`, which adds what was found to float64 arrays and returns rectangles of pairs
    that were not counted, since one of them has a |cosine| above 0.999: they need the float64 path.
    """

    def __init__(
        self, rows: Rows, codes: np.ndarray, groups: np.ndarray, *, shift: float, kernel: float | None, choice: Choice, plan: Plan,
        device: torch.device,
    ) -> None:  # fmt: skip
        self.choice, self.plan = choice, plan
        self.held = DeviceRows(rows, choice.mode, plan, device)
        self.sums = DeviceSums(len(rows), codes, groups, shift=float(np.radians(shift)), kernel=kernel, mode=choice.mode,
                               n_features=rows.n_features, tiling=choice.tiling, device=device)  # fmt: skip

    def shares(self, ranks: Ranks = ALONE) -> Iterator[Rectangle]:
        """The work of this rank, in an order that reloads little."""
        return shares(self.sums.n, self.plan.height, self.plan.block, ranks)

    def run(self, work: Iterable[Rectangle]) -> Iterator[Rectangle]:
        """Yield each rectangle when the device has its work; the next one's columns travel meanwhile."""
        following: list[Rectangle | None] = [None]
        for now, after in pairwise(chain(work, following)):
            if now is None:
                return
            left = self.held.hold(now.rows)
            self.sums.add(now, left, self.held.columns(now.columns))
            if after is not None and after.rows.start == now.rows.start:
                self.held.expect(after.columns)
            yield now

    @property
    def how(self) -> str:
        """How the sums are cut, and in what numbers; not in what tiles, which a race decides anew each time."""
        return f"fused {self.choice.mode.name} {self.plan.height} x {self.plan.block}"

    def wait(self) -> None:
        """Until the device has done what it was given."""
        self.sums.wait()

    def collect(self, into: Totals) -> list[Rectangle]:
        return self.sums.collect(into)


def fused_pass(
    rows: Rows, codes: np.ndarray, groups: np.ndarray, *, shift: float, kernel: float | None, device: torch.device, matmul: str = "exact",
    ranks: Ranks = ALONE, free_bytes: int | None = None, tilings: dict[bool, tuple[Tiling, ...]] = TILINGS,
) -> FusedPass | None:  # fmt: skip
    """A pass over these rows, labelled ones first and sorted by (group, class), or None where the kernel cannot be used; a note says why.

    shift: degrees.  kernel: t of uniformity, or None.  codes, groups: of the labelled rows.  ranks: all of them call this, and all or none
    get a pass.  free_bytes: of the device (default: what it says).  Raise InputError where the device is too small for the smallest strip.
    """
    choice = _agreed(rows, codes, groups, shift, kernel, device, matmul, ranks, tilings)
    if choice is None:
        return None
    room = plan(len(rows), row_bytes=choice.mode.row_bytes(rows.n_features), loading_bytes=DeviceRows.loading_bytes(rows),
                fixed_bytes=DeviceSums.bytes_for(len(rows)), free_bytes=free_bytes or _free_bytes(device), ranks=ranks)  # fmt: skip
    return FusedPass(rows, codes, groups, shift=shift, kernel=kernel, choice=choice, plan=room, device=device)


def _agreed(
    rows: Rows, codes: np.ndarray, groups: np.ndarray, shift: float, kernel: float | None, device: torch.device, matmul: str, ranks: Ranks,
    tilings: dict[bool, tuple[Tiling, ...]],
) -> Choice | None:  # fmt: skip
    """The first rank's choice, which all have tried; every step is one that all ranks take, whatever failed before on one of them."""
    sample = _attempt(lambda: _sample(rows, codes, groups, shift, kernel, device))
    choice = ranks.first_does(lambda: sample if isinstance(sample, str) else _attempt(lambda: chosen(sample, matmul=matmul, tilings=tilings)))
    if isinstance(sample, str):
        problem: str | None = sample
    elif isinstance(choice, str):
        problem = choice
    else:
        problem = _attempt(lambda: failure(sample, choice))
    failed = np.array([float(problem is not None)])
    ranks.sum(failed)
    if not failed[0] and isinstance(choice, Choice):
        return choice
    progress.note(f"the fused pair kernel is left out ({problem or 'another process cannot run it'}); the pair pass goes step by step")
    return None


def _attempt(work: Callable[[], T]) -> T | str:
    """What `work` returns, or in one line what a compiler, a driver or Triton's absence raised: another path does the work then."""
    try:
        return work()
    except Exception as trouble:
        return f"{type(trouble).__name__}: {(str(trouble).splitlines() or [''])[0]}"


def _sample(rows: Rows, codes: np.ndarray, groups: np.ndarray, shift: float, kernel: float | None, device: torch.device) -> Sample:
    """From all over the rows, one block at most."""
    import torch

    where = np.linspace(0, len(rows) - 1, min(len(rows), BLOCK)).astype(np.int64)
    labelled = where[where < len(codes)]
    stored = np.empty((len(where), rows.n_features), rows.values.dtype)
    gather(rows.select(where), 0, len(where), stored)
    return Sample(unit(torch.from_numpy(stored).to(device)), codes[labelled], groups[labelled], float(np.radians(shift)), kernel)


def _free_bytes(device: torch.device) -> int:
    import torch

    torch.cuda.empty_cache()
    return int(torch.cuda.mem_get_info(device)[0])
