"""What a feed hands to the training loop."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch

from repr_probe.preprocessing import InputSpec


@dataclass(frozen=True, eq=False)
class Batch:
    """One step's share of this rank.

    views: for each view of the recipe float32 (n, C, size, size), normalised, on the feed's device.  labels: (n,) int64 on the device, None
    for an unlabelled set.  rows: (n,) int64 on the CPU, which images of the data set these are.  wait: seconds between asking and having.
    """

    views: list[torch.Tensor]
    labels: torch.Tensor | None
    rows: torch.Tensor
    wait: float


class Feed(Protocol):
    """Batches of views, the same ones for the same seed and epoch. n_steps: steps of an epoch; what does not fill a step is left out."""

    n_steps: int

    def epoch(self, epoch: int, *, start_step: int = 0) -> Iterator[Batch]:
        """The batches of an epoch from `start_step` on: exactly those that an epoch from its start gives from there."""
        ...


def normalisation(input: InputSpec) -> tuple[Sequence[float], Sequence[float]]:
    """mean and std in the order of the stored channels, red first."""
    step = -1 if input.order == "bgr" else 1
    return input.mean[::step], input.std[::step]


def in_channel_order(views: list[torch.Tensor], input: InputSpec) -> list[torch.Tensor]:
    """Blue first where the network was made for that; the colours themselves are always worked on as RGB."""
    return [view.flip(1) for view in views] if input.order == "bgr" else views
