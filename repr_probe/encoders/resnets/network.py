"""The parametric ResNet. Tensors have torchvision's names (timm's where torchvision has none), and the numbers are theirs too.

K. He et al., Deep residual learning for image recognition, CVPR 2016; variants: wide (Zagoruyko 2016), ResNeXt (Xie 2017), ResNet-C/D
(He 2019), the CIFAR networks of the first paper's section 4.2, and CLIP's (Radford 2021, in modified.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from repr_probe.encoders.resnets.options import Sizes, checked, sizes_of


def build_resnet(options: Mapping[str, Any], *, channels: int = 3) -> nn.Module:
    """A ResNet without classifier: (batch, channels, height, width) -> (batch, features).

    options: see options.py.  Raises CheckpointError for names and values that do not exist or do not go together.
    """
    if checked(options)["stem"] == "clip":
        from repr_probe.encoders.resnets.modified import build_modified

        return build_modified(checked(options), channels=channels)
    return ResNet(sizes_of(options), channels=channels)


class ResNet(nn.Module):
    """conv1, bn1, (maxpool,) layer1 ... layer4, avgpool, as torchvision names them."""

    def __init__(self, sizes: Sizes, *, channels: int) -> None:
        super().__init__()
        self.n_stages = len(sizes.layers)
        self.conv1 = _stem(sizes, channels)
        self.bn1 = nn.BatchNorm2d(sizes.stem_widths[-1], eps=sizes.eps)
        self.relu: nn.Module = nn.ReLU(inplace=True) if sizes.stem_relu else nn.Identity()
        self.maxpool: nn.Module = nn.Identity()
        if sizes.stem_pool:
            self.maxpool = SameMaxPool2d(3, 2) if sizes.same_padding else nn.MaxPool2d(3, 2, 1)
        block = Bottleneck if sizes.bottleneck else BasicBlock
        inputs = sizes.stem_widths[-1]
        for stage, (planes, depth) in enumerate(zip(sizes.planes, sizes.layers, strict=True)):
            outputs = planes * sizes.expansion
            blocks = []
            for index in range(depth):
                stride = 2 if stage and not index else 1
                forced = sizes.project_first and not stage and not index
                blocks.append(block(sizes, inputs, planes, stride, _shortcut(sizes, inputs, outputs, stride, forced=forced)))
                inputs = outputs
            self.add_module(f"layer{stage + 1}", nn.Sequential(*blocks))
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.num_features = inputs

    def forward_features(self, images: torch.Tensor) -> torch.Tensor:
        maps = self.maxpool(self.relu(self.bn1(self.conv1(images))))
        for stage in range(1, self.n_stages + 1):
            maps = self.get_submodule(f"layer{stage}")(maps)
        return maps

    def forward_head(self, maps: torch.Tensor, pre_logits: bool = True) -> torch.Tensor:
        return torch.flatten(self.avgpool(maps), 1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.forward_head(self.forward_features(images))


class BasicBlock(nn.Module):
    def __init__(self, sizes: Sizes, inputs: int, planes: int, stride: int, downsample: nn.Module | None) -> None:
        super().__init__()
        self.conv1 = _convolution(sizes, inputs, planes, 3, stride)
        self.bn1 = nn.BatchNorm2d(planes, eps=sizes.eps)
        self.conv2 = _convolution(sizes, planes, planes, 3, 1)
        self.bn2 = nn.BatchNorm2d(planes, eps=sizes.eps)
        self.downsample = downsample
        self.plain = sizes.shortcut == "none"

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(out if self.plain else out + _along(self.downsample, x))


class Bottleneck(nn.Module):
    def __init__(self, sizes: Sizes, inputs: int, planes: int, stride: int, downsample: nn.Module | None) -> None:
        super().__init__()
        inner = inner_width(planes, sizes.base_width, sizes.groups)
        first, second = (stride, 1) if sizes.stride_place == "1x1" else (1, stride)
        self.conv1 = _convolution(sizes, inputs, inner, 1, first)
        self.bn1 = nn.BatchNorm2d(inner, eps=sizes.eps)
        self.conv2 = _convolution(sizes, inner, inner, 3, second, groups=sizes.groups)
        self.bn2 = nn.BatchNorm2d(inner, eps=sizes.eps)
        self.conv3 = _convolution(sizes, inner, planes * 4, 1, 1)
        self.bn3 = nn.BatchNorm2d(planes * 4, eps=sizes.eps)
        self.downsample = downsample
        self.plain = sizes.shortcut == "none"

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out = F.relu(self.bn1(self.conv1(x)))
        out = self.bn3(self.conv3(F.relu(self.bn2(self.conv2(out)))))
        return F.relu(out if self.plain else out + _along(self.downsample, x))


class PaddedShortcut(nn.Module):
    """Option A of the first ResNet paper: every second pixel, and channels of zeros, half of them before and half after."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.stride, self.before = stride, (outputs - inputs) // 2
        self.after = outputs - inputs - self.before

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.before, self.after))


class SameConv2d(nn.Conv2d):
    """A strided convolution padded as TensorFlow's "SAME": just enough for ceil(size / stride) outputs, the odd pixel at the end."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        return super().forward(F.pad(input, _same(input, self.kernel_size[0], self.stride[0])))


class SameMaxPool2d(nn.Module):
    def __init__(self, kernel: int, stride: int) -> None:
        super().__init__()
        self.kernel, self.stride = kernel, stride

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.max_pool2d(F.pad(x, _same(x, self.kernel, self.stride), value=float("-inf")), self.kernel, self.stride)


def inner_width(planes: int, base_width: int, groups: int) -> int:
    """Channels inside a bottleneck.

    >>> inner_width(64, 4, 32), inner_width(64, 128, 1)
    (128, 128)
    """
    return int(planes * (base_width / 64)) * groups


def _along(downsample: nn.Module | None, x: torch.Tensor) -> torch.Tensor:
    return x if downsample is None else downsample(x)


def _same(x: torch.Tensor, kernel: int, stride: int) -> tuple[int, int, int, int]:
    """Padding left, right, top, bottom."""
    totals = [max((-(-size // stride) - 1) * stride + kernel - size, 0) for size in (x.shape[3], x.shape[2])]
    across, down = totals
    return across // 2, across - across // 2, down // 2, down - down // 2


def _convolution(sizes: Sizes, inputs: int, outputs: int, kernel: int, stride: int, *, groups: int = 1) -> nn.Conv2d:
    if sizes.same_padding and stride > 1:
        return SameConv2d(inputs, outputs, kernel, stride, groups=groups, bias=False)
    return nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, groups=groups, bias=False)


def _stem(sizes: Sizes, channels: int) -> nn.Module:
    if sizes.stem == "deep":
        first, second, third = sizes.stem_widths
        return nn.Sequential(
            nn.Conv2d(channels, first, 3, 2, 1, bias=False), nn.BatchNorm2d(first, eps=sizes.eps), nn.ReLU(inplace=True),
            nn.Conv2d(first, second, 3, 1, 1, bias=False), nn.BatchNorm2d(second, eps=sizes.eps), nn.ReLU(inplace=True),
            nn.Conv2d(second, third, 3, 1, 1, bias=False),
        )  # fmt: skip
    stride = 2 if sizes.stem == "imagenet" else 1
    padding = sizes.stem_kernel // 2 + (sizes.stem == "solo")
    return nn.Conv2d(channels, sizes.stem_widths[0], sizes.stem_kernel, stride, padding, bias=False)


def _shortcut(sizes: Sizes, inputs: int, outputs: int, stride: int, *, forced: bool) -> nn.Module | None:
    """What the input goes through on its way round the block; None where it is added as it is."""
    if sizes.shortcut == "none" or (stride == 1 and inputs == outputs and not forced):
        return None
    if sizes.shortcut == "A":
        return PaddedShortcut(inputs, outputs, stride)
    norm = nn.BatchNorm2d(outputs, eps=sizes.eps)
    if not sizes.avg_down:
        return nn.Sequential(_convolution(sizes, inputs, outputs, 1, stride), norm)
    pool: nn.Module = nn.AvgPool2d(2, stride, ceil_mode=True, count_include_pad=False) if stride > 1 else nn.Identity()
    return nn.Sequential(pool, _convolution(sizes, inputs, outputs, 1, 1), norm)
