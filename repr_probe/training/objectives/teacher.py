"""A teacher: the moving average of a network that learns."""

from __future__ import annotations

import copy
import math

import torch
from torch import nn


class Teacher(nn.Module):
    """Copies of networks, without gradients; `follow` moves their weights towards those of the originals. Their BatchNorm sees its own batches."""

    def __init__(self, *students: nn.Module) -> None:
        super().__init__()
        self.networks = nn.ModuleList(copy.deepcopy(student) for student in students).requires_grad_(False)

    @torch.no_grad()
    def follow(self, *students: nn.Module, momentum: float) -> None:
        """weights <- momentum * weights + (1 - momentum) * those of the students, the networks that were copied, in the same order."""
        theirs: list[torch.Tensor] = [weight for student in students for weight in student.parameters()]
        torch._foreach_lerp_([*self.parameters()], theirs, 1.0 - momentum)


def momentum_at(progress: float, start: float) -> float:
    """A cosine from `start` at progress 0 to 1 at the end, where the teacher stands still.

    >>> momentum_at(0.0, 0.99), momentum_at(1.0, 0.99)
    (0.99, 1.0)
    """
    return 1.0 - (1.0 - start) * (math.cos(math.pi * progress) + 1.0) / 2.0
