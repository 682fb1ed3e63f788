"""DenseHead: a linear classifier of hypercolumns, one weight matrix a layer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from repr_probe.probes.hypercolumns import Hypercolumns

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, eq=False)
class DenseHead:
    """weights: {layer: (n_classes, channels)} and bias (n_classes,), for maps as the network gives them."""

    weights: Mapping[str, torch.Tensor]
    bias: torch.Tensor

    def logits(self, maps: Mapping[str, torch.Tensor], size: tuple[int, int]) -> torch.Tensor:
        """{layer: (n, channels, h, w)} -> (n, n_classes, height, width)."""
        return Hypercolumns({layer: maps[layer] for layer in self.weights}, size).projected(self.weights, self.bias)

    def predict(self, maps: Mapping[str, torch.Tensor], size: tuple[int, int]) -> torch.Tensor:
        """(n, height, width) class ids; ties go to the lower one."""
        return self.logits(maps, size).argmax(1)


def folded(
    weights: Mapping[str, torch.Tensor],
    bias: torch.Tensor,
    scales: Mapping[str, tuple[torch.Tensor, torch.Tensor]],
    *,
    detached: bool = False,
) -> DenseHead:  # fmt: skip
    """Weights for standardised channels -> a head for raw ones: w (x - mean) / std = (w / std) x - (w / std) mean."""
    raw = {layer: weight * scales[layer][1] for layer, weight in weights.items()}
    for layer, weight in raw.items():
        bias = bias - weight @ scales[layer][0]
    return DenseHead({layer: weight.detach() for layer, weight in raw.items()}, bias.detach()) if detached else DenseHead(raw, bias)
