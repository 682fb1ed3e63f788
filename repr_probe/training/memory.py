"""Out of memory: one line with a batch size to try, instead of the allocator's paragraph."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from repr_probe.errors import ReprProbeError
from repr_probe.files.atomic import readable_bytes


class OutOfMemory(ReprProbeError, MemoryError):
    """The batch does not fit the memory of the device; the message names a batch size to try."""


@contextmanager
def explained_memory(*, batch_size: int, world_size: int, device: torch.device) -> Iterator[None]:
    """Turn a refused allocation into OutOfMemory; `batch_size` is the global one, as the user wrote it."""
    try:
        yield
    except torch.OutOfMemoryError as refusal:
        raise OutOfMemory(_line(batch_size, world_size, device)) from refusal
    except RuntimeError as refusal:
        if "can't allocate memory" not in str(refusal):  # the CPU's allocator has no class of its own
            raise
        raise OutOfMemory(_line(batch_size, world_size, device)) from refusal


def batch_size_to_try(batch_size: int, world_size: int = 1) -> int | None:
    """The largest power-of-two share per process that is at most 3/4 of the present one, over all processes; None below 2 images each.

    Activations, nearly all of a step's memory, are proportional to the batch, and a step of 3/4 keeps most of what fitted.

    >>> batch_size_to_try(512), batch_size_to_try(96, 2), batch_size_to_try(2)
    (256, 64, None)
    """
    limit = batch_size // world_size * 3 // 4
    if limit < 2:
        return None
    return world_size * (1 << (limit.bit_length() - 1))


def _line(batch_size: int, world_size: int, device: torch.device) -> str:
    smaller = batch_size_to_try(batch_size, world_size)
    advice = "choose smaller views or a smaller network" if smaller is None else f"try --batch-size {smaller}"
    where = str(device)
    if device.type == "cuda":
        where += f" with {readable_bytes(torch.cuda.get_device_properties(device).total_memory)}"
    return f"batch_size must fit into memory; got {batch_size} on {where}; {advice}"
