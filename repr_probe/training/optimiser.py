"""AdamW with weight decay on matrices only, and the learning rate as a function of the step."""

from __future__ import annotations

import math

import torch
from torch import nn

from repr_probe.errors import UsageError

SCHEDULES = ("cosine", "constant")


def adamw(module: nn.Module, *, learning_rate: float, weight_decay: float) -> torch.optim.AdamW:
    """AdamW over the trainable parameters of `module`, in two groups: decayed, and left alone (see `decays`).

    Frozen parameters (a teacher's) belong to no group, so that neither decay nor moments ever touch them.
    """
    decayed, spared = split_parameters(module)
    groups = [{"params": decayed, "weight_decay": weight_decay}, {"params": spared, "weight_decay": 0.0}]
    on_cuda = any(parameter.is_cuda for parameter in decayed + spared)
    return torch.optim.AdamW([group for group in groups if group["params"]], lr=learning_rate, fused=on_cuda or None)


def split_parameters(module: nn.Module) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """Trainable parameters (with weight decay, without): norms, biases and all 1-d tensors go without.

    So do the tensors that a timm network names in `no_weight_decay()` (class token, position embedding).

    >>> decayed, spared = split_parameters(nn.Sequential(nn.Linear(3, 4), nn.LayerNorm((2, 4))))
    >>> [tuple(p.shape) for p in decayed], [tuple(p.shape) for p in spared]
    ([(4, 3)], [(4,), (2, 4), (2, 4)])
    """
    decayed: list[nn.Parameter] = []
    spared: list[nn.Parameter] = []
    seen: set[nn.Parameter] = set()
    for owner in module.modules():
        asked = getattr(owner, "no_weight_decay", None)
        excused = asked() if callable(asked) and not isinstance(asked, torch.Tensor) else ()
        direct = {name.partition(".")[0] for name in excused if "." not in name}
        for name, parameter in owner.named_parameters(recurse=False):
            if parameter.requires_grad and parameter not in seen:
                seen.add(parameter)
                (spared if name in direct or not decays(owner, name, parameter) else decayed).append(parameter)
    return decayed, spared


def decays(owner: nn.Module, name: str, parameter: torch.Tensor) -> bool:
    """Whether the tensor `name` directly in `owner` is a matrix or a kernel: at least 2-d, no bias, not of a normalisation layer."""
    return parameter.ndim >= 2 and not name.endswith("bias") and "Norm" not in type(owner).__name__


def learning_rate_at(step: int, *, peak: float, warmup_steps: int, total_steps: int, schedule: str = "cosine") -> float:
    """The rate of update number `step` (0-based): linear from peak / warmup_steps up to peak, then half a cosine to 0, or constant.

    Update 0 is not wasted at rate 0, and the rate after the last update, step == total_steps, is 0.

    >>> [round(learning_rate_at(step, peak=1.0, warmup_steps=2, total_steps=6), 3) for step in range(7)]
    [0.5, 1.0, 1.0, 0.854, 0.5, 0.146, 0.0]
    """
    if schedule not in SCHEDULES:
        raise UsageError(f"schedule must be one of {', '.join(SCHEDULES)}; got {schedule!r}")
    if step < warmup_steps:
        return peak * (step + 1) / warmup_steps
    if schedule == "constant":
        return peak
    progress = (step - warmup_steps) / max(1, total_steps - warmup_steps)
    return peak * 0.5 * (1.0 + math.cos(math.pi * min(1.0, progress)))
