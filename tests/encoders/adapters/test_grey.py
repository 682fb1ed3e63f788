"""Images of one channel: told from the first layer of a module, or from one mean of a function; and what to pass where that fails."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from repr_probe.encoders.adapters.as_encoder import as_encoder
from repr_probe.encoders.digits_net import DigitsNet
from repr_probe.errors import CheckpointError, UsageError


def body(channels: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(channels, 6, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten())


class MakesGrey(nn.Module):
    """Takes colours and makes them grey itself: its convolution has one channel all the same."""

    def __init__(self) -> None:
        super().__init__()
        self.body = body(1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        assert images.shape[1] == 3
        return self.body(images.mean(1, keepdim=True))


class Unused(nn.Module):
    """The convolution that is written first runs last."""

    def __init__(self) -> None:
        super().__init__()
        self.late, self.early = nn.Conv2d(6, 1, 1), nn.Conv2d(1, 6, 3)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.late(self.early(images)).flatten(1)


@pytest.mark.parametrize(
    ("module", "channels"),
    [
        (body(1), 1), (body(3), 3), (MakesGrey(), 3), (Unused(), 1), (DigitsNet(), 1),
        (nn.Sequential(nn.Flatten(), nn.Linear(256, 5)), 1), (nn.Sequential(nn.Flatten(), nn.Linear(768, 5)), 3),
    ],
)  # fmt: skip
def test_the_first_layer_of_a_module_decides(module: nn.Module, channels: int) -> None:
    encoder = as_encoder(module.train(), image_size=16)
    assert encoder.input.channels == channels and all(part.training for part in module.modules())
    assert not any(part._forward_pre_hooks for part in module.modules())
    assert as_encoder(module, image_size=16, mean=0.5, std=[0.25]).input.mean == (0.5,) * channels
    if channels == 1:
        assert as_encoder(module, image_size=16, grey=True).identity == encoder.identity


def test_one_value_in_a_list_is_one_channel_of_a_function() -> None:
    def means(images: np.ndarray) -> np.ndarray:
        return images.mean((2, 3))

    assert as_encoder(means, image_size=16, mean=[0.5], std=[0.2]).input.mean == (0.5,)
    assert as_encoder(means, image_size=16, mean=0.5, std=0.2).input.mean == (0.5, 0.5, 0.5)
    with pytest.raises(UsageError, match="std must have one value or one for each of 1 channels; got 3 values"):
        as_encoder(means, image_size=16, mean=[0.5], std=[0.2, 0.2, 0.2])


@pytest.mark.parametrize(
    ("module", "options", "message"),
    [
        (body(3), {"grey": True}, r"\(1 channel, 16 x 16\); got RuntimeError.*; its first layer 0 takes colour images: leave grey out"),
        (body(4), {}, "its first convolution 0 takes 4 channels, images have 1 or 3: pass a function that makes them"),
        (nn.Sequential(nn.Flatten(), nn.Linear(10, 5)), {}, "its first layer 1 takes 10 values and is given 768: say image_size"),
    ],
)
def test_what_to_pass_is_said(module: nn.Module, options: dict[str, Any], message: str) -> None:
    with pytest.raises(CheckpointError, match=message) as refusal:
        as_encoder(module, image_size=16, **options)
    assert refusal.value.code == "E_OUTPUT"


def test_a_function_that_fails_is_told_of_grey() -> None:
    with pytest.raises(CheckpointError, match=r"layout, range and grey \(one channel\) say how images look"):
        as_encoder(lambda images: images.reshape(len(images), 1, 16, 16).mean((2, 3)), image_size=16)
