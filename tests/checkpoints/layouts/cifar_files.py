"""Residual networks for small images: akamaster, chenyaofo, kuangliu, weiaicunzai, and torchvision's names over a 3x3 stem."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from layouts.layout import Content, Layout
from layouts.random_weights import linear, projector, randomised
from layouts.resnets import AkamasterResNet, KuangliuResNet, ReferenceResNet, WeiaicunzaiResNet
from layouts.saving import legacy_save, lightning
from torch import nn

IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
KUANGLIU = {"mean": (0.4914, 0.4822, 0.4465), "std": (0.2023, 0.1994, 0.2010)}
CIFAR100 = {"mean": (0.5071, 0.4865, 0.4409), "std": (0.2673, 0.2564, 0.2762)}


def without(state: dict[str, torch.Tensor], *words: str) -> dict[str, torch.Tensor]:
    return {name: tensor for name, tensor in state.items() if not any(word in name for word in words)}


def akamaster(n_blocks: int) -> Content:
    """The format of torch before 1.6 and no counters of batches."""
    net = randomised(AkamasterResNet(n_blocks))
    state = {f"module.{name}": tensor for name, tensor in without(dict(net.state_dict()), "num_batches_tracked").items()}
    head = {name: state.pop(name) for name in ("module.linear.weight", "module.linear.bias")}
    return Content(state, net, lambda own: {"state_dict": {**own, **head}, "best_prec1": 91.73}, legacy_save, "module.")


def chenyaofo() -> Content:
    net = randomised(ReferenceResNet((3, 3, 3), width=16, stem="cifar"))
    return Content(dict(net.state_dict()), net, lambda own: {**own, **linear("fc", 64, 10)})


def kuangliu(layers: tuple[int, ...], *, bottleneck: bool = False) -> Content:
    net = randomised(KuangliuResNet(layers, bottleneck=bottleneck))
    state = {f"module.{name}": tensor for name, tensor in net.state_dict().items()}
    head = {name: state.pop(name) for name in ("module.linear.weight", "module.linear.bias")}
    return Content(state, net, lambda own: {"net": {**own, **head}, "acc": 95.43, "epoch": 186}, prefix="module.")


def weiaicunzai(layers: tuple[int, ...], *, bottleneck: bool = False) -> Content:
    net = randomised(WeiaicunzaiResNet(layers, bottleneck=bottleneck))
    state = dict(net.state_dict())
    head = {name: state.pop(name) for name in ("fc.weight", "fc.bias")}
    return Content(state, net, lambda own: {**own, **head})


def torchvision_names(layers: tuple[int, ...], prefix: str) -> Content:
    net: nn.Module = randomised(ReferenceResNet(layers, stem="cifar"))
    state = {prefix + name: tensor for name, tensor in net.state_dict().items()}
    heads = projector("projector", 512) if prefix else linear("fc", 512, 10)

    def pack(own: dict[str, torch.Tensor]) -> Any:
        return lightning({**own, **heads}) if prefix else {**own, **heads}

    return Content(state, net, pack, prefix=prefix)


def layouts() -> list[Layout]:
    own = {"architecture": "repr_probe:resnet"}
    one, two, three = (1, 1, 1, 1), (2, 2, 2, 2), (3, 4, 6, 3)
    return [
        Layout("akamaster-resnet20", "akamaster/pytorch_resnet_cifar10", "1b akamaster resnet20", partial(akamaster, 3), image_size=32,
               expect={**own, **IMAGENET, "size": (32, 32)}),
        Layout("akamaster-resnet56", "akamaster/pytorch_resnet_cifar10", "1b akamaster resnet56", partial(akamaster, 9), image_size=32,
               expect={**own, **IMAGENET, "size": (32, 32)}),
        Layout("chenyaofo-resnet20", "chenyaofo/pytorch-cifar-models", "1b chenyaofo", chenyaofo, image_size=32,
               expect={**own, "size": (32, 32)}),
        Layout("kuangliu-small", "kuangliu/pytorch-cifar", "1b kuangliu", partial(kuangliu, one), image_size=32, expect={**own, **KUANGLIU}),
        Layout("kuangliu-resnet18", "kuangliu/pytorch-cifar", "1b kuangliu", partial(kuangliu, two), image_size=32, expect={**own, **KUANGLIU}),
        Layout("kuangliu-resnet50", "kuangliu/pytorch-cifar", "1b kuangliu", partial(kuangliu, three, bottleneck=True), image_size=32,
               expect=own, slow=True),
        Layout("weiaicunzai-small", "weiaicunzai/pytorch-cifar100", "1b weiaicunzai", partial(weiaicunzai, one), image_size=32,
               expect={**own, **CIFAR100}),
        Layout("weiaicunzai-resnet18", "weiaicunzai/pytorch-cifar100", "1b weiaicunzai", partial(weiaicunzai, two), image_size=32,
               expect={**own, **CIFAR100}),
        Layout("weiaicunzai-resnet50", "weiaicunzai/pytorch-cifar100", "1b weiaicunzai", partial(weiaicunzai, three, bottleneck=True),
               image_size=32, expect=own, slow=True),
        Layout("low-resolution", "stable-pretraining low_resolution=True", "1b stable-pretraining low_resolution",
               partial(torchvision_names, one, "backbone."), image_size=32, expect={**own, "prefix": "backbone."}),
        Layout("low-resolution-bare", "torchvision names, 3x3 stem", "1b RN with 3x3 conv1", partial(torchvision_names, two, ""), image_size=32,
               expect=own),
    ]  # fmt: skip
