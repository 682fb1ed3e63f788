"""From a configuration to the parts of a run: data set, network, objective, feed."""

from __future__ import annotations

import torch

from repr_probe.datasets.image_dataset import ImageDataset
from repr_probe.datasets.open import open_dataset
from repr_probe.errors import UsageError
from repr_probe.training.config import TrainConfig
from repr_probe.training.feeds.batch import Feed, normalisation
from repr_probe.training.feeds.choose import open_feed
from repr_probe.training.networks import build_backbone
from repr_probe.training.objectives.build import build_objective
from repr_probe.training.objectives.objective import Objective
from repr_probe.training.parts import Parts
from repr_probe.training.ranks import Ranks
from repr_probe.training.turned_feed import TurnedFeed
from repr_probe.views.recipe import MultiCrop, dino_views


def assemble(config: TrainConfig, ranks: Ranks) -> Parts:
    """Build every part; the initial weights depend on `config.seed` alone, so they are the same on every rank.

    Raises UsageError, DatasetError or CheckpointError, each in one line, for what does not exist or does not fit.
    """
    share = ranks.share(config.batch_size)
    backbone = build_backbone(config)
    dataset = open_dataset(
        config.dataset, backbone.input, split=config.split, data_root=config.data_root, limit=config.limit, seed=config.seed
    )
    require_fitting(dataset, config)
    recipe = views_of(config)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(config.seed)
        objective = build_objective(
            config.method,
            backbone.module,
            backbone.n_features,
            projector=config.projector,
            norm=config.norm,
            n_global=config.n_global,
            n_classes=None if dataset.labels is None else len(dataset.class_names),
            options=config.options,
        )
    require_views(objective, recipe, config)
    feed: Feed = open_feed(
        dataset,
        recipe,
        kind=config.feed,
        batch_size=share,
        seed=config.seed,
        rank=ranks.rank,
        world_size=ranks.world_size,
        device=ranks.device,
        workers=config.workers,
    )
    if config.turn or config.shrink:
        mean, std = normalisation(backbone.input)
        feed = TurnedFeed(feed, turn=config.turn, shrink=config.shrink, mean=mean, std=std, seed=config.seed, rank=ranks.rank)
    return Parts(objective, feed, len(dataset), dataset.fingerprint)


def views_of(config: TrainConfig) -> MultiCrop:
    """The views that the fields of `config` describe."""
    return dino_views(
        global_size=config.global_size,
        local_size=config.local_size,
        n_global=config.n_global,
        n_local=config.n_local,
        global_area=config.global_area,
        local_area=config.local_area,
        strength=config.strength,
        blur=config.blur,
        solarise=config.solarise,
        flip=config.flip,
        grey=config.grey,
    )


def require_fitting(dataset: ImageDataset, config: TrainConfig) -> None:
    """Enough images for a step, and labels for the method that learns from them."""
    if len(dataset) < config.batch_size:
        raise UsageError(f"batch_size must be at most the {len(dataset)} images of {dataset.name} {dataset.split}; got {config.batch_size}")
    if dataset.labels is None and config.method == "supervised":
        raise UsageError(f"dataset must have labels for supervised; got {dataset.name} {dataset.split} without")


def require_views(objective: Objective, recipe: MultiCrop, config: TrainConfig) -> None:
    if recipe.n_views < objective.least_views:
        raise UsageError(f"n_global and n_local must give at least {objective.least_views} views for {config.method}; got {recipe.n_views}")
