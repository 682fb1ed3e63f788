"""CLIP's modified ResNet: three convolutions and an average in the stem, averages instead of strides, and attention instead of pooling.

A. Radford et al., Learning transferable visual models from natural language supervision, ICML 2021, section 2.4. Names are those of the
released files (`downsample.0` is a convolution, the average before it has no number of its own).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from repr_probe.encoders.resnets.options import numbers
from repr_probe.errors import CheckpointError

HEAD_CHANNELS = 64


def build_modified(options: Mapping[str, Any], *, channels: int = 3) -> nn.Module:
    """options: every option of options.py, of which layers, width, heads, grid, out and eps are used."""
    layers, width = numbers("layers", options["layers"]), options["width"]
    if len(layers) != 4 or width % 2:
        raise CheckpointError(f"arch must have 4 stages and an even width for stem=clip; got layers={options['layers']}, width={width}")
    heads = options["heads"] or max(width * 32 // HEAD_CHANNELS, 1)
    if width * 32 % heads:
        raise CheckpointError(f"arch must have heads that divide {width * 32} channels; got heads={heads}")
    return ModifiedResNet(layers, width, heads, options["grid"], options["out"], float(options["eps"]), channels)


class ModifiedResNet(nn.Module):
    """Images of 32 x grid pixels -> (batch, out): the image embedding that CLIP compares with text, before its normalisation."""

    def __init__(self, layers: tuple[int, ...], width: int, heads: int, grid: int, out: int, eps: float, channels: int) -> None:
        super().__init__()
        half = width // 2
        for index, (inputs, outputs) in enumerate(((channels, half), (half, half), (half, width)), start=1):
            self.add_module(f"conv{index}", nn.Conv2d(inputs, outputs, 3, 1 if index > 1 else 2, 1, bias=False))
            self.add_module(f"bn{index}", nn.BatchNorm2d(outputs, eps=eps))
        inputs = width
        for stage, depth in enumerate(layers):
            planes = width * 2**stage
            blocks = []
            for index in range(depth):
                blocks.append(ModifiedBlock(inputs, planes, 2 if stage and not index else 1, eps))
                inputs = planes * 4
            self.add_module(f"layer{stage + 1}", nn.Sequential(*blocks))
        self.attnpool = AttentionPool(grid, inputs, heads, out)
        self.num_features = out

    def forward_features(self, images: torch.Tensor) -> torch.Tensor:
        maps = images
        for index in (1, 2, 3):
            maps = F.relu(self.get_submodule(f"bn{index}")(self.get_submodule(f"conv{index}")(maps)))
        maps = F.avg_pool2d(maps, 2)
        for stage in (1, 2, 3, 4):
            maps = self.get_submodule(f"layer{stage}")(maps)
        return maps

    def forward_head(self, maps: torch.Tensor, pre_logits: bool = True) -> torch.Tensor:
        return self.attnpool(maps)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.forward_head(self.forward_features(images))


class ModifiedBlock(nn.Module):
    def __init__(self, inputs: int, planes: int, stride: int, eps: float) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, planes, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes, eps=eps)
        self.conv2 = nn.Conv2d(planes, planes, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes, eps=eps)
        self.conv3 = nn.Conv2d(planes, planes * 4, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(planes * 4, eps=eps)
        self.average: nn.Module = nn.AvgPool2d(stride) if stride > 1 else nn.Identity()
        self.downsample: nn.Module | None = None
        if stride > 1 or inputs != planes * 4:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, planes * 4, 1, bias=False), nn.BatchNorm2d(planes * 4, eps=eps))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out = F.relu(self.bn1(self.conv1(x)))
        out = self.average(F.relu(self.bn2(self.conv2(out))))
        out = self.bn3(self.conv3(out))
        return F.relu(out + (x if self.downsample is None else self.downsample(self.average(x))))


class AttentionPool(nn.Module):
    """The mean of the map asks, the mean and every place answer; positions are learned, so the map must have the size they stand for."""

    def __init__(self, grid: int, width: int, heads: int, out: int) -> None:
        super().__init__()
        self.heads = heads
        self.positional_embedding = nn.Parameter(torch.randn(grid * grid + 1, width) / width**0.5)
        self.k_proj, self.q_proj, self.v_proj = nn.Linear(width, width), nn.Linear(width, width), nn.Linear(width, width)
        self.c_proj = nn.Linear(width, out)

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        tokens = maps.flatten(2).transpose(1, 2)
        if tokens.shape[1] + 1 != len(self.positional_embedding):
            side = 32 * round((len(self.positional_embedding) - 1) ** 0.5)
            raise CheckpointError(
                f"image_size must be {side} for this network, whose attention pool has learned positions; got maps of "
                f"{maps.shape[2]} x {maps.shape[3]} instead of {side // 32} x {side // 32}"
            )
        tokens = torch.cat([tokens.mean(1, keepdim=True), tokens], dim=1) + self.positional_embedding
        query, key, value = self.q_proj(tokens[:, :1]), self.k_proj(tokens), self.v_proj(tokens)
        split = lambda x: x.unflatten(-1, (self.heads, -1)).transpose(1, 2)  # noqa: E731
        mixed = F.scaled_dot_product_attention(split(query), split(key), split(value))
        return self.c_proj(mixed.transpose(1, 2).flatten(2)[:, 0])
