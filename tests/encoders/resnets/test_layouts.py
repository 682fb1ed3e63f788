"""Layouts of ResNets in the wild: networks written after their authors' description, read from their tensors alone, features compared."""

from __future__ import annotations

import re
from collections import OrderedDict

import pytest
import timm
import torch
import torch.nn.functional as F
import torchvision
from torch import nn

from repr_probe.encoders.reading import Clue


def conv(inputs, outputs, kernel=3, stride=1, padding=None):
    return nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2 if padding is None else padding, bias=False)


def kernels(inputs, planes, stride, bottleneck):
    """(inputs, outputs, kernel, stride) of every convolution of a block."""
    if bottleneck:
        return (inputs, planes, 1, 1), (planes, planes, 3, stride), (planes, planes * 4, 1, 1)
    return (inputs, planes, 3, stride), (planes, planes, 3, 1)


class Zeros(nn.Module):
    """akamaster's option A: planes // 4 channels of zeros on both sides."""

    def __init__(self, planes):
        super().__init__()
        self.planes = planes

    def forward(self, x):
        return F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.planes // 4, self.planes // 4), "constant", 0)


class Block(nn.Module):
    def __init__(self, inputs, planes, stride, *, bottleneck, shortcut, option_a):
        super().__init__()
        outputs = planes * (4 if bottleneck else 1)
        for number, sizes in enumerate(kernels(inputs, planes, stride, bottleneck), start=1):
            self.add_module(f"conv{number}", conv(*sizes))
            self.add_module(f"bn{number}", nn.BatchNorm2d(sizes[1]))
        self.depth, self.name = number, shortcut
        around = nn.Sequential()
        if stride != 1 or inputs != outputs:
            around = Zeros(planes) if option_a else nn.Sequential(conv(inputs, outputs, 1, stride), nn.BatchNorm2d(outputs))
        self.add_module(shortcut, around)

    def forward(self, x):
        out = x
        for number in range(1, self.depth + 1):
            out = getattr(self, f"bn{number}")(getattr(self, f"conv{number}")(out))
            out = F.relu(out) if number < self.depth else out
        return F.relu(out + getattr(self, self.name)(x))


class SmallResNet(nn.Module):
    """kuangliu, akamaster, chenyaofo, SupContrast, Lightly's generator: a 3x3 stem without pool and stages of blocks."""

    def __init__(self, layers, planes, *, bottleneck=False, shortcut="shortcut", option_a=False, head="linear"):
        super().__init__()
        self.conv1, self.bn1 = conv(3, planes[0]), nn.BatchNorm2d(planes[0])
        inputs, self.n_stages = planes[0], len(layers)
        for stage, (depth, width) in enumerate(zip(layers, planes, strict=True), start=1):
            blocks = []
            for index in range(depth):
                stride = 2 if stage > 1 and index == 0 else 1
                blocks.append(Block(inputs, width, stride, bottleneck=bottleneck, shortcut=shortcut, option_a=option_a))
                inputs = width * (4 if bottleneck else 1)
            self.add_module(f"layer{stage}", nn.Sequential(*blocks))
        self.add_module(head, nn.Linear(inputs, 10))

    def features(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        for stage in range(1, self.n_stages + 1):
            x = getattr(self, f"layer{stage}")(x)
        return x.mean((2, 3))


@pytest.mark.parametrize(
    ("layers", "planes", "bottleneck", "expected"),
    [
        ((2, 1, 1, 1), (8, 16, 32, 64), False, "layers=2-1-1-1, stem=cifar, width=8"),
        ((1, 2, 1, 1), (4, 8, 16, 32), True, "block=bottleneck, layers=1-2-1-1, stem=cifar, width=4"),
        ((1, 1, 1, 1), (8, 12, 16, 20), False, "layers=1-1-1-1, planes=8-12-16-20, stem=cifar"),
    ],
)
def test_kuangliu(layers, planes, bottleneck, expected, check, random_values):
    module = random_values(SmallResNet(layers, planes, bottleneck=bottleneck))
    reading = check(module.features, module.state_dict(), expected=f"repr_probe:resnet({expected})")
    assert reading.scheme == "kuangliu's ResNet names"
    assert reading.input.size == (32, 32) and reading.input.mean[0] == 0.4914 and "kuangliu" in reading.input.sources["mean"]
    assert "stem cifar (stride 1, padding 1, no pool) (usual for a stem of 3 x 3; --stem)" in map(str, reading.assumptions)


def test_akamaster(check, random_values):
    module = random_values(SmallResNet((2, 2, 2), (16, 32, 64), option_a=True))
    tensors = {name: tensor for name, tensor in module.state_dict().items() if "num_batches" not in name}
    reading = check(module.features, tensors, expected="repr_probe:resnet(layers=2-2-2, shortcut=A, stem=cifar, width=16)")
    assert reading.input.mean[0] == 0.485 and "akamaster" in reading.input.sources["mean"]
    assert any(str(assumption).startswith("shortcut A") for assumption in reading.assumptions)


def test_chenyaofo(check, random_values):
    module = random_values(SmallResNet((2, 2, 2), (16, 32, 64), shortcut="downsample", head="fc"))
    reading = check(module.features, module.state_dict(), expected="repr_probe:resnet(layers=2-2-2, stem=cifar, width=16)")
    assert reading.scheme == "torchvision's ResNet names" and reading.input.mean[0] == 0.4914


@pytest.mark.parametrize("n_stages", [3, 4])
def test_children_of_a_network_without_modules_for_its_relu(n_stages, check, random_values):
    module = random_values(SmallResNet((1,) * n_stages, (8, 16, 32, 64)[:n_stages]))
    children = nn.Sequential(*list(module.children())[:-1], nn.AdaptiveAvgPool2d(1))
    reading = check(lambda x: children(x).flatten(1), children.state_dict())
    assert dict(reading.architecture.options)["stem_relu"] is False
    assert any("has no ReLU" in str(assumption) for assumption in reading.assumptions)


@pytest.mark.parametrize(("without", "expected"), [((), ""), (("maxpool",), ", stem_pool=False")])
def test_children_of_torchvision(without, expected, check, random_values):
    module = random_values(torchvision.models.ResNet(torchvision.models.resnet.BasicBlock, [1, 1, 1, 1]))
    children = nn.Sequential(*(child for name, child in module.named_children() if name not in ("fc", *without)))
    reading = check(lambda x: children(x).flatten(1), children.state_dict(), expected=f"repr_probe:resnet(layers=1-1-1-1{expected})")
    assert reading.scheme == f"numbered children of a ResNet (stages from {3 if without else 4})"


class ResidualFunction(nn.Module):
    """weiaicunzai's blocks."""

    def __init__(self, inputs, planes, stride, *, bottleneck):
        super().__init__()
        outputs = planes * (4 if bottleneck else 1)
        sizes = kernels(inputs, planes, stride, bottleneck)
        modules = [module for size in sizes for module in (conv(*size), nn.BatchNorm2d(size[1]), nn.ReLU())]
        self.residual_function, self.shortcut = nn.Sequential(*modules[:-1]), nn.Sequential()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(conv(inputs, outputs, 1, stride), nn.BatchNorm2d(outputs))

    def forward(self, x):
        return F.relu(self.residual_function(x) + self.shortcut(x))


@pytest.mark.parametrize("bottleneck", [False, True])
def test_weiaicunzai(bottleneck, check, random_values):
    module, inputs = nn.Sequential(OrderedDict(conv1=nn.Sequential(conv(3, 8), nn.BatchNorm2d(8), nn.ReLU()))), 8
    for stage, planes in enumerate((8, 16, 32, 64)):
        outputs = planes * (4 if bottleneck else 1)
        first = ResidualFunction(inputs, planes, 2 if stage else 1, bottleneck=bottleneck)
        module.add_module(f"conv{stage + 2}_x", nn.Sequential(first, ResidualFunction(outputs, planes, 1, bottleneck=bottleneck)))
        inputs = outputs
    random_values(module)
    reading = check(lambda x: module(x).mean((2, 3)), module.state_dict())
    assert reading.scheme == "weiaicunzai's ResNet names" and reading.input.mean[0] == 0.5071
    assert ("width", 8) in reading.architecture.options


@pytest.mark.parametrize("layer_type", ["basic", "bottleneck"])
@pytest.mark.parametrize("first", [False, True])
def test_hugging_face(layer_type, first, check, random_values):
    transformers = pytest.importorskip("transformers")
    sizes = [16, 32, 64, 128]
    config = transformers.ResNetConfig(
        embedding_size=16, hidden_sizes=sizes, depths=[1, 2, 1, 1], layer_type=layer_type, downsample_in_bottleneck=first
    )  # fmt: skip
    module = random_values(transformers.ResNetModel(config))
    clues = {"stride_place": Clue("1x1" if first else "3x3", "config.json")}
    reading = check(lambda x: module(x).pooler_output.flatten(1), module.state_dict(), size=64, **clues)
    assert reading.scheme == "Hugging Face's ResNet names"
    assert dict(reading.architecture.options).get("stride_place", "3x3") == ("1x1" if first and layer_type == "bottleneck" else "3x3")


@pytest.mark.parametrize(("avg_down", "stem"), [(False, "modules"), (True, "modules"), (True, "row")])
def test_mmpretrain_with_a_deep_stem(avg_down, stem, check, random_values):
    resnet = timm.models.resnet
    module = resnet.ResNet(resnet.Bottleneck, (2, 1, 1, 1), channels=(8, 16, 32, 64), stem_type="deep", stem_width=4, avg_down=avg_down, num_classes=0)
    random_values(module)
    names = {f"conv1.{3 * index}.": f"stem.{index}.conv." for index in (0, 1, 2)}
    names |= {"conv1.1.": "stem.0.bn.", "conv1.4.": "stem.1.bn.", "bn1.": "stem.2.bn."}
    if stem == "row":
        names = {"conv1.": "stem.", "bn1.": "stem.7."}
    tensors = {}
    for name, tensor in module.state_dict().items():
        start = next((old for old in names if name.startswith(old)), "")
        name = names[start] + name[len(start) :] if start else name
        # nothing to average in the first stage, so that no module stands there
        name = re.sub(r"layer1\.0\.downsample\.([12])", lambda match: f"layer1.0.downsample.{int(match[1]) - 1}", name) if avg_down else name
        tensors[name] = tensor
    reading = check(module, tensors)
    assert reading.scheme == "mmpretrain's names of a deep stem" and dict(reading.architecture.options)["stem"] == "deep"


class SimCLRBlock(nn.Module):
    def __init__(self, inputs, planes, stride, *, basic, project):
        super().__init__()
        norm = lambda width: nn.Sequential(nn.BatchNorm2d(width))  # noqa: E731
        relu = nn.ReLU()
        outputs = planes * (1 if basic else 4)
        sizes = kernels(inputs, planes, stride, not basic)
        modules = [module for size in sizes for module in (conv(*size), nn.Sequential(nn.BatchNorm2d(size[1]), relu))]
        modules[-1] = norm(outputs)
        self.net = nn.Sequential(*modules)
        if project:
            self.projection = nn.Sequential(OrderedDict(shortcut=conv(inputs, outputs, 1, stride), bn=norm(outputs)))

    def forward(self, x):
        return F.relu(self.net(x) + (self.projection(x) if hasattr(self, "projection") else x))


class Blocks(nn.Module):
    def __init__(self, *blocks):
        super().__init__()
        self.blocks = nn.ModuleList(blocks)

    def forward(self, x):
        for block in self.blocks:
            x = block(x)
        return x


@pytest.mark.parametrize("basic", [False, True])
def test_simclr_v2(basic, check, random_values):
    stem = [conv(3, 8, 3) if basic else conv(3, 8, 7, 2), nn.Sequential(nn.BatchNorm2d(8), nn.ReLU())] + ([] if basic else [nn.MaxPool2d(3, 2, 1)])
    parts, inputs = [nn.Sequential(*stem)], 8
    for stage, planes in enumerate((8, 16, 32, 64)):
        outputs = planes * (1 if basic else 4)
        first = SimCLRBlock(inputs, planes, 2 if stage else 1, basic=basic, project=True)
        parts.append(Blocks(first, SimCLRBlock(outputs, planes, 1, basic=basic, project=False)))
        inputs = outputs
    module = random_values(nn.Sequential(OrderedDict(net=nn.Sequential(*parts), fc=nn.Linear(inputs, 5))))
    reading = check(lambda x: module.net(x).mean((2, 3)), module.state_dict())
    assert reading.input.mean == (0, 0, 0) and reading.input.std == (1, 1, 1)
    assert dict(reading.architecture.options).get("project_first", False) is basic


def flax_features(tensors, depths, bottleneck, images):
    """The network of Flax's ImageNet example, computed from its arrays: every strided window padded as XLA's SAME."""

    def pad(x, kernel, stride, value=0.0):
        total = max((-(-x.shape[-1] // stride) - 1) * stride + kernel - x.shape[-1], 0)
        return F.pad(x, (total // 2, total - total // 2) * 2, value=value)

    def step(x, root, convolution, norm, stride=1):
        kernel = tensors[f"params.{root}{convolution}.kernel"].permute(3, 2, 0, 1)
        x = F.conv2d(F.pad(x, (3, 3, 3, 3)) if convolution == "conv_init" else pad(x, kernel.shape[-1], stride), kernel, stride=stride)
        parts = ("batch_stats", "mean"), ("batch_stats", "var"), ("params", "scale"), ("params", "bias")
        values = [tensors[f"{tree}.{root}{norm}.{part}"] for tree, part in parts]
        return F.batch_norm(x, *values, eps=1e-5)

    x = F.max_pool2d(pad(F.relu(step(images, "", "conv_init", "bn_init", 2)), 3, 2, float("-inf")), 3, 2)
    number = 0
    for stage, depth in enumerate(depths):
        for index in range(depth):
            root, stride = f"{'Bottleneck' if bottleneck else ''}ResNetBlock_{number}.", 2 if stage and not index else 1
            strides = (1, stride, 1) if bottleneck else (stride, 1)
            out = x
            for position, own in enumerate(strides):
                out = step(out, root, f"Conv_{position}", f"BatchNorm_{position}", own)
                out = F.relu(out) if position < len(strides) - 1 else out
            around = step(x, root, "conv_proj", "norm_proj", stride) if f"params.{root}conv_proj.kernel" in tensors else x
            x, number = F.relu(out + around), number + 1
    return x.mean((2, 3))


@pytest.mark.parametrize(("bottleneck", "size"), [(False, 64), (True, 50)])
def test_flax(bottleneck, size, check, random_values):
    resnet, depths = torchvision.models.resnet, (2, 1, 2, 1)
    module = resnet.ResNet(resnet.Bottleneck if bottleneck else resnet.BasicBlock, list(depths), width_per_group=64)
    tensors = {}
    for name, tensor in random_values(module).state_dict().items():
        if name.endswith("num_batches_tracked") or name.startswith("fc"):
            continue
        match = re.match(r"layer(\d)\.(\d)\.", name)
        root, rest = "", name
        if match:
            root = f"{'Bottleneck' if bottleneck else ''}ResNetBlock_{sum(depths[: int(match[1]) - 1]) + int(match[2])}."
            rest = name[match.end() :]
            rest = rest.replace("downsample.0", "conv_proj").replace("downsample.1", "norm_proj")
            rest = re.sub(r"^(conv|bn)(\d)", lambda found: f"{'Conv' if found[1] == 'conv' else 'BatchNorm'}_{int(found[2]) - 1}", rest)
        else:
            rest = rest.replace("conv1", "conv_init").replace("bn1", "bn_init")
        place, _, part = rest.rpartition(".")
        part = "kernel" if tensor.ndim == 4 else {"weight": "scale", "bias": "bias", "running_mean": "mean", "running_var": "var"}[part]
        tree = "batch_stats" if part in ("mean", "var") else "params"
        tensors[f"{tree}.{root}{place}.{part}"] = tensor.permute(2, 3, 1, 0).contiguous() if tensor.ndim == 4 else tensor
    tensors["params.Dense_0.kernel"] = torch.zeros(4, 4)
    reading = check(lambda x: flax_features(tensors, depths, bottleneck, x), tensors, size=size)
    assert reading.scheme == "Flax's ResNet names" and dict(reading.architecture.options)["padding"] == "same"


class ClipBlock(nn.Module):
    def __init__(self, inputs, planes, stride):
        super().__init__()
        self.conv1, self.bn1 = conv(inputs, planes, 1), nn.BatchNorm2d(planes)
        self.conv2, self.bn2 = conv(planes, planes, 3), nn.BatchNorm2d(planes)
        self.conv3, self.bn3 = conv(planes, planes * 4, 1), nn.BatchNorm2d(planes * 4)
        self.pool, self.downsample = nn.AvgPool2d(stride), None
        if stride > 1 or inputs != planes * 4:
            modules = {"-1": nn.AvgPool2d(stride), "0": conv(inputs, planes * 4, 1), "1": nn.BatchNorm2d(planes * 4)}
            self.downsample = nn.Sequential(OrderedDict(modules))

    def forward(self, x):
        out = F.relu(self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))))
        return F.relu(self.bn3(self.conv3(self.pool(out))) + (self.downsample(x) if self.downsample else x))


class ClipResNet(nn.Module):
    def __init__(self, width=4, grid=2, out=6, heads=2):
        super().__init__()
        half, inputs, self.heads = width // 2, width, heads
        self.conv1, self.conv2, self.conv3 = conv(3, half, 3, 2), conv(half, half), conv(half, width)
        self.bn1, self.bn2, self.bn3 = nn.BatchNorm2d(half), nn.BatchNorm2d(half), nn.BatchNorm2d(width)
        for stage in range(4):
            planes = width * 2**stage
            self.add_module(f"layer{stage + 1}", nn.Sequential(ClipBlock(inputs, planes, 2 if stage else 1), ClipBlock(planes * 4, planes, 1)))
            inputs = planes * 4
        self.attnpool = nn.Module()
        self.attnpool.positional_embedding = nn.Parameter(torch.randn(grid**2 + 1, inputs))
        for name in ("q_proj", "k_proj", "v_proj", "c_proj"):
            self.attnpool.add_module(name, nn.Linear(inputs, out if name == "c_proj" else inputs))

    def forward(self, x):
        for number in (1, 2, 3):
            x = F.relu(getattr(self, f"bn{number}")(getattr(self, f"conv{number}")(x)))
        x = self.layer4(self.layer3(self.layer2(self.layer1(F.avg_pool2d(x, 2)))))
        pool = self.attnpool
        x = x.flatten(2).permute(2, 0, 1)
        x = torch.cat([x.mean(0, keepdim=True), x]) + pool.positional_embedding[:, None]
        x, _ = F.multi_head_attention_forward(
            x, x, x, x.shape[-1], self.heads, None, torch.cat([pool.q_proj.bias, pool.k_proj.bias, pool.v_proj.bias]), None, None, False, 0.0,
            pool.c_proj.weight, pool.c_proj.bias, training=False, need_weights=False, use_separate_proj_weight=True,
            q_proj_weight=pool.q_proj.weight, k_proj_weight=pool.k_proj.weight, v_proj_weight=pool.v_proj.weight,
        )  # fmt: skip
        return x[0]


@pytest.mark.parametrize("heads", [2, 4])
def test_clip(heads, check, random_values):
    module = random_values(ClipResNet(heads=heads))
    clues = {} if heads == 2 else {"heads": Clue(4, "--heads")}
    written = ", heads=4" if heads == 4 else ""
    expected = f"repr_probe:resnet(grid=2{written}, layers=2-2-2-2, out=6, stem=clip, width=4)".replace("layers=2-2-2-2, ", "")
    reading = check(module, module.state_dict(), size=64, expected=expected, **clues)
    assert reading.image_size == (64, 64) and reading.input.size == (64, 64) and reading.input.interpolation == "bicubic"
    assert [assumption.what for assumption in reading.assumptions] == ["heads", "features"]
