from __future__ import annotations

import pytest
import torch
from torch import nn


class Learner(nn.Module):
    """A small network as people train it: an encoder with batch norm and dropout, and a head behind it."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Sequential(
            nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.5), nn.AdaptiveAvgPool2d(2), nn.Flatten(),
        )  # fmt: skip
        self.head = nn.Linear(16, 3)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.head(self.backbone(images))


@pytest.fixture
def learner() -> Learner:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Learner()


@pytest.fixture
def probe() -> tuple[torch.Tensor, list[int]]:
    """30 images of 8 x 8 in three classes that differ in brightness."""
    generator = torch.Generator().manual_seed(1)
    labels = [row % 3 for row in range(30)]
    return torch.randn(30, 1, 8, 8, generator=generator) + torch.tensor(labels).view(-1, 1, 1, 1), labels
