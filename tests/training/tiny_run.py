"""A real run in little: random images, a network of a few hundred weights, losses that need no gathering. Run as a script under torchrun."""

from __future__ import annotations

import argparse
import copy
import os
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from torch import nn

from repr_probe.datasets.open import open_dataset
from repr_probe.training.config import TrainConfig
from repr_probe.training.feeds.choose import open_feed
from repr_probe.training.loop import RunResult, run_training
from repr_probe.training.networks import input_of_run
from repr_probe.training.objectives.build import build_objective
from repr_probe.training.parts import Parts
from repr_probe.training.ranks import Ranks
from repr_probe.training.run_folder import RunFolder
from repr_probe.views.recipe import dino_views

N_IMAGES, BATCH_SIZE = 48, 12
EPOCH_STEPS = N_IMAGES // BATCH_SIZE
CONFIG = TrainConfig(
    dataset="digits",
    arch="repr_probe:digits_net",
    mean=(0.5,),
    std=(0.5,),
    global_size=8,
    local_size=8,
    epochs=3,
    batch_size=BATCH_SIZE,
    warmup_epochs=1,
    learning_rate=1e-2,
    device="cpu",
    keep=100,
)


class Backbone(nn.Module):
    """Dropout, so that a run has noise of its own; GroupNorm, which knows nothing of other images."""

    def __init__(self, dropout: float) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(1, 6, 3), nn.GroupNorm(2, 6), nn.ReLU(), nn.Dropout(dropout), nn.Flatten(), nn.Linear(216, 5))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.layers(images.to(next(self.parameters()).dtype))


class Alignment(nn.Module):
    """Views of an image close to each other, features of length 1 on average: a mean over images, so that equal shares have equal weight."""

    needs_labels, least_views = False, 2

    def __init__(self, dropout: float = 0.2) -> None:
        super().__init__()
        self.backbone = Backbone(dropout)
        self.head = nn.Linear(5, 5)

    def forward(self, views, labels=None):
        first, second = (self.head(self.backbone(view)) for view in views)
        near, size = (first - second).square().mean(), (first.square().mean(1) - 1).square().mean()
        return SimpleNamespace(loss=near + size, terms={"near": near.detach(), "size": size.detach()})

    def after_step(self, progress: float) -> None:
        pass


class Teacher(Alignment):
    """The second view goes through a moving average of the network, whose momentum depends on how far the run is."""

    def __init__(self, dropout: float = 0.2) -> None:
        super().__init__(dropout)
        self.teacher = copy.deepcopy(self.backbone).requires_grad_(False)

    def forward(self, views, labels=None):
        first, second = self.head(self.backbone(views[0])), self.teacher(views[1])
        near, size = (first - second).square().mean(), (first.square().mean(1) - 1).square().mean()
        return SimpleNamespace(loss=near + size, terms={"near": near.detach(), "size": size.detach()})

    @torch.no_grad()
    def after_step(self, progress: float) -> None:
        for mine, ours in zip(self.teacher.parameters(), self.backbone.parameters()):
            mine.lerp_(ours, 0.1 * (1 - progress))


class Feed:
    """This rank's share of each batch; `before` is called with the number of updates made before a batch is given out.

    Views are noisy by (epoch, step, rank), or with `noise` 0 a function of the image alone.
    """

    n_steps = EPOCH_STEPS

    def __init__(self, ranks: Ranks, *, noise: float = 0.1, before: Callable[[int], None] = lambda step: None) -> None:
        self.ranks, self.noise, self.before = ranks, noise, before
        self.images = torch.randn(N_IMAGES, 1, 8, 8, generator=torch.Generator().manual_seed(0))

    def epoch(self, epoch: int, *, start_step: int = 0) -> Iterator[SimpleNamespace]:
        order = np.random.default_rng((0, epoch)).permutation(N_IMAGES)
        share = BATCH_SIZE // self.ranks.world_size
        for step in range(start_step, self.n_steps):
            self.before(epoch * self.n_steps + step)
            start = step * BATCH_SIZE + self.ranks.rank * share
            rows = torch.from_numpy(order[start : start + share])
            images = self.images[rows]
            noise = torch.randn(images.shape, generator=torch.Generator().manual_seed(1000 * epoch + 10 * step + self.ranks.rank))
            views = [view.to(self.ranks.device) for view in (images, images.roll(1, dims=3) + self.noise * noise)]
            yield SimpleNamespace(views=views, labels=None, rows=rows, wait=0.0)


def run(
    path: Path,
    *,
    objective: Callable[[], nn.Module] = Alignment,
    before: Callable[[int], None] = lambda step: None,
    noise: float = 0.1,
    resume: bool = False,
    dry_run: bool = False,
    monitor=None,
    tensorboard: bool = False,
    **changes,
) -> RunResult:
    def assemble(config: TrainConfig, ranks: Ranks) -> Parts:
        with torch.random.fork_rng():
            torch.manual_seed(config.seed)
            return Parts(objective(), Feed(ranks, noise=noise, before=before), N_IMAGES, "sha")

    how = {"resume": resume, "dry_run": dry_run, "monitor": monitor, "tensorboard": tensorboard}
    return run_training(replace(CONFIG, **changes), RunFolder(path), assemble=assemble, **how)


def run_hydes(path: Path) -> RunResult:
    """The real loss, which looks across ranks, and the real feed, whose views follow the image and not the rank; no BatchNorm; in float64."""

    def assemble(config: TrainConfig, ranks: Ranks) -> Parts:
        digits = open_dataset("digits", input_of_run(config), split="train", limit=N_IMAGES)
        with torch.random.fork_rng():
            torch.manual_seed(config.seed)
            objective = build_objective("hydes", Backbone(dropout=0.0), 5, projector=(16, 8), norm=False, options={"kappa": 10.0}).double()
        how = {"seed": config.seed, "rank": ranks.rank, "world_size": ranks.world_size, "device": ranks.device}
        feed = open_feed(digits, dino_views(global_size=8, local_size=8, n_local=2), batch_size=ranks.share(config.batch_size), **how)
        return Parts(objective, feed, len(digits), digits.fingerprint)

    return run_training(CONFIG, RunFolder(path), resume=False, assemble=assemble)


def at(step: int, act: Callable[[], None]) -> Callable[[int], None]:
    """A `before` that acts once `step` updates have been made."""

    def before(now: int) -> None:
        if now == step:
            act()

    return before


def terminate() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("out", type=Path)
    parser.add_argument("--hydes", action="store_true", help="the real loss and feed")
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--terminate", type=int, default=-1, help="the last rank gets SIGTERM after so many updates")
    parser.add_argument("--poison", type=int, default=-1, help="the last rank sees NaN after so many updates")
    options = parser.parse_args()
    torch.set_num_threads(1)
    rank, last = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"]) - 1
    objective = Alignment(dropout=0.0)

    def before(step: int) -> None:
        if rank == last and step == options.terminate:
            terminate()
        if rank == last and step == options.poison:
            objective.head.register_forward_hook(lambda module, inputs, output: output * float("nan"))

    def made() -> Alignment:  # here, where the run's seed is set
        objective.load_state_dict(Alignment(dropout=0.0).state_dict())
        return objective

    try:
        if options.hydes:
            result = run_hydes(options.out)
        else:
            result = run(options.out, objective=made, before=before, noise=0.0, resume=options.resume)
    except Exception as failure:
        sys.stdout.write(f"rank {rank}: {type(failure).__name__}: {failure}\n")
    else:
        sys.stdout.write(f"rank {rank}: step {result.step} stopped by {result.stopped_by}\n")


if __name__ == "__main__":
    main()
