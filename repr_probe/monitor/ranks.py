"""One process measures, all of them learn the numbers."""

from __future__ import annotations

from collections.abc import Callable

import torch

from repr_probe.errors import ReprProbeError


def from_rank_zero(measure: Callable[[], dict[str, float]]) -> dict[str, float]:
    """`measure()` of rank 0, given to every rank of torch.distributed; without it simply `measure()`.

    So all ranks can decide by the numbers alike (early stopping, the best checkpoint). A failure of rank 0 is one of every rank, for
    those that wait would wait for ever.
    """
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return measure()
    told: list[dict[str, float] | str | None] = [None]
    failure: Exception | None = None
    if torch.distributed.get_rank() == 0:
        try:
            told[0] = measure()
        except Exception as error:
            failure, told[0] = error, f"rank 0 must measure the model; got {type(error).__name__}: {' '.join(str(error).split())}"
    torch.distributed.broadcast_object_list(told, src=0)
    if failure is not None:
        raise failure
    if not isinstance(told[0], dict):
        raise ReprProbeError(str(told[0]))
    return told[0]
