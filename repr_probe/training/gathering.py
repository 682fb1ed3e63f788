"""Rows of all ranks on each rank, with the gradient that a single process would have."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist


def ranks() -> tuple[int, int]:
    """(rank, number of ranks) of this process; (0, 1) where torch.distributed is not in use."""
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank(), dist.get_world_size()
    return 0, 1


def gather_rows(x: torch.Tensor) -> torch.Tensor:
    """The rows of all ranks, in order of rank: (n, ...) -> (n_ranks * n, ...). Every rank must bring the same shape.

    The gradient of a rank's rows is the *sum* over ranks of what each of them did with the copy. So if each rank takes the mean over its own
    rows and gradients are averaged over ranks, as DistributedDataParallel does, parameters get exactly the gradient of one process with the
    whole batch. The common shortcut, gathering without gradient and keeping one's own slice, gets a different one.

    >>> gather_rows(torch.ones(2, 3)).shape  # one process: x itself
    torch.Size([2, 3])
    """
    return x if ranks()[1] == 1 else _Gather.apply(x)


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        parts = [torch.empty_like(x, memory_format=torch.contiguous_format) for _ in range(dist.get_world_size())]
        dist.all_gather(parts, x.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> torch.Tensor:
        (gradient,) = gradients
        rank, n_ranks = ranks()
        if dist.get_backend() == "nccl":
            own = gradient.new_empty(len(gradient) // n_ranks, *gradient.shape[1:])
            dist.reduce_scatter_tensor(own, gradient.contiguous())
            return own
        total = gradient.clone(memory_format=torch.contiguous_format)  # gloo has no reduce_scatter
        dist.all_reduce(total)
        return total.chunk(n_ranks)[rank]
