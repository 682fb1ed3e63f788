"""One update of the weights, from a batch of views to the scalars that describe it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from torch import nn

from repr_probe.training.config import TrainConfig
from repr_probe.training.networks import convert_for_ranks
from repr_probe.training.optimiser import adamw, learning_rate_at
from repr_probe.training.precision import autocast
from repr_probe.training.ranks import Ranks
from repr_probe.training.readings import Reading, read_later
from repr_probe.training.stopping import SpreadOfBackbone

if TYPE_CHECKING:
    from repr_probe.training.feeds.batch import Batch
    from repr_probe.training.objectives.objective import Objective


class Stepper:
    """An objective on its device with its optimiser; `take` makes one update.

    What is random in a step (dropout, say) is drawn from torch's generators, seeded before each step by (seed, step, rank): so a run that
    goes on needs no generator's state, on any number of ranks, and the views cannot shift the noise of the network.
    """

    def __init__(self, objective: Objective, config: TrainConfig, ranks: Ranks, *, steps_per_epoch: int) -> None:
        layout = torch.channels_last if config.channels_last else torch.contiguous_format
        objective = objective.to(device=ranks.device)
        if config.channels_last:
            objective = objective.to(memory_format=torch.channels_last)
        self.objective = cast("Objective", convert_for_ranks(objective, device=ranks.device, world_size=ranks.world_size))
        if config.compile:
            self.objective.backbone.compile()
        self.spread = SpreadOfBackbone(self.objective.backbone)
        self.optimiser = adamw(self.objective, learning_rate=config.learning_rate, weight_decay=config.weight_decay)
        self.model = ranks.wrap(self.objective)
        self.config, self.ranks, self.layout = config, ranks, layout
        self.total_steps = config.epochs * steps_per_epoch
        self.warmup_steps = min(config.warmup_epochs, config.epochs) * steps_per_epoch

    def take(self, batch: Batch, step: int, *, stop: bool) -> Reading:
        """Update number `step` (0-based) on this rank's share of the batch; stop: this rank was asked to."""
        config, ranks = self.config, self.ranks
        torch.manual_seed(seed_of_step(config.seed, step, ranks.rank))
        learning_rate = self.learning_rate(step)
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate
        views = [view.contiguous(memory_format=self.layout) for view in batch.views]
        with autocast(config.precision, ranks.device):
            result = self.model(views, batch.labels)
        self.optimiser.zero_grad(set_to_none=True)
        result.loss.backward()
        scalars = {"loss": result.loss, **result.terms, "gradient_norm": gradient_norm(self.objective.parameters())}
        if (spread := self.spread.take()) is not None:
            scalars["feature_spread"] = spread
        reading = read_later(scalars, ranks, stop=stop, step=step + 1, learning_rate=learning_rate, waited=batch.wait)
        self.optimiser.step()
        self.objective.after_step((step + 1) / self.total_steps)
        return reading

    def learning_rate(self, step: int) -> float:
        return learning_rate_at(
            step,
            peak=self.config.learning_rate,
            warmup_steps=self.warmup_steps,
            total_steps=self.total_steps,
            schedule=self.config.schedule,
        )


def gradient_norm(parameters: Iterable[nn.Parameter]) -> torch.Tensor:
    """Euclidean length of the whole gradient, a scalar; over ranks of DistributedDataParallel it is the same on each.

    >>> weight = nn.Parameter(torch.tensor([1.0, 1.0]))
    >>> (weight * torch.tensor([3.0, 4.0])).sum().backward()
    >>> gradient_norm([weight, nn.Parameter(torch.ones(2))]).item()
    5.0
    """
    return nn.utils.get_total_norm([parameter.grad for parameter in parameters if parameter.grad is not None])


def seed_of_step(seed: int, step: int, rank: int) -> int:
    """A seed of 63 bits for torch's generators, with nothing in common between steps, ranks and runs."""
    return int(np.random.SeedSequence((seed, step, rank)).generate_state(1, np.uint64)[0] >> 1)
