"""Networks told from names and shapes alone."""

from __future__ import annotations

import pytest
import timm
import torch
import torchvision

from repr_probe.encoders.containers import Container
from repr_probe.encoders.recognise import RESNETS, TORCHVISION_VITS, recognise
from repr_probe.errors import CheckpointError

RESNET_NAMES = sorted(RESNETS.values())


def container(module: torch.nn.Module, prefix: str = "") -> Container:
    return Container("", {prefix + name: tensor for name, tensor in module.state_dict().items()}, ())


def on_meta(name: str, library: str = "torchvision", **options: object) -> torch.nn.Module:
    with torch.device("meta"):
        if library == "timm":
            return timm.create_model(name, **options)
        return torchvision.models.get_model_builder(name)(weights=None, **options)


@pytest.mark.parametrize("name", RESNET_NAMES)
def test_every_resnet_of_torchvision(name: str) -> None:
    assert recognise([container(on_meta(name), "backbone.")]).architecture == f"torchvision:{name}"


@pytest.mark.parametrize("name", sorted(TORCHVISION_VITS.values()))
def test_every_vision_transformer_of_torchvision(name: str) -> None:
    assert recognise([container(on_meta(name))]).architecture == f"torchvision:{name}"


@pytest.mark.parametrize(
    "name",
    [
        "vit_tiny_patch16_224",
        "vit_small_patch8_224",
        "vit_base_patch16_384",
        "deit_small_distilled_patch16_224",
        "vit_small_patch14_dinov2",
        "vit_base_patch14_reg4_dinov2",
    ],
)
def test_vision_transformers_of_timm(name: str) -> None:
    recognised = recognise([container(on_meta(name, "timm"), "teacher.")])
    assert recognised.architecture == f"timm:{name}" and "are not in the file" in recognised.note


def test_small_stems_are_refused() -> None:
    module = torchvision.models.resnet18(weights=None)
    module.conv1 = torch.nn.Conv2d(3, 64, 3, bias=False)
    with pytest.raises(CheckpointError, match=r"3 x 3 stem \(blocks \(2, 2, 2, 2\), two convolutions each.*with --arch"):
        recognise([container(module)])


def test_unnamed_resnets_are_described() -> None:
    module = torchvision.models.ResNet(torchvision.models.resnet.BasicBlock, [1, 1, 1, 1])
    with pytest.raises(CheckpointError, match=r"no name for the ResNet of the file \(blocks \(1, 1, 1, 1\), two convolutions"):
        recognise([container(module)])


def test_unnamed_transformers_are_described() -> None:
    with pytest.raises(CheckpointError, match="a vision transformer of width 64, depth 6, patch 16"):
        recognise([container(on_meta("test_vit", "timm"))])


def test_two_networks_in_one_file() -> None:
    with pytest.raises(CheckpointError, match=r"holds several networks \(torchvision:resnet18, torchvision:resnet34\)"):
        recognise([container(on_meta("resnet18")), container(on_meta("resnet34"))])


def test_nothing_known() -> None:
    with pytest.raises(CheckpointError, match=r"not recognised \(2 tensors, first weight \(3, 3\); bias \(3,\)\)"):
        recognise([container(torch.nn.Linear(3, 3))])
