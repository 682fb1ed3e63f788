"""Small vision transformers of other libraries, and whether our reading of their tensors gives their features."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from repr_probe.encoders.networks import build_network
from repr_probe.encoders.reading import Clue, Clues, Reading
from repr_probe.encoders.vits.recognise import read_vit

THREE_HEADS: Clues = {"heads": Clue(3, "--heads")}
SMALL: dict[str, Any] = {"img_size": 32, "patch_size": 8, "embed_dim": 48, "depth": 2, "num_heads": 3, "num_classes": 5}
IMAGES = torch.randn(3, 3, 32, 32, generator=torch.Generator().manual_seed(1))
HF_SMALL: dict[str, Any] = {
    "hidden_size": 48, "num_hidden_layers": 2, "num_attention_heads": 3, "intermediate_size": 96, "image_size": 32, "patch_size": 8,
}  # fmt: skip


def shapes_of(tensors: dict[str, torch.Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in tensors.items()}


def shaken(module: nn.Module) -> Any:
    """The module in eval mode with no weight left at a round value, so that every one of them matters."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for tensor in module.parameters():
            tensor.copy_(tensor + 0.2 * torch.randn(tensor.shape, generator=generator))
    return module.eval()


def timm_vit(**options: Any) -> Any:
    from timm.models.vision_transformer import VisionTransformer

    return shaken(VisionTransformer(**SMALL | options))


def timm_features(module: Any, images: torch.Tensor = IMAGES) -> torch.Tensor:
    with torch.inference_mode():
        return module.forward_head(module.forward_features(images), pre_logits=True)


def read(tensors: dict[str, torch.Tensor], clues: Clues = THREE_HEADS) -> Reading:
    reading = read_vit(shapes_of(tensors), clues)
    assert reading is not None
    return reading


def our_features(tensors: dict[str, torch.Tensor], clues: Clues = THREE_HEADS, images: torch.Tensor = IMAGES) -> torch.Tensor:
    reading = read(tensors, clues)
    module = build_network(reading.architecture, channels=reading.channels, image_size=reading.image_size).module
    ours = module.state_dict()
    assert set(ours) == set(reading.pieces)
    for name, tensor in ours.items():
        assert reading.pieces[name].shape == tuple(tensor.shape)
        tensor.copy_(reading.pieces[name].values(tensors))
    with torch.inference_mode():
        return module(images)


def assert_same(ours: torch.Tensor, theirs: torch.Tensor) -> None:
    assert ours.shape == theirs.shape
    assert (ours - theirs).abs().max() <= 1e-5 * theirs.abs().max()


def assumed(reading: Reading) -> dict[str, str]:
    return {assumption.what: assumption.value for assumption in reading.assumptions}
