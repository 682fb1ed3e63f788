"""What the last layer gives may be cast on its way out, and heads of projections are no classifiers."""

from __future__ import annotations

import torch
from torch import nn

from repr_probe.encoders.scores import scores_note


class Cast(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.flat, self.fc = nn.Flatten(), nn.Linear(48, 4)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.fc(self.flat(images)).double()


class Projected(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.flat, self.projection_head = nn.Flatten(), nn.Module()
        self.projection_head.layers = nn.Sequential(nn.Linear(48, 8), nn.ReLU(), nn.Linear(8, 4))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.projection_head.layers(self.flat(images))


def test_a_cast_output_is_still_that_of_the_last_layer() -> None:
    note = scores_note(Cast().eval(), torch.zeros(1, 3, 4, 4))
    assert note[0].startswith("the last layer 'fc' looks like a classifier (4 outputs)")


def test_a_projection_head_makes_features() -> None:
    assert scores_note(Projected().eval(), torch.zeros(1, 3, 4, 4)) == ()
