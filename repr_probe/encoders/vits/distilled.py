"""DeiT's network with a second token, whose features may be the class token, the mean of both tokens (as timm has it) or of the patches."""

from __future__ import annotations

from typing import Any

import torch
from timm.models.deit import VisionTransformerDistilled


class DistilledViT(VisionTransformerDistilled):
    """pooling: "cls", "both" or "mean"."""

    def __init__(self, *, pooling: str, **options: Any) -> None:
        super().__init__(**options)
        self.pooling = pooling

    def forward_head(self, x: torch.Tensor, pre_logits: bool = False) -> torch.Tensor:
        normed = self.fc_norm(x)  # (batch, tokens, width)
        if self.pooling == "cls":
            return normed[:, 0]
        if self.pooling == "both":
            return (normed[:, 0] + normed[:, 1]) / 2
        return normed[:, 2:].mean(1)
