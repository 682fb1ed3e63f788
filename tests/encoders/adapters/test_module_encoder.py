"""Torch modules from memory as encoders: equal to themselves in evaluation mode, and left as they were."""

from __future__ import annotations

from typing import Any

import pytest
import timm
import torch
import torchvision
from torch import nn

from repr_probe.encoders.adapters.as_encoder import as_encoder
from repr_probe.encoders.adapters.protocol import require
from repr_probe.errors import CheckpointError, UsageError


def state_of(module: nn.Module) -> dict[str, Any]:
    return {
        "modes": [part.training for part in module.modules()],
        "flags": [weight.requires_grad for weight in module.parameters()],
        "hooks": [len(part._forward_hooks) for part in module.modules()],
        "parts": [name for name, _ in module.named_modules()],
        "values": [tensor.clone() for tensor in module.state_dict().values()],
    }


def test_a_module_is_used_in_evaluation_mode_and_left_as_it_was(small_net: Any, images: torch.Tensor) -> None:
    small_net.train()
    small_net.norm.eval()
    small_net.stem.weight.requires_grad_(False)
    before = state_of(small_net)
    encoder = as_encoder(small_net, image_size=16)
    found = encoder.features(images, ["pooled", "stem"])
    after = state_of(small_net)
    values = (before.pop("values"), after.pop("values"))
    assert before == after and all(torch.equal(one, other) for one, other in zip(*values))
    torch.testing.assert_close(found["pooled"], small_net.eval()(images))
    assert found["stem"].shape == (5, 6) and not found["pooled"].requires_grad


def test_modes_come_back_after_a_failure(small_net: Any, images: torch.Tensor) -> None:
    encoder = as_encoder(small_net.train(), image_size=16)
    with pytest.raises(UsageError, match="layer must be a layer of"):
        encoder.features(images, ["nothing"])
    assert small_net.training and small_net.drop.training


def test_the_classifier_of_torchvision_is_left_out(images: torch.Tensor) -> None:
    module = torchvision.models.resnet18(weights=None)
    encoder = as_encoder(module, image_size=32)
    assert encoder.facts["n_features"] == 512 and encoder.notes[0] == "fc of ResNet was left out as its classifier"
    assert isinstance(module.fc, nn.Linear)
    module.fc = nn.Identity()
    beheaded = as_encoder(module, image_size=32)
    assert beheaded.facts["n_features"] == 512 and "left out" not in beheaded.notes[0]
    torch.testing.assert_close(beheaded.features(images, ["pooled"]), encoder.features(images, ["pooled"]))


def test_timm_modules_state_their_input(images: torch.Tensor) -> None:
    encoder = as_encoder(timm.create_model("test_vit"))
    assert encoder.input.size == (160, 160) and encoder.input.mean == (0.5, 0.5, 0.5) and encoder.facts["n_features"] == 64
    assert not any("not declared" in note for note in encoder.notes)
    require(encoder, "attention")
    require(encoder, "grad")


def test_a_possible_classifier_is_noted(images: torch.Tensor) -> None:
    module = nn.Sequential()
    module.add_module("body", nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten()))
    module.add_module("classifier", nn.Linear(12, 4))
    encoder = as_encoder(module, image_size=16)
    said = "the last layer 'classifier' looks like a classifier (4 outputs): the features are its scores; what lies before it: --layer body"
    assert encoder.notes[0] == said
    with pytest.raises(CheckpointError, match="must offer attention"):
        require(encoder, "attention")


def test_identity_follows_weights_and_code(small_net: Any) -> None:
    first = as_encoder(small_net, image_size=16).identity
    assert as_encoder(small_net, image_size=16).identity == first
    small_net.stem.stride = (1, 1)
    assert as_encoder(small_net, image_size=16).identity["weights"] == first["weights"] != as_encoder(small_net, image_size=16).identity["trial"]
    with torch.no_grad():
        small_net.stem.weight.mul_(2)
    assert as_encoder(small_net, image_size=16).identity["weights"] != first["weights"]


def test_trouble_is_named(small_net: Any) -> None:
    with pytest.raises(CheckpointError, match=r"must take images \(3 channels, 1 x 1\); got RuntimeError.*say image_size, or pass") as refusal:
        as_encoder(small_net, image_size=1)
    assert refusal.value.code == "E_OUTPUT"
    with pytest.raises(CheckpointError, match=r"float32 weights; got float16; pass module.float\(\)") as refusal:
        as_encoder(small_net.half(), image_size=16)
    assert refusal.value.code == "E_DTYPE"
    with pytest.raises(CheckpointError, match="must hold weights; Flatten has none"):
        as_encoder(nn.Flatten())
    with pytest.raises(UsageError, match="layout, range, arrays and batch must be left out for a torch module"):
        as_encoder(small_net, layout="NHWC")
