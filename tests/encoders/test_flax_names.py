"""Flax names of Hugging Face turned into PyTorch's, against a network of transformers written the other way round."""

from __future__ import annotations

import re

import pytest
import torch

from repr_probe.encoders.flax_names import torch_names
from repr_probe.errors import FileFormatError


def as_flax(name: str, tensor: torch.Tensor) -> tuple[str, torch.Tensor]:
    """What transformers wrote for Flax: kernels turned, tables called embedding, normalisations called scale."""
    if "position_embedding.weight" in name:
        return name.replace("weight", "embedding"), tensor
    if tensor.ndim == 4 and name.endswith("weight"):
        return re.sub("weight$", "kernel", name), tensor.permute(2, 3, 1, 0).contiguous()
    if tensor.ndim == 2 and name.endswith("weight"):
        return re.sub("weight$", "kernel", name), tensor.T.contiguous()
    return re.sub("weight$", "scale", name), tensor


@pytest.mark.parametrize("collection", ["", "params."])
def test_a_clip_tower(collection: str) -> None:
    transformers = pytest.importorskip("transformers")
    config = transformers.CLIPVisionConfig(hidden_size=8, intermediate_size=16, num_hidden_layers=2, num_attention_heads=2, image_size=32)
    weights = transformers.CLIPVisionModel(config).state_dict()
    weights = {name: tensor for name, tensor in weights.items() if tensor.is_floating_point()}
    read = torch_names({collection + key: value for key, value in (as_flax(name, tensor) for name, tensor in weights.items())})
    assert read.keys() == weights.keys()
    assert all(torch.equal(read[name], tensor) for name, tensor in weights.items())


def test_running_statistics() -> None:
    weights = {"params.norm.scale": torch.ones(2), "batch_stats.norm.mean": torch.zeros(2), "batch_stats.norm.var": torch.ones(2), "step": 3}
    assert list(torch_names(weights)) == ["norm.weight", "norm.running_mean", "norm.running_var", "step"]


def test_names_that_meet() -> None:
    with pytest.raises(FileFormatError, match=r"two become x\.weight"):
        torch_names({"x.scale": torch.ones(1), "x.kernel": torch.ones(1)})
