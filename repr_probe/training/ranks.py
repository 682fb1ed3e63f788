"""The processes of a training run: their shares of a batch, their means, and the wrapper that keeps their weights equal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import nn

from repr_probe.encoders.devices import resolve_device
from repr_probe.errors import UsageError
from repr_probe.ranks import Ranks as Processes
from repr_probe.ranks import joined as join_ranks


@dataclass(frozen=True)
class Ranks(Processes):
    """This process among its `world_size` siblings, with what training needs of them; rank 0 alone writes files and speaks."""

    device: torch.device

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

    def wrap(self, objective: nn.Module) -> nn.Module:
        """The module to call in the loop: DistributedDataParallel over several ranks, `objective` itself for one."""
        if self.world_size == 1:
            return objective
        ids = [self.device] if self.device.type == "cuda" else None
        return nn.parallel.DistributedDataParallel(objective, device_ids=ids)


@contextmanager
def joined(device: str = "auto") -> Iterator[Ranks]:
    """Join the group that torchrun's environment describes and leave it afterwards (`repr_probe.ranks.joined`); alone without one."""
    with join_ranks(device, resolve_device) as met:
        where = met.device if met.device is not None else resolve_device(device)
        with torch.cuda.device(where) if where.type == "cuda" else nullcontext():
            yield Ranks(met.rank, met.world_size, where, met.store)
