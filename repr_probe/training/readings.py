"""The scalars of a step, averaged over ranks, on their way to the log without stopping the device."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from repr_probe.training.ranks import Ranks

STOP = "stop"  # the share of ranks that were asked to stop; travels with the numbers, so that all learn of it at the same step


@dataclass(frozen=True)
class Reading:
    """What a step gave, perhaps still being computed; `values()` waits for it."""

    step: int  # the number of updates when this one is counted
    learning_rate: float
    waited: float  # seconds for data
    names: tuple[str, ...]
    _numbers: torch.Tensor  # (n_names,) on the CPU, filled when `_ready` has passed
    _ready: torch.cuda.Event | None

    def values(self) -> dict[str, float]:
        if self._ready is not None:
            self._ready.synchronize()
        return dict(zip(self.names, self._numbers.tolist()))


def read_later(
    scalars: Mapping[str, torch.Tensor], ranks: Ranks, *, stop: bool, step: int, learning_rate: float, waited: float
) -> Reading:
    """Average `scalars` over the ranks and start copying them to the CPU; one small message a step, however many there are.

    A value that is NaN or infinite on one rank is so in the mean, hence on all: they judge alike and stop at the same step.
    """
    dtype = torch.float32 if ranks.device.type == "mps" else torch.float64
    parts = [*scalars.values(), torch.tensor(float(stop))]
    numbers = torch.stack([part.detach().to(ranks.device, dtype, non_blocking=True).reshape(()) for part in parts])
    numbers = ranks.mean(numbers)
    ready = None
    if ranks.device.type == "cuda":
        arrived = torch.empty(numbers.shape, dtype=dtype, pin_memory=True)
        arrived.copy_(numbers, non_blocking=True)
        ready = torch.cuda.Event()
        ready.record()
        numbers = arrived
    return Reading(step, learning_rate, waited, (*scalars, STOP), numbers, ready)
