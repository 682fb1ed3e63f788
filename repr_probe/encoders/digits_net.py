"""DigitsNet: a residual network for 1 x 8 x 8 images, small enough to travel inside the package."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.functional import relu


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions beside a shortcut, which is a 1 x 1 convolution where shape changes."""

    def __init__(self, n_inputs: int, n_outputs: int, *, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(n_inputs, n_outputs, 3, stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(n_outputs)
        self.conv2 = nn.Conv2d(n_outputs, n_outputs, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(n_outputs)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or n_inputs != n_outputs:
            self.shortcut = nn.Sequential(nn.Conv2d(n_inputs, n_outputs, 1, stride, bias=False), nn.BatchNorm2d(n_outputs))

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        inner = relu(self.norm1(self.conv1(maps)))
        return relu(self.norm2(self.conv2(inner)) + self.shortcut(maps))


class DigitsNet(nn.Module):
    """Grey images (batch, 1, 8, 8) -> features (batch, 64).

    A stem and three stages of 16, 32 and 64 channels on 8 x 8, 4 x 4 and 2 x 2 pixels, then the mean over pixels.
    The last block ends in a ReLU, as in torchvision's ResNets, so the features are non-negative.
    """

    widths = (16, 32, 64)
    n_features = widths[-1]

    def __init__(self) -> None:
        super().__init__()
        first, second, third = self.widths
        self.stem = nn.Sequential(nn.Conv2d(1, first, 3, padding=1, bias=False), nn.BatchNorm2d(first), nn.ReLU())
        self.stage1 = ResidualBlock(first, first, stride=1)
        self.stage2 = ResidualBlock(first, second, stride=2)
        self.stage3 = ResidualBlock(second, third, stride=2)

    def forward_features(self, images: torch.Tensor) -> torch.Tensor:
        """The last maps before pooling: (batch, 64, 2, 2)."""
        return self.stage3(self.stage2(self.stage1(self.stem(images))))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Pooled features: (batch, 64)."""
        return self.forward_features(images).mean(dim=(2, 3))
