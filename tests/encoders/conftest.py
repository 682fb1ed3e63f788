"""Small networks with weights of their own, and the files people keep them in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from torch import nn


@pytest.fixture(autouse=True)
def own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REPR_PROBE_HOME", str(tmp_path_factory.mktemp("home")))


def trained(name: str, seed: int = 3) -> nn.Module:
    """A timm network whose weights and running statistics are not those it was built with."""
    module = timm.create_model(name).eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for key, tensor in module.state_dict().items():
            if tensor.is_floating_point():
                noise = torch.rand(tensor.shape, generator=generator) * 0.05
                tensor.copy_(tensor + noise if "running_var" not in key else 1 + noise)
    return module


@pytest.fixture(scope="session")
def resnet() -> nn.Module:
    return trained("test_resnet")


@pytest.fixture(scope="session")
def vit() -> nn.Module:
    return trained("test_vit")


@pytest.fixture(scope="session")
def images() -> torch.Tensor:
    return torch.randn(3, 3, 160, 160, generator=torch.Generator().manual_seed(5))


def pooled_by(module: Any, images: torch.Tensor) -> torch.Tensor:
    """The pooled features as the network's own library gives them."""
    with torch.inference_mode():
        return module.forward_head(module.forward_features(images), pre_logits=True)


@pytest.fixture
def save(tmp_path: Path) -> Iterator[Callable[[Any], Path]]:
    """Write an object with torch.save; gives the path."""

    def write(content: Any) -> Path:
        path = tmp_path / "weights.pth"
        torch.save(content, path)
        return path

    yield write
