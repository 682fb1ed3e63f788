"""Which weights of a file are taken when something is wrong with some of them: never a quiet second best."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
import torchvision
from torch import nn

from repr_probe.encoders.load import load_encoder
from repr_probe.errors import CheckpointError, UsageError

from .conftest import pooled_by, trained

Save = Callable[[Any], Path]


def changed(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: tensor + 0.1 if tensor.is_floating_point() else tensor for name, tensor in weights.items()}


@pytest.mark.parametrize("lost", ["layer4.0.bn1.weight", "layer4", "layer3"])
def test_a_damaged_average_does_not_leave_its_whole_sibling(save: Save, resnet: nn.Module, lost: str) -> None:
    whole = resnet.state_dict()
    hurt = {name: tensor for name, tensor in changed(whole).items() if not name.startswith(lost)}
    with pytest.raises(CheckpointError, match="missing") as caught:
        load_encoder(save({"model": whole, "model_ema": hurt}))
    assert caught.value.code == "E_MISSING"


def test_a_damaged_teacher_vit(save: Save, vit: nn.Module) -> None:
    weights = timm.create_model("vit_tiny_patch16_224", num_classes=0, img_size=32).state_dict()
    hurt = {name: tensor for name, tensor in changed(weights).items() if not name.startswith(("blocks.4.", "blocks.9."))}
    with pytest.raises(CheckpointError):
        load_encoder(save({"student": weights, "teacher": hurt}))


def test_a_teacher_of_another_kind_is_no_average(save: Save, resnet: nn.Module, vit: nn.Module) -> None:
    weights = {f"student.{name}": tensor for name, tensor in resnet.state_dict().items()}
    weights |= {f"teacher.{name}": tensor for name, tensor in torchvision.models.resnet18().state_dict().items()}
    with pytest.raises(CheckpointError) as caught:
        load_encoder(save(weights))
    assert caught.value.code == "E_AMBIGUOUS"
    assert "repro-probe inspect /" in str(caught.value)  # a ready command names the file as a shell finds it


def test_flags_are_not_dropped(save: Save, vit: nn.Module) -> None:
    path = save(timm.create_model("vit_tiny_patch16_224", num_classes=0, img_size=32).state_dict())
    assert load_encoder(path, heads=6).identity["overrides"] == {"heads": 6}
    with pytest.raises(CheckpointError, match="heads must divide"):
        load_encoder(path, heads=5)
    with pytest.raises(UsageError, match="heads must go without arch"):
        load_encoder(path, arch="timm:vit_tiny_patch16_224", heads=6)


def test_flags_that_nothing_takes(save: Save) -> None:
    path = save(torchvision.models.resnet18().state_dict())
    with pytest.raises(UsageError, match="heads must go with a vision transformer"):
        load_encoder(path, heads=4)
    with pytest.raises((UsageError, CheckpointError), match="stem must"):
        load_encoder(path, stem="solo")
    with pytest.raises(UsageError, match="map must rename a tensor"):
        load_encoder(path, map=["no_such_name=>x"])


def test_zero_tensors_are_never_enough(save: Save) -> None:
    path = save({"bert.embeddings.weight": torch.ones(30, 8), "bert.encoder.weight": torch.ones(8, 8)})
    with pytest.raises(CheckpointError):
        load_encoder(path, arch="torchvision:resnet18", prefix=".", allow_missing=["*"])


def test_copies_keep_their_names(save: Save, resnet: nn.Module, images: torch.Tensor) -> None:
    """The bare copy of an online network must not hide that it is the online network."""
    own = trained("test_resnet", seed=4)
    weights = {f"{name}.{key}": tensor for name in ("net", "online_encoder.net") for key, tensor in own.state_dict().items()}
    weights |= {f"target_encoder.net.{key}": tensor for key, tensor in resnet.state_dict().items()}
    path = save(weights)
    assert torch.equal(load_encoder(path, role="online").features(images)["pooled"], pooled_by(own, images))
    assert torch.equal(load_encoder(path, role="ema").features(images)["pooled"], pooled_by(resnet, images))


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("stride", lambda net: setattr(net.conv1, "stride", (1, 1))),
        ("eps", lambda net: setattr(net.bn1, "eps", 0.1)),
        ("SiLU", lambda net: setattr(net, "relu", nn.SiLU())),
        ("Identity", lambda net: setattr(net, "maxpool", nn.Identity())),
        ("padding_mode", lambda net: setattr(net.conv1, "padding_mode", "circular")),
        ("dilation", lambda net: setattr(net.layer4[0].conv2, "dilation", (2, 2))),
    ],
)
def test_a_pickled_module_must_be_what_is_built(save: Save, name: str, change: Callable[[Any], None]) -> None:
    network = torchvision.models.resnet18().eval()
    assert load_encoder(save(network)).architecture == "torchvision:resnet18"
    change(network)
    with pytest.raises(CheckpointError, match=name) as caught:
        load_encoder(save(network))
    assert caught.value.code == "E_ATTRIBUTE"


def test_a_word_for_another_width_tells_no_heads(save: Save) -> None:
    """A word about the student says nothing of a teacher of another width."""
    weights = timm.create_model("vit_tiny_patch16_224", num_classes=0, img_size=32).state_dict()
    plain = load_encoder(save(weights))
    told = load_encoder(save({"model": weights, "args": {"model": "vit_base_patch16", "patch_size": 16}}))
    assert told.architecture == plain.architecture
    images = torch.randn(2, 3, 32, 32)
    assert torch.equal(told.features(images)["pooled"], plain.features(images)["pooled"])
