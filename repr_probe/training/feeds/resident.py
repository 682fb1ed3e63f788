"""The resident feed: the whole data set as uint8 on the device, every batch drawn there."""

from __future__ import annotations

import time
from collections.abc import Iterator

import torch

from repr_probe.datasets.image_dataset import ImageDataset
from repr_probe.training.feeds.batch import Batch, in_channel_order, normalisation
from repr_probe.training.feeds.order import BatchPlan
from repr_probe.training.feeds.pixels import all_pixels
from repr_probe.views.batched import draw_views
from repr_probe.views.photometry import to_device
from repr_probe.views.recipe import MultiCrop


class ResidentFeed:
    """Batches of views from images that stay on `device`; every rank holds the whole set.

    size: (height, width) the images are brought to when they are read (they cover it and are cut around the centre); None keeps them as they
    are, then all must have one size. What it costs: one byte per pixel and channel (CIFAR-10 154 MB). Crops are resized from the stored pixels.
    batch_size: images per step of this rank. Raises DatasetError naming a damaged, too small or differently sized image.
    """

    def __init__(
        self,
        dataset: ImageDataset,
        recipe: MultiCrop,
        *,
        batch_size: int,
        seed: int,
        rank: int = 0,
        world_size: int = 1,
        device: torch.device | str = "cpu",
        size: tuple[int, int] | None = None,
    ) -> None:
        self.plan = BatchPlan(len(dataset), batch_size, seed, rank, world_size)
        self.n_steps = self.plan.n_steps
        self.input, self.recipe, self.device = dataset.input, recipe, torch.device(device)
        self.pixels = all_pixels(dataset, size).to(self.device)
        self.labels = None if dataset.labels is None else torch.from_numpy(dataset.labels).to(self.device)

    def epoch(self, epoch: int, *, start_step: int = 0) -> Iterator[Batch]:
        for step in self.plan.steps(start_step):
            asked = time.perf_counter()
            rows = self.plan.rows(epoch, step)
            (places,) = to_device([rows], self.device)
            images = self.pixels.index_select(0, places)
            mean, std = normalisation(self.input)
            views = draw_views(images, self.recipe, mean=mean, std=std, seed=(self.plan.seed, epoch), rows=rows)
            labels = None if self.labels is None else self.labels.index_select(0, places)
            yield Batch(in_channel_order(views, self.input), labels, torch.from_numpy(rows), time.perf_counter() - asked)
