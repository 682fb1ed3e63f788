"""What stands between a backbone and a loss: projectors and prototypes."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn.functional import linear, normalize


def projector_of(
    n_features: int, widths: Sequence[int], *, norm: bool = True, last_norm: bool = False, activation: type[nn.Module] = nn.ReLU
) -> nn.Module:
    """A multilayer perceptron n_features -> widths[0] -> ... -> widths[-1]; no widths: the identity.

    norm: BatchNorm before each activation; last_norm: also after the last layer, which has no activation.

    >>> projector_of(8, (16, 4))(torch.ones(2, 8)).shape
    torch.Size([2, 4])
    """
    layers: list[nn.Module] = []
    for index, (n_in, n_out) in enumerate(zip((n_features, *widths), widths)):
        last = index == len(widths) - 1
        normed = norm and (last_norm or not last)
        layers.append(nn.Linear(n_in, n_out, bias=not normed))  # BatchNorm has a bias of its own
        if normed:
            layers.append(nn.BatchNorm1d(n_out))
        if not last:
            layers.append(activation())
    return nn.Sequential(*layers)


def projector_width(n_features: int, widths: Sequence[int]) -> int:
    """Features of what `projector_of` gives."""
    return widths[-1] if widths else n_features


class Prototypes(nn.Module):
    """Cosines, in float32, of rows (..., n_features) with learnt unit directions: (..., n_prototypes). Only directions of weights matter."""

    def __init__(self, n_features: int, n_prototypes: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(normalize(torch.randn(n_prototypes, n_features), dim=1))

    def forward(self, rows: torch.Tensor, *, frozen: bool = False) -> torch.Tensor:
        """frozen: prototypes get gradients of 0 (not none, which DistributedDataParallel would miss)."""
        weight = self.weight.detach() + 0.0 * self.weight if frozen else self.weight
        with torch.autocast(rows.device.type, enabled=False):  # cosines are divided by temperatures of a few hundredths
            return linear(normalize(rows.to(weight.dtype), dim=-1), normalize(weight, dim=1))

    @torch.no_grad()
    def renormalise(self) -> None:
        """Scale the weight rows back to length 1."""
        self.weight.copy_(normalize(self.weight, dim=1))
