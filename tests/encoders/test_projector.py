"""The projector beside an encoder: the same numbers as the module it was saved from, the right one of two, and plain refusals."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from repr_probe.encoders.load import load_encoder
from repr_probe.errors import UsageError

from .conftest import pooled_by

Save = Callable[[Any], Path]


def head(seed: int, *, width: int = 96) -> nn.Sequential:
    torch.manual_seed(seed)
    chain = nn.Sequential(nn.Linear(width, 40, bias=False), nn.BatchNorm1d(40), nn.ReLU(), nn.Linear(40, 12), nn.BatchNorm1d(12, affine=False)).eval()
    for layer in chain:
        if isinstance(layer, nn.BatchNorm1d):
            layer.running_mean.normal_()
            layer.running_var.uniform_(0.5, 2.0)
    return chain


def under(prefix: str, module: nn.Module) -> dict[str, torch.Tensor]:
    return {f"{prefix}.{name}": tensor for name, tensor in module.state_dict().items()}


@pytest.mark.parametrize("place", ["projector", "projection_head.layers", "module.projection_head"])
def test_the_same_numbers(save: Save, resnet: nn.Module, images: torch.Tensor, place: str) -> None:
    projector = head(1)
    encoder = load_encoder(save({"state_dict": {**under("backbone", resnet), **under(place, projector)}}))
    found = encoder.features(images, ["projector", "pooled"])
    with torch.inference_mode():
        assert torch.allclose(found["projector"], projector(pooled_by(resnet, images)), atol=1e-6)
    assert torch.equal(found["pooled"], pooled_by(resnet, images)) and "projector" in encoder.layers()


def test_the_one_of_the_encoder_taken(save: Save, resnet: nn.Module, images: torch.Tensor) -> None:
    own, other = head(1), head(2)
    weights = {**under("student", resnet), **under("student_projector", other), **under("teacher", resnet), **under("teacher_projector", own)}
    weights["student.conv1.0.weight"] = weights["student.conv1.0.weight"] * 1.5
    encoder = load_encoder(save(weights))
    assert encoder.facts["prefix"] == "teacher."
    with torch.inference_mode():
        assert torch.allclose(encoder.features(images, ["projector"])["projector"], own(pooled_by(resnet, images)), atol=1e-6)


def test_none_there(save: Save, resnet: nn.Module, images: torch.Tensor) -> None:
    encoder = load_encoder(save(resnet.state_dict()), arch="timm:test_resnet")
    with pytest.raises(UsageError, match="layer must be a layer of timm:test_resnet; got 'projector'"):
        encoder.features(images, ["projector"])


def test_one_for_other_features(save: Save, resnet: nn.Module, images: torch.Tensor) -> None:
    encoder = load_encoder(save({**under("backbone", resnet), **under("projector", head(1, width=50))}))
    with pytest.raises(UsageError, match="got no chain of linear layers there that takes its features"):
        encoder.features(images, ["projector"])


def test_two_that_could_be_meant(save: Save, resnet: nn.Module, images: torch.Tensor) -> None:
    encoder = load_encoder(save({**under("backbone", resnet), **under("projector", head(1)), **under("projection_head", head(2))}))
    with pytest.raises(UsageError, match="must be one; got 2 that take the features"):
        encoder.features(images, ["projector"])
