"""Views that are also turned and shrunk a little: for images whose objects stand freely on black, such as digits."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch.nn.functional import affine_grid, grid_sample

from repr_probe.training.feeds.batch import Batch, Feed


class TurnedFeed:
    """The batches of `feed` with every view turned by up to `turn` degrees and shrunk by up to `shrink` (0.2: to five sixths) into black.

    mean, std: the normalisation of the views, to know what black is.  seed, rank: with epoch and step they decide every number drawn.
    """

    def __init__(
        self, feed: Feed, *, turn: float, shrink: float, mean: Sequence[float], std: Sequence[float], seed: int, rank: int
    ) -> None:
        self.feed, self.n_steps = feed, feed.n_steps
        self.turn, self.shrink, self.seed, self.rank = turn, shrink, seed, rank
        self.black = torch.tensor([-value / spread for value, spread in zip(mean, std, strict=True)])[:, None, None]

    def epoch(self, epoch: int, *, start_step: int = 0) -> Iterator[Batch]:
        for step, batch in enumerate(self.feed.epoch(epoch, start_step=start_step), start_step):
            # The length of the key tells these numbers from those of the views, whose keys are shorter.
            state = np.random.SeedSequence((self.seed, epoch, step, self.rank, 1)).generate_state(1, np.uint64)
            generator = torch.Generator().manual_seed(int(state[0] >> 1))
            yield replace(batch, views=[self._turned(view, generator) for view in batch.views])

    def _turned(self, views: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        places = draw_places(len(views), turn=self.turn, shrink=self.shrink, generator=generator).to(views.device)
        black = self.black.to(views.device)
        grid = affine_grid(places, list(views.shape), align_corners=False)
        return grid_sample(views - black, grid, mode="bilinear", padding_mode="zeros", align_corners=False) + black


def draw_places(n: int, *, turn: float, shrink: float, generator: torch.Generator) -> torch.Tensor:
    """Affine matrices (n, 2, 3) from the turned view's coordinates to the view's, both in [-1, 1]; a shrunk view stays whole.

    >>> draw_places(1, turn=0, shrink=0, generator=torch.Generator()).abs().tolist()
    [[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]]
    """
    angle, scale, right, down = torch.rand(4, n, generator=generator)
    angle = math.radians(turn) * (2 * angle - 1)
    scale = 1 + shrink * scale
    right, down = ((scale - 1) * (2 * place - 1) for place in (right, down))
    rows = [torch.stack([scale * angle.cos(), -scale * angle.sin(), right], 1), torch.stack([scale * angle.sin(), scale * angle.cos(), down], 1)]
    return torch.stack(rows, dim=1)
