"""Random values for networks, and the features a reading of their tensors gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest
import torch
from torch import nn

from repr_probe.encoders.networks import build_network
from repr_probe.encoders.reading import Clue, Reading
from repr_probe.encoders.resnets.recognise import LANDMARKS, read_resnet

Tensors = Mapping[str, torch.Tensor]


@torch.no_grad()
def randomised(module: nn.Module, seed: int = 1) -> nn.Module:
    """The module with weights that keep the size of what passes through, and running statistics that are not 0 and 1."""
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in module.state_dict().items():
        if not tensor.is_floating_point():
            continue
        if tensor.ndim > 1:
            tensor.copy_(torch.randn(tensor.shape, generator=generator) * (1.5 / tensor[0].numel()) ** 0.5)
        elif "running_var" in name:
            tensor.copy_(0.5 + torch.rand(tensor.shape, generator=generator))
        else:
            shift = 0.6 if name.endswith("weight") else -0.2
            tensor.copy_(shift + 0.4 * torch.rand(tensor.shape, generator=generator))
    return module.eval()


def read(tensors: Tensors, **clues: Clue) -> Reading:
    """The reading of tensors that have one, found as files are: by a landmark."""
    assert any(landmark in tensors for landmark in LANDMARKS)
    reading = read_resnet({name: tuple(tensor.shape) for name, tensor in tensors.items()}, clues)
    assert reading is not None
    return reading


def built(reading: Reading, tensors: Tensors) -> nn.Module:
    """The network of the reading with the values of the file; every tensor of it must have its piece, of its shape."""
    module = build_network(reading.architecture, channels=reading.channels).module
    own = module.state_dict()
    absent = {name for name in own if name not in reading.pieces and not name.endswith("num_batches_tracked")}
    assert (absent, set(reading.pieces) - set(own)) == (set(), set())
    for name, piece in reading.pieces.items():
        assert piece.shape == own[name].shape == piece.values(tensors).shape, name
        own[name].copy_(piece.values(tensors))
    return module


@pytest.fixture(scope="session")
def check() -> Callable[..., Reading]:
    """check(network, features, tensors=..., size=...): the reading of the tensors, after its features were compared with `features`."""

    def compare(
        features: Callable[[torch.Tensor], torch.Tensor], tensors: Tensors, *, size: int = 32, expected: str | None = None, **clues: Clue
    ) -> Reading:
        reading = read(tensors, **clues)
        if expected is not None:
            assert str(reading.architecture) == expected
        images = torch.randn(2, reading.channels, size, size, generator=torch.Generator().manual_seed(2))
        with torch.inference_mode():
            ours, theirs = built(reading, tensors)(images), features(images)
        assert ours.shape == theirs.shape and bool(theirs.std() > 0)
        assert float((ours - theirs).abs().max() / theirs.abs().max()) <= 1e-6
        return reading

    return compare


@pytest.fixture(scope="session")
def random_values() -> Callable[[nn.Module], nn.Module]:
    return randomised
