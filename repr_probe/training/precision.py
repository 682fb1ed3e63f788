"""Number formats and memory layout of a step."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

import torch


def autocast(precision: str, device: torch.device) -> AbstractContextManager[None]:
    """bfloat16 autocast for `bf16`, and for `auto` on a GPU that has it; nothing for `fp32`. The range of bfloat16 needs no loss scaling."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=uses_bfloat16(precision, device))


def uses_bfloat16(precision: str, device: torch.device) -> bool:
    """What `precision`, auto, bf16 or fp32, means on `device`.

    >>> [uses_bfloat16(precision, torch.device("cpu")) for precision in ("auto", "bf16", "fp32")]
    [False, True, False]
    """
    if precision == "auto":
        return device.type == "cuda" and torch.cuda.is_bf16_supported()
    return precision == "bf16"


@contextmanager
def tuned_convolutions(device: torch.device) -> Iterator[None]:
    """Let cuDNN try its kernels once for each size of view; the caller's setting is put back."""
    before = torch.backends.cudnn.benchmark
    torch.backends.cudnn.benchmark = before or device.type == "cuda"
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = before
