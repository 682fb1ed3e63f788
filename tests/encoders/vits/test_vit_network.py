"""repr_probe:vit from its options."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from repr_probe.encoders.architectures import resolve_architecture
from repr_probe.encoders.encoder import probe_pooling
from repr_probe.encoders.networks import build_network
from repr_probe.encoders.vits.network import build_vit
from repr_probe.errors import CheckpointError

SMALL: dict[str, Any] = {"width": 48, "depth": 1, "heads": 3, "patch": 8}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"registrs": 4}, "options of repr_probe:vit; got 'registrs'; nearest: registers"),
        ({"width": "48"}, "width as in width=768; got width=48"),
        ({"depth": 0}, "depth of 1 to 200; got depth=0"),
        ({"heads": 5}, "heads must divide the width 48; got 5; give --heads"),
        ({"pool": "avg"}, "pool one of cls, mean, both; got pool=avg"),
        ({"pool": "both"}, "pool must be cls or mean for a network without distillation token"),
        ({"class_token": False}, "pool must be mean for a network without class token; got cls"),
        ({"distilled": True, "registers": 4}, "distilled must go with a class token"),
        ({"periods": True}, "periods must go with position=rope"),
        ({"position": "rope", "activation": "relu"}, "position=rope must go with activation=gelu"),
        ({"patch": "8x"}, "patch as in patch=16 or patch=16x8, up to 1024; got patch=8x"),
        ({"patch": 0}, "patch as in patch=16 or patch=16x8, up to 1024; got patch=0"),
    ],
)
def test_options_that_cannot_be_built(options: dict[str, Any], message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        build_vit({**SMALL, **options})


def test_an_image_that_patches_do_not_fill() -> None:
    with pytest.raises(CheckpointError, match="image_size must be a multiple of the patch 8 x 8; got 32 x 33"):
        build_vit(SMALL, image_size=(32, 33))


def test_the_text_of_an_architecture_builds_it() -> None:
    architecture = resolve_architecture("repr_probe:vit(depth=1, heads=3, patch=8x4, registers=2, width=48)")
    module = build_network(architecture, channels=1, image_size=(16, 8)).module
    assert module(torch.randn(2, 1, 16, 8)).shape == (2, 48)
    assert module.state_dict()["pos_embed"].shape == (1, 4 + 3, 48)


@pytest.mark.parametrize(
    ("options", "own"),
    [
        ({}, "cls"),
        ({"pool": "mean"}, "avg"),
        ({"pool": "mean", "norm": "after"}, None),
        ({"class_token": False, "pool": "mean"}, "avg"),
        ({"distilled": True}, "cls"),
        ({"distilled": True, "pool": "mean"}, "avg"),
        ({"distilled": True, "pool": "both"}, None),
        ({"position": "rope", "registers": 4}, "cls"),
        ({"position": "rope", "pool": "mean", "norm": "after", "mlp": "swiglu", "hidden": 40}, None),
    ],
)
def test_its_pooling_is_the_one_asked_for(options: dict[str, Any], own: str | None) -> None:
    module = build_vit({**SMALL, **options}, image_size=(32, 32)).eval()
    with torch.no_grad():
        for tensor in module.parameters():
            tensor.add_(0.1 * torch.randn_like(tensor))
    pooled, found = probe_pooling(module, torch.randn(2, 3, 32, 32))
    assert pooled.shape == (2, 48) and found == own


def test_the_hidden_size_is_the_one_asked_for() -> None:
    for hidden in (40, 46, 128, 190):
        for mlp in ("gelu", "swiglu"):
            tensors = build_vit({**SMALL, "hidden": hidden, "mlp": mlp}).state_dict()
            assert tensors["blocks.0.mlp.fc2.weight"].shape == (48, hidden)
            assert tensors["blocks.0.mlp.fc1.weight"].shape == (hidden * (2 if mlp == "swiglu" else 1), 48)
