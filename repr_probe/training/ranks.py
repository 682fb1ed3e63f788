"""The processes of a run: who is who under torchrun, what only the first one does, and how all learn of it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import nn

from repr_probe import errors, progress
from repr_probe.encoders.devices import resolve_device
from repr_probe.errors import ReprProbeError, UsageError

T = TypeVar("T")

# The other ranks wait while the first one measures or writes; NCCL's ten minutes are too short for a probe on a large set.
PATIENCE = timedelta(hours=2)


@dataclass(frozen=True)
class Ranks:
    """This process among its `world_size` siblings; rank 0 alone writes files and speaks."""

    rank: int
    world_size: int
    device: torch.device

    @property
    def is_first(self) -> bool:
        return self.rank == 0

    def share(self, batch_size: int) -> int:
        """Images of a global batch that fall to each rank; raises UsageError when they cannot be equal shares.

        >>> Ranks(rank=1, world_size=4, device=torch.device("cpu")).share(128)
        32
        """
        if batch_size % self.world_size:
            raise UsageError(f"batch_size must be a multiple of the {self.world_size} processes; got {batch_size}")
        if batch_size < 2 * self.world_size:
            raise UsageError(f"batch_size must be at least 2 images for each of the {self.world_size} processes; got {batch_size}")
        return batch_size // self.world_size

    def mean(self, values: torch.Tensor) -> torch.Tensor:
        """The mean of `values` over ranks, the same on all; NaN or infinite where it is so on any."""
        if self.world_size > 1:
            dist.all_reduce(values)
            values /= self.world_size
        return values

    def agree(self, flag: bool) -> bool:
        """True on every rank when it is true on any; a meeting point of all ranks."""
        return bool(self.mean(torch.tensor(float(flag), device=self.device)).item() > 0)

    def first_does(self, work: Callable[[], T]) -> T:
        """Let rank 0 do `work` while the others wait; every rank gets what it returns, or raises what it raised, so that none is left waiting.

        What is returned must be small and picklable.
        """
        if self.world_size == 1:
            return work()
        outcome: list[Any] = [None, None]  # what came of it, and (class, text) of what was raised
        trouble: Exception | None = None
        if self.is_first:
            try:
                outcome[0] = work()
            except Exception as raised:
                trouble, outcome[1] = raised, (type(raised).__name__, str(raised))
        dist.broadcast_object_list(outcome, src=0, device=self.device)
        if trouble is not None:
            raise trouble
        if outcome[1] is not None:
            name, text = outcome[1]
            raise getattr(errors, name, ReprProbeError)(text)
        return outcome[0]

    def wrap(self, objective: nn.Module) -> nn.Module:
        """The module to call in the loop: DistributedDataParallel over several ranks, `objective` itself for one."""
        if self.world_size == 1:
            return objective
        ids = [self.device] if self.device.type == "cuda" else None
        return nn.parallel.DistributedDataParallel(objective, device_ids=ids)


@contextmanager
def joined(device: str = "auto") -> Iterator[Ranks]:
    """Join the group that torchrun's environment describes (RANK, WORLD_SIZE, LOCAL_RANK), and leave it afterwards; alone without one.

    One GPU a process where there are GPUs (NCCL), the CPU otherwise (gloo). A group that the caller has made is used and left alone.
    Notes and progress of all ranks but the first are silent inside the block.
    """
    world_size, rank = _integer("WORLD_SIZE", 1), _integer("RANK", 0)
    if dist.is_available() and dist.is_initialized():
        world_size, rank = dist.get_world_size(), dist.get_rank()
    where = _device_of_rank(device, _integer("LOCAL_RANK", rank)) if world_size > 1 else resolve_device(device)
    ours = world_size > 1 and not dist.is_initialized()
    if ours:
        dist.init_process_group("nccl" if where.type == "cuda" else "gloo", rank=rank, world_size=world_size, timeout=PATIENCE)
    try:
        quiet = nullcontext() if rank == 0 else progress.reporting(None)
        with quiet, torch.cuda.device(where) if where.type == "cuda" else nullcontext():
            yield Ranks(rank, world_size, where)
    finally:
        if ours and dist.is_initialized():
            dist.destroy_process_group()


def _integer(name: str, default: int) -> int:
    text = os.environ.get(name, "")
    if not text:
        return default
    try:
        return int(text)
    except ValueError:
        raise UsageError(f"{name} must be a whole number, as torchrun sets it; got {text!r}") from None


def _device_of_rank(name: str, local_rank: int) -> torch.device:
    """Each process of a machine its own GPU; a name with a number would put them all on one."""
    where = resolve_device(name)
    if where.type != "cuda":
        return where
    if where.index is not None:
        raise UsageError(f"device must be auto, cpu or cuda under torchrun, which gives every process its own GPU; got {name!r}")
    return resolve_device(f"cuda:{local_rank}")
