"""Residual networks of the repositories, each under its own names: references written from what their files and papers say."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from layouts.random_weights import randomised
from torch import nn

Tensors = dict[str, torch.Tensor]


def conv(inputs: int, outputs: int, kernel: int, stride: int = 1, *, groups: int = 1, padding: int | None = None) -> nn.Conv2d:
    padding = kernel // 2 if padding is None else padding
    return nn.Conv2d(inputs, outputs, kernel, stride, padding, groups=groups, bias=False)


class Block(nn.Module):
    """Basic (expansion 1) or bottleneck (4), with torchvision's names. stride_place: the convolution of a bottleneck that strides."""

    def __init__(self, inputs: int, planes: int, stride: int, expansion: int, stride_place: str) -> None:
        super().__init__()
        outputs = planes * expansion
        if expansion == 1:
            self.conv1, self.bn1 = conv(inputs, planes, 3, stride), nn.BatchNorm2d(planes)
            self.conv2, self.bn2 = conv(planes, planes, 3), nn.BatchNorm2d(planes)
        else:
            first, second = (stride, 1) if stride_place == "1x1" else (1, stride)
            self.conv1, self.bn1 = conv(inputs, planes, 1, first), nn.BatchNorm2d(planes)
            self.conv2, self.bn2 = conv(planes, planes, 3, second), nn.BatchNorm2d(planes)
            self.conv3, self.bn3 = conv(planes, outputs, 1), nn.BatchNorm2d(outputs)
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(conv(inputs, outputs, 1, stride), nn.BatchNorm2d(outputs))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out = F.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        if hasattr(self, "conv3"):
            out = self.bn3(self.conv3(F.relu(out)))
        return F.relu(out + (self.downsample(x) if hasattr(self, "downsample") else x))


class ReferenceResNet(nn.Module):
    """Any residual network with torchvision's names. stem: "imagenet", "cifar" (3x3, padding 1, no pool), "solo" (3x3, padding 2, no pool)."""

    def __init__(
        self, layers: Sequence[int] = (1, 1, 1, 1), *, bottleneck: bool = False, width: int = 64, stem: str = "imagenet",
        stride_place: str = "3x3", channels: int = 3,
    ) -> None:  # fmt: skip
        super().__init__()
        expansion = 4 if bottleneck else 1
        kernel, stride, padding = {"imagenet": (7, 2, 3), "cifar": (3, 1, 1), "solo": (3, 1, 2)}[stem]
        self.conv1, self.bn1 = conv(channels, width, kernel, stride, padding=padding), nn.BatchNorm2d(width)
        self.pool = stem == "imagenet"
        inputs = width
        for index, n_blocks in enumerate(layers):
            planes, blocks = width << index, []
            for number in range(n_blocks):
                blocks.append(Block(inputs, planes, 2 if index and not number else 1, expansion, stride_place))
                inputs = planes * expansion
            self.add_module(f"layer{index + 1}", nn.Sequential(*blocks))
        self.n_stages, self.n_features = len(layers), inputs

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.relu(self.bn1(self.conv1(x)))
        if self.pool:
            x = F.max_pool2d(x, 3, 2, 1)
        for index in range(self.n_stages):
            x = getattr(self, f"layer{index + 1}")(x)
        return x.mean((2, 3))


class TorchvisionTrunk(nn.Module):
    """torchvision's network without its classifier."""

    def __init__(self, name: str) -> None:
        super().__init__()
        import torchvision

        with torch.device("meta"):
            net = getattr(torchvision.models, name)()
        self.n_features = net.fc.in_features
        net.fc = nn.Identity()
        self.net = net.to_empty(device="cpu")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.net(x)


def trunk(size: str, seed: int = 0, **options: object) -> tuple[nn.Module, Tensors]:
    """A network with random weights and its tensors under torchvision's names; size: "small" (one block a stage), "resnet18", "resnet50"."""
    if size == "small":
        net: nn.Module = ReferenceResNet(**options)  # type: ignore[arg-type]
        randomised(net, seed)
        return net, dict(net.state_dict())
    net = TorchvisionTrunk(size)
    randomised(net, seed)
    return net, dict(net.net.state_dict())


def renamed(tensors: Tensors, rename: Callable[[str], str]) -> Tensors:
    return {rename(name): tensor for name, tensor in tensors.items()}


class KuangliuBlock(nn.Module):
    def __init__(self, inputs: int, planes: int, stride: int, expansion: int) -> None:
        super().__init__()
        outputs = planes * expansion
        self.conv1 = conv(inputs, planes, 3, stride) if expansion == 1 else conv(inputs, planes, 1)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2, self.bn2 = conv(planes, planes, 3, 1 if expansion == 1 else stride), nn.BatchNorm2d(planes)
        if expansion > 1:
            self.conv3, self.bn3 = conv(planes, outputs, 1), nn.BatchNorm2d(outputs)
        self.shortcut = nn.Sequential()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(conv(inputs, outputs, 1, stride), nn.BatchNorm2d(outputs))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        if hasattr(self, "conv3"):
            out = self.bn3(self.conv3(F.relu(out)))
        return F.relu(out + self.shortcut(x))


class KuangliuResNet(nn.Module):
    """kuangliu/pytorch-cifar (SupContrast and Lightly's generator use its names, too): 3x3 stem, no pool, `shortcut`, `linear`."""

    def __init__(self, layers: Sequence[int], *, bottleneck: bool = False, width: int = 64, classes: int = 10) -> None:
        super().__init__()
        expansion, inputs = 4 if bottleneck else 1, width
        self.conv1, self.bn1 = conv(3, width, 3), nn.BatchNorm2d(width)
        for index, n_blocks in enumerate(layers):
            blocks = []
            for number in range(n_blocks):
                blocks.append(KuangliuBlock(inputs, width << index, 2 if index and not number else 1, expansion))
                inputs = (width << index) * expansion
            self.add_module(f"layer{index + 1}", nn.Sequential(*blocks))
        self.n_stages, self.n_features = len(layers), inputs
        if classes:
            self.linear = nn.Linear(inputs, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.relu(self.bn1(self.conv1(x)))
        for index in range(self.n_stages):
            x = getattr(self, f"layer{index + 1}")(x)
        return x.mean((2, 3))


class OptionABlock(nn.Module):
    """akamaster's block: where the width changes, every second pixel and zeros on both sides of the channels."""

    def __init__(self, inputs: int, planes: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = conv(inputs, planes, 3, stride), nn.BatchNorm2d(planes)
        self.conv2, self.bn2 = conv(planes, planes, 3), nn.BatchNorm2d(planes)
        self.padding = planes // 4 if inputs != planes else 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        if self.padding:
            x = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.padding, self.padding))
        return F.relu(out + x)


class AkamasterResNet(nn.Module):
    """akamaster/pytorch_resnet_cifar10: three stages of 16, 32, 64 planes, shortcut option A, head `linear`."""

    def __init__(self, n_blocks: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = conv(3, 16, 3), nn.BatchNorm2d(16)
        inputs = 16
        for index in range(3):
            blocks = []
            for number in range(n_blocks):
                blocks.append(OptionABlock(inputs, 16 << index, 2 if index and not number else 1))
                inputs = 16 << index
            self.add_module(f"layer{index + 1}", nn.Sequential(*blocks))
        self.linear = nn.Linear(64, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.relu(self.bn1(self.conv1(x)))
        return self.layer3(self.layer2(self.layer1(x))).mean((2, 3))  # type: ignore[operator]


class WeiaicunzaiBlock(nn.Module):
    def __init__(self, inputs: int, planes: int, stride: int, expansion: int) -> None:
        super().__init__()
        outputs = planes * expansion
        if expansion == 1:
            self.residual_function = nn.Sequential(
                conv(inputs, planes, 3, stride), nn.BatchNorm2d(planes), nn.ReLU(), conv(planes, outputs, 3), nn.BatchNorm2d(outputs)
            )
        else:
            self.residual_function = nn.Sequential(
                conv(inputs, planes, 1), nn.BatchNorm2d(planes), nn.ReLU(), conv(planes, planes, 3, stride), nn.BatchNorm2d(planes),
                nn.ReLU(), conv(planes, outputs, 1), nn.BatchNorm2d(outputs),
            )  # fmt: skip
        self.shortcut = nn.Sequential()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(conv(inputs, outputs, 1, stride), nn.BatchNorm2d(outputs))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.relu(self.residual_function(x) + self.shortcut(x))


class WeiaicunzaiResNet(nn.Module):
    """weiaicunzai/pytorch-cifar100: `conv1.0/1`, `conv2_x` to `conv5_x`, `residual_function`, `fc`."""

    def __init__(self, layers: Sequence[int], *, bottleneck: bool = False) -> None:
        super().__init__()
        expansion, inputs = 4 if bottleneck else 1, 64
        self.conv1 = nn.Sequential(conv(3, 64, 3), nn.BatchNorm2d(64), nn.ReLU())
        for index, n_blocks in enumerate(layers):
            blocks = []
            for number in range(n_blocks):
                blocks.append(WeiaicunzaiBlock(inputs, 64 << index, 2 if index and not number else 1, expansion))
                inputs = (64 << index) * expansion
            self.add_module(f"conv{index + 2}_x", nn.Sequential(*blocks))
        self.fc = nn.Linear(inputs, 100)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.conv1(x)
        for index in range(4):
            x = getattr(self, f"conv{index + 2}_x")(x)
        return x.mean((2, 3))


class DeepStemResNet(ReferenceResNet):
    """mmpretrain's ResNetV1d: three 3x3 convolutions in `stem`, and an average pool before the 1x1 convolution of a strided shortcut."""

    def __init__(self, layers: Sequence[int] = (1, 1, 1, 1)) -> None:
        super().__init__(layers, bottleneck=True)
        del self.conv1, self.bn1
        self.stem = nn.Sequential(
            conv(3, 32, 3, 2), nn.BatchNorm2d(32), nn.ReLU(), conv(32, 32, 3), nn.BatchNorm2d(32), nn.ReLU(), conv(32, 64, 3),
            nn.BatchNorm2d(64), nn.ReLU(),
        )  # fmt: skip
        for index in range(1, len(layers)):
            first = getattr(self, f"layer{index + 1}")[0]
            first.downsample[0].stride = (1, 1)
            pool = nn.AvgPool2d(2, 2, ceil_mode=True, count_include_pad=False)
            first.downsample = nn.Sequential(pool, first.downsample[0], first.downsample[1])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.max_pool2d(self.stem(x), 3, 2, 1)
        for index in range(self.n_stages):
            x = getattr(self, f"layer{index + 1}")(x)
        return x.mean((2, 3))


class TwoStepPaddingResNet(ReferenceResNet):
    """SwAV and ReSA write the padding of the stem as a module without weights and a convolution that pads the rest."""

    def __init__(self, outer: int, **options: object) -> None:
        super().__init__(**options)  # type: ignore[arg-type]
        self.padding = nn.ConstantPad2d(outer, 0.0)
        self.conv1.padding = (3 - outer, 3 - outer)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(self.padding(x))


def norm_relu(width: int, *, relu: bool = True) -> nn.Sequential:
    return nn.Sequential(nn.BatchNorm2d(width), nn.ReLU() if relu else nn.Identity())


class SelectiveKernel(nn.Module):
    def __init__(self, width: int, stride: int, ratio: float) -> None:
        super().__init__()
        middle = max(int(width * ratio), 32)
        self.main_conv = nn.Sequential(conv(width, 2 * width, 3, stride), norm_relu(2 * width))
        self.mixing_conv = nn.Sequential(conv(width, middle, 1), norm_relu(middle), conv(middle, 2 * width, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        one, other = self.main_conv(x).chunk(2, dim=1)
        weights = self.mixing_conv((one + other).mean((2, 3), keepdim=True)).chunk(2, dim=1)
        share = torch.sigmoid(weights[0] - weights[1])
        return share * one + (1 - share) * other


class ConvertedProjection(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int, ratio: float) -> None:
        super().__init__()
        self.shortcut: nn.Module = conv(inputs, outputs, 1, stride)
        if ratio:
            pool = nn.AvgPool2d(2, stride, padding=0)
            self.shortcut = nn.Sequential(nn.ZeroPad2d((0, 1, 0, 1)), pool, conv(inputs, outputs, 1))
        self.bn = norm_relu(outputs, relu=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.bn(self.shortcut(x))


class ConvertedBlock(nn.Module):
    def __init__(self, inputs: int, planes: int, stride: int, ratio: float, *, project: bool) -> None:
        super().__init__()
        self.projection = ConvertedProjection(inputs, 4 * planes, stride, ratio) if project else nn.Identity()
        middle = [SelectiveKernel(planes, stride, ratio)] if ratio else [conv(planes, planes, 3, stride), norm_relu(planes)]
        self.net = nn.Sequential(
            conv(inputs, planes, 1), norm_relu(planes), *middle, conv(planes, 4 * planes, 1), norm_relu(4 * planes, relu=False)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.relu(self.projection(x) + self.net(x))


class ConvertedStage(nn.Module):
    def __init__(self, inputs: int, planes: int, n_blocks: int, stride: int, ratio: float) -> None:
        super().__init__()
        first = ConvertedBlock(inputs, planes, stride, ratio, project=True)
        rest = [ConvertedBlock(4 * planes, planes, 1, ratio, project=False) for _ in range(n_blocks - 1)]
        self.blocks = nn.ModuleList([first, *rest])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for block in self.blocks:
            x = block(x)
        return x


class ConvertedSimCLR(nn.Module):
    """SimCLR v2 as its PyTorch converters name it: `net.0.0`, `net.N.blocks.M.net.K`, `projection.shortcut`; ratio > 0: selective kernels."""

    def __init__(self, layers: Sequence[int] = (1, 1, 1, 1), *, width: int = 64, ratio: float = 0.0) -> None:
        super().__init__()
        stem: list[nn.Module] = [conv(3, width, 7, 2)]
        if ratio:
            half = width // 2
            stem = [conv(3, half, 3, 2), norm_relu(half), conv(half, half, 3), norm_relu(half), conv(half, width, 3)]
        stages: list[nn.Module] = [nn.Sequential(*stem, norm_relu(width), nn.MaxPool2d(3, 2, 1))]
        inputs = width
        for index, n_blocks in enumerate(layers):
            planes = width << index
            stages.append(ConvertedStage(inputs, planes, n_blocks, 2 if index else 1, ratio))
            inputs = 4 * planes
        self.net, self.n_features = nn.Sequential(*stages), inputs

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.net(x).mean((2, 3))


def numbered(net: nn.Module, children: Sequence[str]) -> Tensors:
    """The tensors of a network taken apart with `nn.Sequential(*children)`: names of children become numbers."""
    parts = OrderedDict((str(index), getattr(net, name)) for index, name in enumerate(children) if name)
    return {f"{number}.{name}": tensor for number, part in parts.items() for name, tensor in part.state_dict().items()}
