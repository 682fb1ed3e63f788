"""Parts beside a network: additions to it are named, what usually lies beside an encoder is not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from repr_probe.encoders.load import load_encoder
from repr_probe.encoders.resnets.network import build_resnet
from repr_probe.workflows.inspect import inspect

WEIGHTS = build_resnet({"layers": "1-1-1", "width": 8, "stem": "cifar"}).state_dict()
Save = Callable[[Any], Path]
# One tensor of each: names as programs have them.
HONEST = (
    "fc.weight", "linear.weight", "head.weight", "heads.0.weight", "classifier.1.weight", "projector.0.weight", "projection_head.0.weight",
    "predictor.0.weight", "prototypes.weight", "queue", "queue_ptr", "momentum_encoder.conv1.weight", "teacher.head.mlp.0.weight",
    "transformer.resblocks.0.attn.in_proj_weight", "token_embedding.weight", "text_encoder.layer.0.attention.self.query.weight", "attn_mask",
    "logit_scale", "text_projection", "decoder.blocks.0.attn.qkv.weight", "mask_token", "neck.lateral.0.weight", "decode_head.conv.weight",
    "rpn_head.conv.weight", "criterion.centers", "center", "n_averaged", "optimizer.state.0.exp_avg", "auxiliary_head.weight",
    "second.prompt.weight",
)  # fmt: skip
ADDED = (
    "adapters.0.down.weight", "adapter.weight", "vision_adapter.0.weight", "prompt.tokens", "prompts", "prompt_embeddings", "deep_prompt.0.weight",
    "cbam.ca.fc1.weight", "cbam1.sa.conv.weight", "ca.fc1.weight", "sa1.conv1.weight", "se.fc.0.weight", "lora_layers.0.A", "attention.weight",
    "channel_attention.fc.weight", "gate.weight", "film.scale", "non_local.theta.weight",
)  # fmt: skip


def beside(names: tuple[str, ...], prefix: str = "") -> dict[str, torch.Tensor]:
    held = {f"{prefix}{name}": tensor for name, tensor in WEIGHTS.items()}
    return held | {f"{prefix.partition('.')[0]}.{name}" if prefix else name: torch.ones(8, 8) for name in names}


def warnings_of(path: Path) -> list[str]:
    return [note for note in load_encoder(path).notes if "may change its features" in note]


@pytest.mark.parametrize("prefix", ["", "net.", "model.backbone."])
def test_honest_files_are_quiet(save: Save, prefix: str) -> None:
    assert warnings_of(save({"state_dict": beside(HONEST, prefix), "optimizer": {"state": {}}, "epoch": 3})) == []


@pytest.mark.parametrize("name", ADDED)
def test_additions_are_named(save: Save, name: str) -> None:
    for prefix in ("", "model.backbone."):
        (note,) = warnings_of(save(beside((*HONEST, name), prefix)))
        assert f"{name.partition('.')[0]} (1 tensor); they are not used, and what is measured is the plain repr_probe:resnet(layers=1-1-1" in note


def test_tensors_are_counted_and_inspect_says_it_too(save: Save) -> None:
    path = save(beside(tuple(f"adapters.{number}.weight" for number in range(3))))
    assert "adapters (3 tensors)" in warnings_of(path)[0]
    assert warnings_of(path)[0] in inspect(path).facts["notes"]
