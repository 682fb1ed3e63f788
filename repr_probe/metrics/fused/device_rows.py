"""Unit rows on the device: a strip that stays, and blocks of columns that arrive while the kernel works on the block before."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np

from repr_probe.metrics.fused.memory import Plan
from repr_probe.metrics.fused.modes import Mode
from repr_probe.metrics.rows import Rows

if TYPE_CHECKING:
    import torch

_HANDS = 8  # threads that gather rows: one core copies more slowly than the bus carries


class DeviceRows:
    """The rows of a pass as `mode` stores them; `held` rows of them at a time, all if they fit, with two blocks of columns beside them.

    The order of calls is hold, columns, (the kernel's work on them,) expect, columns, ...: what `expect` announces travels meanwhile.
    """

    def __init__(self, rows: Rows, mode: Mode, plan: Plan, device: torch.device) -> None:
        self.rows, self.mode, self.plan = rows, mode, plan
        self.carrier = Carrier(rows, mode, plan.block, device)
        self.strip = mode.room(plan.held, rows.n_features, device)
        self.held = range(0)
        self.slots = [] if plan.resident else [mode.room(plan.block, rows.n_features, device) for _ in range(2)]
        self.arrived: list[range] = [range(0)] * len(self.slots)
        self.used = 0

    @staticmethod
    def loading_bytes(rows: Rows) -> int:
        """Of device memory, for each row of a block on its way: as stored twice (itself and a copy in turn), in float32, and what is between."""
        return rows.n_features * (2 * rows.values.dtype.itemsize + 4 * 4)

    def hold(self, wanted: range) -> torch.Tensor:
        """These rows; loaded, with what follows as far as there is room, where they are not held yet."""
        if not _within(wanted, self.held):
            start = wanted.start if not self.plan.resident else 0
            self.held = range(start, min(start + self.plan.held, len(self.rows)))
            self.carrier.after_the_kernels()
            self.carrier.carry(self.held, self.strip)
            self.carrier.finish()
        return self.strip[wanted.start - self.held.start : wanted.stop - self.held.start]

    def columns(self, wanted: range) -> torch.Tensor:
        """These rows as columns: of the strip where it holds them, or one of the two blocks."""
        if _within(wanted, self.held):
            return self.strip[wanted.start - self.held.start : wanted.stop - self.held.start]
        if wanted not in self.arrived:
            self.carrier.after_the_kernels()
            self.expect(wanted)
        self.used = self.arrived.index(wanted)
        self.carrier.finish()
        self.carrier.after_the_kernels()  # those of the block before, in the slot that the next one takes
        return self.slots[self.used][: len(wanted)]

    def expect(self, wanted: range) -> None:
        """Begin to load columns that are wanted next, into the block that is not in use."""
        if _within(wanted, self.held) or wanted in self.arrived:
            return
        free = 1 - self.used
        self.arrived[free] = wanted
        self.carrier.carry(wanted, self.slots[free])


class Carrier:
    """Brings rows from host memory into a buffer on the device, scaled to unit length there, on a stream of its own."""

    def __init__(self, rows: Rows, mode: Mode, block: int, device: torch.device) -> None:
        import torch

        self.rows, self.mode, self.device, self.block = rows, mode, device, block
        self.stream = torch.cuda.Stream(device) if device.type == "cuda" else None
        dtype = torch.from_numpy(np.empty(0, rows.values.dtype)).dtype
        self.staging = [torch.empty((block, rows.n_features), dtype=dtype, pin_memory=self.stream is not None) for _ in range(2)]
        self.left: list[torch.cuda.Event | None] = [None, None]  # when a staging buffer was last read
        self.turn = 0

    def after_the_kernels(self) -> None:
        """What is carried from now on may overwrite what the kernels launched so far read."""
        import torch

        if self.stream is not None:
            self.stream.wait_stream(torch.cuda.current_stream(self.device))

    def finish(self) -> None:
        """Kernels launched from now on find all that was carried so far."""
        import torch

        if self.stream is not None:
            torch.cuda.current_stream(self.device).wait_stream(self.stream)

    def carry(self, wanted: range, out: torch.Tensor) -> None:
        import torch

        for start in range(wanted.start, wanted.stop, self.block):
            stop = min(start + self.block, wanted.stop)
            staging, left = self.staging[self.turn][: stop - start], self.left[self.turn]
            if left is not None:
                left.synchronize()
            gather(self.rows, start, stop, staging.numpy())
            with torch.cuda.stream(self.stream):  # of None: the block as it is
                stored = staging.to(self.device, non_blocking=True, copy=True)
                self.mode.put(unit(stored), out[start - wanted.start : stop - wanted.start])
                if self.stream is not None:
                    self.left[self.turn] = self.stream.record_event()
            self.turn = 1 - self.turn


def unit(stored: torch.Tensor) -> torch.Tensor:
    """Float32 rows of unit length, in place where the type allows; lengths from float64 sums of squares."""
    import torch

    block = stored.float() if stored.dtype == torch.float16 else stored
    block.div_(torch.linalg.vector_norm(block, dim=1, keepdim=True, dtype=torch.float64).to(block.dtype))
    return block.float()


def gather(rows: Rows, start: int, stop: int, out: np.ndarray) -> None:
    """Copy rows start..stop into `out`, as stored, by several threads."""
    step = max(256, -(-(stop - start) // _HANDS))

    def part(first: int) -> None:
        last = min(first + step, stop)
        out[first - start : last - start] = rows.values[rows.where(first, last)]

    if stop - start <= step:
        part(start)
        return
    with ThreadPoolExecutor(min(_HANDS, os.cpu_count() or 1)) as hands:
        list(hands.map(part, range(start, stop, step)))


def _within(inner: range, outer: range) -> bool:
    return outer.start <= inner.start and inner.stop <= outer.stop
